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
        error: The cause, in one line; None if the mini-batch succeeded.
        seconds: Duration, without the start of its process; None if the result of an earlier
            attempt was found.
        extent: Size of the mini-batch's data, as `MiniBatch.extent`.
    """

    mini_batch: int
    final: bool
    succeeded: int
    failed_items: int
    error: str | None
    seconds: float | None
    extent: int

    @classmethod
    def of(
        cls, record: Record, *, last_attempt: bool, seconds: float | None, extent: int
    ) -> AttemptEvent:
        return cls(
            mini_batch=record.index,
            final=last_attempt or record.error is None,
            succeeded=record.succeeded,
            failed_items=record.failed_items,
            error=record.error,
            seconds=seconds,
            extent=extent,
        )


@dataclass(frozen=True)
class Returned:
    """The first mini-batch of a node that returned a kind of result, or columns of some types.

    Attributes:
        kind: As those of its `Record`, like the others.
    """

    mini_batch: int
    kind: str
    schema: str | None


@dataclass(frozen=True)
class RunStarted:
    """A node has called `run` for the first time."""


@dataclass(frozen=True)
class GivenBack:
    """A task run takes too long, and leaves the rest of its group to others.

    Attributes:
        first: Index of the first mini-batch of the group.
        rest: Index of the first mini-batch that the task run does not run.
    """

    first: int
    rest: int


@dataclass(frozen=True)
class RetryWaits:
    """A task run waits for its retry, outside the slots.

    Attributes:
        first: Index of the first mini-batch of its group.
        seconds: Maximum time that it waits.
    """

    first: int
    seconds: float


@dataclass(frozen=True)
class NodeUnusable:
    """`init` keeps failing on a node, or its disk is full; its task runs wait until it is closed.

    Attributes:
        node: The node's name.
        address: Of its Dask worker.
        reason: The cause.
    """

    node: str
    address: str
    reason: str


@dataclass(frozen=True)
class TaskRunBroken:
    """A task run ended for another reason than failed mini-batches, and the step with it."""

    reason: str


@dataclass(frozen=True)
class TaskRunEnded:
    """A task run has ended. Its result is not read: that would cost as much as running it.

    Attributes:
        key: Of its Dask task.
        is_lost: Whether it is gone without a result, and must be submitted again.
    """

    key: object
    is_lost: bool


StepEvent: TypeAlias = (
    list[AttemptEvent]
    | Returned
    | RunStarted
    | GivenBack
    | RetryWaits
    | NodeUnusable
    | TaskRunBroken
    | TaskRunEnded
)
"""What nodes report to the driver, and what Dask does."""
