"""Root causes of failures: errors that differ only in names and numbers have the same one."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""
      (?P<quote>['"])[^'"]*(?P=quote)  # a quoted name
    | [^\s'"]+                         # a bare word
    """,
    re.VERBOSE,
)
"""Each character is looked at a bounded number of times, whatever the text."""

_VARIABLE = re.compile(r"[\d/\\]")
"""A name or word with a number or a path in it varies from one mini-batch to another."""

_FROM_SETTINGS = re.compile(r"(took longer than \S+: |exit code )(\S+( s$)?)")
"""Numbers that belong to the cause: they come from the settings or from the script's author."""

_EARLIER_ATTEMPT = re.compile(r"(?P<first>.*?) \(attempt 1\), then ")


def root_cause(error: str) -> str:
    """The error of the first attempt, with `…` for whatever varies between mini-batches.

    Example:
        ```python
        root_cause("ValueError: row 17 of '/data/a.csv' is bad")  # ValueError: row … of … is bad
        root_cause("KeyError: 'store'")  # KeyError: 'store'
        root_cause("the process ended during run(): exit code 3")  # unchanged
        ```
    """
    error = first_error(error)
    kept = _FROM_SETTINGS.search(error)
    if kept is None:
        return _generalized(error)
    start, stop = kept.span()
    return _generalized(error[:start]) + error[start:stop] + _generalized(error[stop:])


def error_after(first: str, error: str, attempt: int) -> str:
    """The error of a later attempt, which names that of the first if it has another root cause."""
    first = first_error(first)
    if root_cause(first) == root_cause(error):
        return error
    return f"{first} (attempt 1), then {error} (attempt {attempt})"


def first_error(error: str) -> str:
    """The part of an error that the first attempt failed with."""
    found = _EARLIER_ATTEMPT.match(error)
    return error if found is None else found["first"]


def _generalized(text: str) -> str:
    return _TOKEN.sub(lambda found: "…" if _VARIABLE.search(found[0]) else found[0], text)
