"""How far a step is: counted from the events that nodes send, shown by an observer."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from prefect_parallel.output.job_result import Status
from prefect_parallel.output.part import Record
from prefect_parallel.output.root_cause import root_cause


@dataclass(frozen=True)
class AttemptEvent:
    """What a node tells the driver when an attempt has ended.

    Attributes:
        index: The mini-batch's.
        final: Whether no other attempt follows.
        succeeded: How many items did.
        failed_items: How many did not.
        error: One line; None for a mini-batch that succeeded.
        started_at: Seconds since the epoch.
    """

    index: int
    final: bool
    succeeded: int
    failed_items: int
    error: str | None
    started_at: float

    @classmethod
    def of(cls, record: Record, *, last_attempt: bool) -> AttemptEvent:
        return cls(
            index=record.index,
            final=last_attempt or record.error is None,
            succeeded=record.succeeded,
            failed_items=record.failed_items,
            error=record.error,
            started_at=record.started_at,
        )


class Progress:
    """Counts of one step. Events may come late, or twice."""

    def __init__(self, mini_batches: int, unit: str = "items", *, reused: int = 0) -> None:
        """Begin to count.

        Args:
            mini_batches: How many there are.
            unit: What an item is, e.g. `rows`.
            reused: How many an earlier run has done.
        """
        self.mini_batches = mini_batches
        self.unit = unit
        self.reused = reused
        self.done = reused
        self.failed = 0
        self.failed_items = 0
        self.items = 0
        self.started = time.monotonic()
        self.first_error: str | None = None
        self.causes: Counter[str] = Counter()
        # A byte for each mini-batch: there may be millions.
        self._final = bytearray(mini_batches)

    def add(self, event: AttemptEvent) -> None:
        """Count an attempt in."""
        if event.final and not self._final[event.index]:
            self._final[event.index] = True
            self.done += 1
            self.items += event.succeeded + event.failed_items
            self.failed_items += event.failed_items
            if event.error is not None:
                self.failed += 1
                self.first_error = self.first_error or event.error
                self.causes[root_cause(event.error)] += 1

    def settle(self, *, done: int, failed: int) -> None:
        """Take over the final counts, for events may come too late."""
        self.done, self.failed = done, failed

    @property
    def items_per_second(self) -> float:
        return self.items / max(time.monotonic() - self.started, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """At the speed so far; None before anything is done."""
        done_now = self.done - self.reused
        if done_now == 0:
            return None
        elapsed = time.monotonic() - self.started
        return elapsed / done_now * (self.mini_batches - self.done)

    def __str__(self) -> str:
        return f"{self.done} of {self.mini_batches} mini-batches done, {self.failed} failed"


@dataclass(frozen=True)
class Failures:
    """Mini-batches that failed of one root cause.

    Attributes:
        cause: The error, with `…` for what differs.
        count: How many there are.
        example: The error of one of them.
        repeat: What to type to run one of them again.
    """

    cause: str
    count: int
    example: str
    repeat: str

    def __str__(self) -> str:
        such_as = "" if self.example == self.cause else f", such as {self.example}"
        return f"{self.cause}{such_as}"


@dataclass(frozen=True)
class StepEnd:
    """What became of a step.

    Attributes:
        status: Completed, Failed or Canceled.
        reason: Why, in one sentence.
        output: The aggregated output, else the folder of the step's outputs; None for neither.
        log: The file to look into first; None if there is nowhere to write to.
        failures: Of the mini-batches that failed, the most frequent causes first.
        metrics_for_parent: Metrics that the pipeline's run shows, too.
    """

    status: Status
    reason: str
    output: Path | None
    log: Path | None
    failures: tuple[Failures, ...] = ()
    metrics_for_parent: Mapping[str, float] = field(default_factory=dict)


class Observer:
    """Is told what happens in a run; this one keeps quiet.

    Its methods may be called from several threads at a time, one for each step that runs.
    """

    def waiting(self, what: str) -> None:
        """The run waits for something, e.g. `the Prefect server`."""

    def shown_at(self, ui: str) -> None:
        """The run can be looked at in the Prefect UI that was found at this address."""

    def warned(self, text: str) -> None:
        """Something about the run that may not be what was meant, before any step starts."""

    def noted(self, step: str, text: str) -> None:
        """Something worth knowing about a step, e.g. how much of it is reused."""

    def command_started(self, step: str) -> None:
        """A command step runs its command."""

    def step_started(self, step: str, progress: Progress, slots: str) -> None:
        """A parallel step is about to run its mini-batches, e.g. on `2 nodes x 4 slots`."""

    def step_progressed(self, step: str, progress: Progress) -> None:
        """Some mini-batch's attempt has ended, or some time has passed."""

    def step_ended(self, step: str, end: StepEnd) -> None:
        """A step is over."""
