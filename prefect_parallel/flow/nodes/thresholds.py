"""How much may fail before the step does."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal

from prefect_parallel.errors import counted
from prefect_parallel.job import ParallelStep


@dataclass(frozen=True)
class Thresholds:
    """The thresholds of a step; one more failure fails it. -1: unlimited."""

    mini_batch_error_threshold: int
    error_threshold: int
    allowed_failed_percent: float

    @classmethod
    def of(cls, step: ParallelStep) -> Thresholds:
        return cls(
            step.mini_batch_error_threshold,
            step.error_threshold,
            step.allowed_failed_percent,
        )

    def exceeded(self, *, failed: int, failed_items: int, mini_batches: int) -> str | None:
        """A sentence about the threshold that is exceeded; None if none is."""
        if 0 <= self.mini_batch_error_threshold < failed:
            return (
                f"{counted(failed, 'mini-batch')} failed, more than"
                f" mini_batch_error_threshold: {self.mini_batch_error_threshold}"
            )
        if 0 <= self.error_threshold < failed_items:
            items = counted(failed_items, "item")
            return f"{items} failed, more than error_threshold: {self.error_threshold}"
        # Exact: as a double, 1.14 % of 5,000 is less than 57.
        if failed * 100 > Decimal(str(self.allowed_failed_percent)) * mini_batches:
            return (
                f"{failed:,} of {counted(mini_batches, 'mini-batch')} failed, more than"
                f" allowed_failed_percent: {self.allowed_failed_percent:g}"
            )
        return None

    def to_json(self) -> dict[str, float]:
        return asdict(self)
