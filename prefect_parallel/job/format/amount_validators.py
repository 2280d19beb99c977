"""What amounts of memory and of time must be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prefect_parallel.data import Size
from prefect_parallel.job.format.validators import Validator


@dataclass(frozen=True)
class MemoryValidator(Validator):
    """An amount of memory in kb, mb or gb."""

    allowed = 'an amount of memory, e.g. "500mb" or "2gb"'

    def check(self, value: Any) -> int:
        size = Size.parse(value) if isinstance(value, str) else None
        if not size or size.unit not in ("kb", "mb", "gb"):
            raise self.refused(value)
        return size
