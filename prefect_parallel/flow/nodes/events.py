"""What happens to a step while it runs, as its driver is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from prefect_parallel.data import MiniBatch
from prefect_parallel.output.part import Record


class AttemptEvent(NamedTuple):
    """What a node tells the driver when an attempt has ended.

    Attributes:
        mini_batch: Its index.
        final: Whether no other attempt follows.
        succeeded: How many items did.
        failed_items: How many did not.
        error: One line; None for a mini-batch that succeeded.
        started_at: Seconds since the epoch.
    """

    mini_batch: int
    final: bool
    succeeded: int
    failed_items: int
    error: str | None
    started_at: float

    @classmethod
    def of(cls, record: Record, *, last_attempt: bool) -> AttemptEvent:
        return cls(
            mini_batch=record.index,
            final=last_attempt or record.error is None,
            succeeded=record.succeeded,
            failed_items=record.failed_items,
            error=record.error,
            started_at=record.started_at,
        )


@dataclass(frozen=True)
class RunStarted:
    """A node has called `run` for the first time."""


@dataclass(frozen=True)
class TaskRunBroken:
    """A task run ended with something else than failed mini-batches."""

    reason: str


@dataclass(frozen=True)
class TaskRunEnded:
    """A task run is over, for good or bad: its result is not looked at, that would cost as much."""


@dataclass(frozen=True)
class TaskRunLost:
    """A task run is gone with the scheduler that knew of it, ended or not."""

    group: list[MiniBatch]


StepEvent: TypeAlias = list[AttemptEvent] | RunStarted | TaskRunBroken | TaskRunEnded | TaskRunLost
"""What nodes report to the driver, and what Dask does."""
