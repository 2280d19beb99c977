"""How a step wants its major input split."""

from __future__ import annotations

import re
from dataclasses import dataclass

from prefect_parallel.errors import InvalidInput

_SIZE = re.compile(r"([0-9]+)([kKmMgG][bB])?")
_UNITS = {"": 1, "kb": 1024, "mb": 1024**2, "gb": 1024**3}


@dataclass(frozen=True, slots=True)
class BySize:
    """Mini-batches of about the same size.

    Attributes:
        amount: Files for a list of files, bytes for a table; at least 1. None: the default.
    """

    amount: int | None = None

    @classmethod
    def parse(cls, text: str | int | None) -> BySize:
        """Reads a `mini_batch_size`: `10`, `"10"`, `"10kb"`, `"1mb"`, `"2GB"`; 1 kb is 1024 bytes.

        Raises:
            InvalidInput: It is not such.
        """
        if text is None:
            return cls()
        match = _SIZE.fullmatch(str(text))
        amount = int(match[1]) * _UNITS[match[2].lower() if match[2] else ""] if match else 0
        if amount < 1:
            raise InvalidInput(
                f"mini_batch_size {text!r}: must be a number of at least 1, with kb, mb or gb for"
                " bytes if wanted"
            )
        return cls(amount)

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
