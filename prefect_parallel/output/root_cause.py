"""Failures that differ only in what they failed on have one root cause."""

from __future__ import annotations

import re

_VARIES = re.compile(
    r"""
      (?P<quote>['"])[^'"]*[\d/\\][^'"]*(?P=quote)  # a quoted name with a number or a path in it
    | \S*[\d/\\]\S*                                 # a bare word of that kind
    """,
    re.VERBOSE,
)

_SAID_OF_PROCESS = re.compile(r"(took longer than \S+: |exit code )(\S+( s$)?)")
"""Numbers that are the cause: they come from the settings, or from the script's author."""


def root_cause(error: str) -> str:
    """The error's one line, with `…` for whatever tells one mini-batch from another.

    `ValueError: row 17 of '/data/a.csv' is bad` becomes `ValueError: row … of … is bad`, whereas
    `KeyError: 'store'` and `the process ended during run(): exit code 3` stay as they are.
    """
    kept = _SAID_OF_PROCESS.search(error)
    if kept is None:
        return _VARIES.sub("…", error)
    start, stop = kept.span()
    return _VARIES.sub("…", error[:start]) + error[start:stop] + _VARIES.sub("…", error[stop:])
