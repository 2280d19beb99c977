"""The events of a running step, as its driver receives them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from prefect_parallel.output.part import Record


class AttemptEvent(NamedTuple):
    """An attempt at a mini-batch has ended, on a node.

    Attributes:
        mini_batch: Index of the mini-batch.
        final: Whether no other attempt follows.
        succeeded: Number of items that succeeded.
        failed_items: Number of items that failed.
        error: The cause, in one line; None if the mini-batch succeeded.
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
    """A task run ended for another reason than failed mini-batches, and the step with it."""

    reason: str


@dataclass(frozen=True)
class TaskRunEnded:
    """A task run is over. Its result is not looked at: that would cost as much as running it.

    Attributes:
        key: Of its Dask task.
        is_lost: Whether it is gone without a result, and must be submitted again.
    """

    key: object
    is_lost: bool


StepEvent: TypeAlias = list[AttemptEvent] | RunStarted | TaskRunBroken | TaskRunEnded
"""What nodes report to the driver, and what Dask does."""
