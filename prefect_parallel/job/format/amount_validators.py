"""What amounts of memory and of time must be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from prefect_parallel.data import Size
from prefect_parallel.job.format.types import MAX_TIMEOUT
from prefect_parallel.job.format.validators import NumberValidator, Validator
from prefect_parallel.yaml_schema import Refused

MAX_DELAYS = 50
"""As many as Prefect allows."""


@dataclass(frozen=True)
class MemoryValidator(Validator):
    """An amount of memory in kb, mb or gb."""

    allowed = 'an amount of memory, e.g. "500mb" or "2gb"'

    def check(self, value: Any) -> int:
        size = Size.parse(value) if isinstance(value, str) else None
        if not size or size.unit not in ("kb", "mb", "gb"):
            raise self.refused(value)
        return size


@dataclass(frozen=True)
class DelaysValidator(Validator):
    """One or several numbers of seconds: `10`, `10,60`, `[10, 60]`."""

    allowed = f"seconds from 0 to {MAX_TIMEOUT}, or several: 10,60,300"

    def check(self, value: Any) -> tuple[float, ...]:
        texts = value if isinstance(value, list) else [value]
        if isinstance(value, str):
            inside = value.strip().removeprefix("[").removesuffix("]")
            texts = [one.strip() for one in inside.split(",")]
        each = NumberValidator(0, MAX_TIMEOUT, "seconds")
        try:
            numbers = [each.check(one) for one in texts]
        except Refused:
            raise self.refused(value) from None
        if not 1 <= len(numbers) <= MAX_DELAYS:
            raise self.refused(value)
        return tuple(map(float, numbers))
