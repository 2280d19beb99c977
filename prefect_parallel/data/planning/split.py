"""How to split the major input of a step."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from prefect_parallel.errors import InvalidInput

# What `run` gets: rows as a DataFrame, a list of paths, or a list of JSON values.
Kind: TypeAlias = Literal["table", "files", "items"]

# Python converts at most 4,300 digits to a number.
_SIZE = re.compile(r"([0-9]{1,4000})(?:([kKmMgG][bB])| +([rR][oO][wW][sS]?))?")
_UNITS = {"": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3, "rows": 1}
# Below this, a number without a unit was probably meant as a number of rows.
_SMALL_BYTES = 10 * 1024


class Size(int):
    """A `mini_batch_size`: a number of files, bytes or rows.

    Attributes:
        unit: `kb`, `mb`, `gb` or `rows`; empty if none is given.
    """

    unit: str

    def __new__(cls, amount: int, unit: str = "") -> Size:
        made = super().__new__(cls, amount)
        made.unit = unit
        return made

    def __str__(self) -> str:
        """The size as it was written: `10`, `10kb`, `1000 rows`."""
        amount = int(self) // _UNITS[self.unit]
        return f"{amount} rows" if self.unit == "rows" else f"{amount}{self.unit}"

    @classmethod
    def parse(cls, text: str) -> Size | None:
        """Parses `"10"`, `"10kb"`, `"2GB"` or `"1000 rows"`; None for other texts, and `"0 rows"`.

        1 kb is 1024 bytes.
        """
        match = _SIZE.fullmatch(text)
        if match is None:
            return None
        if match[3]:
            return cls(int(match[1]), "rows") if int(match[1]) else None
        unit = (match[2] or "").lower()
        return cls(int(match[1]) * _UNITS[unit], unit)


@dataclass(frozen=True, slots=True)
class BySize:
    """Mini-batches of about the same size.

    Attributes:
        amount: Number of files of a list, of bytes or rows of a table, or of items; at least 1.
            None: the default.
    """

    amount: int | None = None

    @classmethod
    def parse(cls, text: str | int | None) -> BySize:
        """Parses a `mini_batch_size`, such as `10`, `"10kb"` or `"1000 rows"`.

        Raises:
            InvalidInput: The text has another form, or the number is 0.
        """
        if text is None:
            return cls()
        size = Size.parse(str(text))
        if not size:
            raise InvalidInput(
                f"mini_batch_size {text!r}",
                allowed="a number of files or bytes of at least 1, e.g. 10, 10kb, 10mb or 10gb, or"
                " of rows, e.g. 1000 rows",
            )
        return cls(size)

    # Azure ML's defaults.
    DEFAULT_FILES = 10
    DEFAULT_BYTES = 1024 * 1024
    DEFAULT_ITEMS = 10

    @property
    def unit(self) -> str:
        """The unit as written; empty if there is none."""
        return self.amount.unit if isinstance(self.amount, Size) else ""

    @property
    def bytes(self) -> int:
        return self.amount or self.DEFAULT_BYTES

    @property
    def rows(self) -> int | None:
        """Number of rows of a table; None: it is split by bytes."""
        return self.amount if self.unit == "rows" else None

    @property
    def items(self) -> int | None:
        """Number of items; None: they are split by bytes."""
        return None if self.unit in ("kb", "mb", "gb") else self.amount or self.DEFAULT_ITEMS

    @property
    def files(self) -> int:
        """Number of files of a list.

        Raises:
            InvalidInput: The size is a number of rows.
        """
        if self.unit == "rows":
            raise InvalidInput(
                f"mini_batch_size {self.amount}: the input is a list of files, which has no rows",
                hint=f'write a number of files ("{self.amount:d}"), or make the input a table: an'
                " mltable with a read_* transformation, or input_format in the step's properties",
            )
        return self.amount or self.DEFAULT_FILES

    def note(self, kind: Kind) -> str | None:
        """A note for the user if the unit does not suit the input."""
        if not isinstance(self.amount, Size):
            return None
        amount, unit = int(self.amount), self.unit
        if kind == "table" and not unit and amount < _SMALL_BYTES:
            return (
                f"mini_batch_size {amount} means {amount:,} bytes, since the input is a table: for"
                f' rows, write "{amount} rows", for kilobytes "{amount}kb"'
            )
        if kind == "files" and unit:
            return (
                f"mini_batch_size means {amount:,} files, since the input is a list of files:"
                f" write the number of files, without {unit}"
            )
        return None


@dataclass(frozen=True, slots=True)
class ByKeys:
    """One mini-batch for each combination of values of some columns."""

    keys: tuple[str, ...]
