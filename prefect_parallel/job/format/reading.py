"""The state of reading a document: problems found so far, and what they make unusable."""

from __future__ import annotations

from typing import Any, Final

from prefect_parallel.document import Document, KeyPath
from prefect_parallel.yaml_schema import Diagnostics


class _Broken:
    def __repr__(self) -> str:
        return "BROKEN"


BROKEN: Final[Any] = _Broken()
"""Stands for a value that could not be read; its problem has been reported."""


class Refused(Exception):
    """A value is not allowed.

    Args:
        found: What was found.
        allowed: What is allowed.
        hint: What to do.
    """

    def __init__(self, found: str, *, allowed: str | None = None, hint: str | None = None) -> None:
        super().__init__(found)
        self.found = found
        self.allowed = allowed
        self.hint = hint


class Reading(Diagnostics):
    """What comes up while a document is read into models.

    Attributes:
        ignored: Paths of valid keys that have no effect outside Azure ML.
        broken: Paths of values that could not be read.
    """

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        self.ignored: list[KeyPath] = []
        self.broken: set[KeyPath] = set()

    def refuse(self, path: KeyPath, refused: Refused, *, of_key: bool = False) -> None:
        """Report that the value at a path cannot be used."""
        self.broken.add(path)
        self.add(path, refused.found, refused.allowed, refused.hint, of_key=of_key)
