"""How long Prefect waits before it retries a mini-batch."""

from __future__ import annotations

from dataclasses import dataclass

from prefect_parallel.job import ParallelStep
from prefect_parallel.job.format.types import MAX_TIMEOUT


@dataclass(frozen=True)
class RetryDelays:
    """The delays of a step's retries.

    Attributes:
        seconds: Before the first, second, ... retry; the last one holds for all others. Empty if
            retries do not wait.
        backoff: Factor by which each retry waits longer.
        jitter: Prefect's `retry_jitter_factor`: a random share by which a delay varies.
    """

    seconds: tuple[float, ...]
    backoff: float
    jitter: float

    @classmethod
    def of(cls, step: ParallelStep) -> RetryDelays:
        return cls(step.retry_delay_seconds, step.retry_backoff_factor, step.retry_jitter_factor)

    def after(self, attempt: int) -> float:
        """The delay in seconds after a failed attempt, counted from 1, without jitter."""
        if not self.seconds:
            return 0.0
        delay = self.seconds[min(attempt, len(self.seconds)) - 1]
        return min(delay * self.backoff ** (attempt - 1), MAX_TIMEOUT)

    def with_asked(self, attempt: int, asked: float) -> tuple[float, float]:
        """The delay after a failed attempt, and the share by which it varies.

        If its script asked for a longer one, it is that, unvaried.
        """
        delay, asked = self.after(attempt), min(asked, MAX_TIMEOUT)
        return (asked, 0.0) if asked > delay else (delay, self.jitter)
