"""Root causes of failures: errors that differ only in names and numbers have the same one."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""
      # Numbers that belong to the cause: of the system, the settings, or the script's author.
      (?P<kept>\[Errno\ \d+\] | SystemExit:\ \d+ | exit\ code\ \S+
        | took\ longer\ than\ \S+:\ \S+(\ s$)?)
    | (?P<quote>['"])[^'"]*(?P=quote)  # a quoted name
    | [^\s'"]+                         # a bare word
    """,
    re.VERBOSE,
)
"""Each character is looked at a bounded number of times, whatever the text."""

_VARIABLE = re.compile(r"[\d/\\]")
"""A name or word with a number or a path in it varies from one mini-batch to another."""

_PUNCTUATION = "[](){}<>,;:.!?"
"""Around a word; stays where the word varies."""

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
    return _TOKEN.sub(_generalized, first_error(error))


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


def _generalized(found: re.Match[str]) -> str:
    word = found[0].strip(_PUNCTUATION)
    if found["kept"] or not _VARIABLE.search(word):
        return found[0]
    before, _, after = found[0].partition(word)
    return f"{before}…{after}"
