"""Monitors a step: counts its events, and ends it as soon as it can no longer succeed."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import Event

from prefect_parallel.errors import PrefectParallelError, counted
from prefect_parallel.flow.nodes.events import (
    GivenBack,
    NodeUnusable,
    RetryWaits,
    Returned,
    RunStarted,
    StepEvent,
    TaskRunBroken,
    TaskRunEnded,
)
from prefect_parallel.flow.nodes.progress import Progress
from prefect_parallel.flow.nodes.task_runs import TaskRuns
from prefect_parallel.flow.nodes.thresholds import Thresholds
from prefect_parallel.job import ParallelStep
from prefect_parallel.output.returns import Returns
from prefect_parallel.output.totals import Totals

TICK_SECONDS = 0.5
"""How often progress is shown and limits are checked when no events arrive."""


class StepFailed(PrefectParallelError):
    """A step has failed; the message says why."""


class StepCanceled(PrefectParallelError):
    """A step was canceled while it was running."""


@dataclass(frozen=True)
class Limits:
    """How long a step may go without progress, in seconds.

    Attributes:
        first_task_creation_timeout: From the start of the step to its first call of `run`.
        progress_update_timeout: From the end of one attempt to the end of the next.
    """

    first_task_creation_timeout: float
    progress_update_timeout: float

    @classmethod
    def of(cls, step: ParallelStep) -> Limits:
        """The limits of a step.

        `progress_update_timeout` defaults to the longest time that a healthy step can need: for
        starting a process, loading a mini-batch, running it and writing its part.
        """
        first = step.first_task_creation_timeout
        silent = first + step.timeout + 2 * step.task_overhead_timeout
        return cls(first, step.progress_update_timeout or silent)


class StepMonitor:
    """Processes the events of one step until all of its task runs have ended."""

    def __init__(
        self,
        progress: Progress,
        returns: Returns,
        thresholds: Thresholds,
        limits: Limits,
        canceled: Event,
    ) -> None:
        self.events: queue.SimpleQueue[StepEvent] = queue.SimpleQueue()
        self._progress = progress
        self._returns = returns
        self._thresholds = thresholds
        self._limits = limits
        self._canceled = canceled
        self._started = self._progressed = time.monotonic()
        self._has_run = False
        self._left_out: set[str] = set()

    def until_done(
        self, task_runs: TaskRuns, on_change: Callable[[], None], warn: Callable[[str], None]
    ) -> None:
        """Wait until all task runs have ended, submitting some while others run.

        Args:
            task_runs: The task runs.
            on_change: Called after each event, and every `TICK_SECONDS` without one.
            warn: Called with a warning for the user when a node is left out.

        Raises:
            StepFailed: The step can no longer succeed; task runs may still be running.
            MixedReturns: One file cannot hold what mini-batches returned; likewise.
            StepCanceled: The step was canceled; task runs may still be running.
            NodesGone: No node can run the rest.
        """
        while task_runs.refill():
            with suppress(queue.Empty):
                self._process(self.events.get(timeout=TICK_SECONDS), task_runs, warn)
            self._check_limits()
            on_change()
            if self._canceled.is_set():
                raise StepCanceled

    def _process(self, event: StepEvent, task_runs: TaskRuns, warn: Callable[[str], None]) -> None:
        self._has_run |= isinstance(event, list | RunStarted)
        if isinstance(event, list):
            self._progressed = time.monotonic()
            for attempt in event:
                self._progress.add(attempt)
                if attempt.seconds is not None:
                    task_runs.groups.measure(attempt.extent, attempt.seconds)
            check_thresholds(self._thresholds, self._progress)
        elif isinstance(event, Returned):
            self._returns.add_types(event.mini_batch, event.kind, event.schema)
            self._returns.check()
        elif isinstance(event, NodeUnusable) and event.address not in self._left_out:
            # Each of its slots reports it.
            self._left_out.add(event.address)
            if not task_runs.leave_out(event.address):
                raise StepFailed(event.reason)
            warn(f"{event.node} is left out: {event.reason}")
        elif isinstance(event, TaskRunBroken):
            raise StepFailed(event.reason)
        elif isinstance(event, GivenBack):
            task_runs.take_back(event)
        elif isinstance(event, RetryWaits):
            # Waiting is not silence.
            self._progressed = max(self._progressed, time.monotonic() + event.seconds)
            task_runs.note_waiting(event)
        elif isinstance(event, TaskRunEnded):
            task_runs.note_end(event)

    def _check_limits(self) -> None:
        now, limits = time.monotonic(), self._limits
        if not self._has_run and now - self._started > limits.first_task_creation_timeout:
            raise StepFailed(
                "no mini-batch was started within"
                f" first_task_creation_timeout: {limits.first_task_creation_timeout:g} s"
            )
        if now - self._progressed > limits.progress_update_timeout:
            raise StepFailed(
                "no mini-batch made progress for"
                f" progress_update_timeout: {limits.progress_update_timeout:g} s"
            )


def check_thresholds(thresholds: Thresholds, progress: Progress) -> None:
    """Check the thresholds while the step runs.

    Raises:
        StepFailed: A threshold is exceeded.
    """
    exceeded = thresholds.exceeded(
        failed=progress.failed,
        failed_items=progress.failed_items,
        mini_batches=progress.mini_batches,
    )
    if exceeded:
        raise StepFailed(exceeded)


def check_totals(thresholds: Thresholds, totals: Totals, mini_batches: int) -> None:
    """Check the thresholds against the final counts: events may arrive late, or never.

    Raises:
        StepFailed: A threshold is exceeded, nothing succeeded, or mini-batches have no part.
    """
    exceeded = thresholds.exceeded(
        failed=totals.failed, failed_items=totals.failed_items, mini_batches=mini_batches
    )
    if exceeded:
        raise StepFailed(exceeded)
    if 0 < totals.failed == mini_batches and not totals.succeeded_items:
        raise StepFailed("no mini-batch succeeded")
    if totals.mini_batches < mini_batches:
        missing, of = mini_batches - totals.mini_batches, counted(mini_batches, "mini-batch")
        raise StepFailed(
            f"{missing:,} of {of} have no result; their task runs in the Prefect UI say why"
        )
