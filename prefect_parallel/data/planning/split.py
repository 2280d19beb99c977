"""How to split the major input of a step."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from prefect_parallel.errors import InvalidInput

_SIZE = re.compile(r"([0-9]+)([kKmMgG][bB])?")
_UNITS = {"": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3}


class Size(int):
    """A `mini_batch_size`: a number of files or bytes.

    Attributes:
        unit: Unit as written, in lower case; empty if there is none.
    """

    unit: str

    def __new__(cls, amount: int, unit: str = "") -> Size:
        made = super().__new__(cls, amount)
        made.unit = unit
        return made

    @classmethod
    def parse(cls, text: str) -> Size | None:
        """Parses `"10"`, `"10kb"`, `"1mb"` or `"2GB"`; None for other texts. 1 kb is 1024 bytes."""
        match = _SIZE.fullmatch(text)
        if match is None:
            return None
        unit = (match[2] or "").lower()
        return cls(int(match[1]) * _UNITS[unit], unit)


@dataclass(frozen=True, slots=True)
class BySize:
    """Mini-batches of about the same size.

    Attributes:
        amount: Number of files of a list, or of bytes of a table; at least 1. None: the default.
    """

    amount: int | None = None

    @classmethod
    def parse(cls, text: str | int | None) -> BySize:
        """Parses a `mini_batch_size`, such as `10` or `"10kb"`.

        Raises:
            InvalidInput: The text has another form, or the number is 0.
        """
        if text is None:
            return cls()
        size = Size.parse(str(text))
        if not size:
            raise InvalidInput(
                f"mini_batch_size {text!r}: must be a number of at least 1, with kb, mb or gb for"
                " bytes if wanted"
            )
        return cls(size)

    # Azure ML's defaults.
    DEFAULT_FILES = 10
    DEFAULT_BYTES = 1024 * 1024

    @property
    def files(self) -> int:
        return self.amount or self.DEFAULT_FILES

    @property
    def bytes(self) -> int:
        return self.amount or self.DEFAULT_BYTES

    def note(self, kind: Literal["table", "files"], input_type: str) -> str | None:
        """A note for the user if the unit does not suit the input."""
        if not isinstance(self.amount, Size):
            return None
        unit = self.amount.unit
        if kind == "table" and not unit:
            return (
                f"mini_batch_size {self.amount} means {self.amount:,} bytes, since the input is a"
                f" table: for kilobytes, write {self.amount}kb"
            )
        if kind == "files" and unit and input_type == "uri_file":
            return (
                "mini_batch_size has no effect: a uri_file is one mini-batch, the path of the file;"
                " to split its rows, use an mltable with a read_* transformation"
            )
        if kind == "files" and unit:
            return (
                f"mini_batch_size means {self.amount:,} files, since the input is a list of files:"
                f" write the number of files, without {unit}"
            )
        return None


@dataclass(frozen=True, slots=True)
class ByKeys:
    """One mini-batch for each combination of values of some columns."""

    keys: tuple[str, ...]
