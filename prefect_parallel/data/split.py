"""How a step wants its major input split."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BySize:
    """Mini-batches of about the same size.

    Attributes:
        amount: Files for a list of files, bytes for a table; at least 1. None: the default.
    """

    amount: int | None = None

    # Azure ML's defaults.
    DEFAULT_FILES = 10
    DEFAULT_BYTES = 1024 * 1024

    @property
    def files(self) -> int:
        return self.amount or self.DEFAULT_FILES

    @property
    def bytes(self) -> int:
        return self.amount or self.DEFAULT_BYTES


@dataclass(frozen=True, slots=True)
class ByKeys:
    """One mini-batch for each combination of values of some columns."""

    keys: tuple[str, ...]
