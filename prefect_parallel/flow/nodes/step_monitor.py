"""Watching a step: every event is counted, and ends the step when it has failed for certain."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Protocol

from prefect_parallel.data import MiniBatch
from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.flow.nodes.events import (
    StepEvent,
    TaskRunBroken,
    TaskRunEnded,
    TaskRunLost,
)
from prefect_parallel.flow.nodes.progress import Progress
from prefect_parallel.flow.nodes.thresholds import Thresholds
from prefect_parallel.job import ParallelStep
from prefect_parallel.output.totals import Totals

TICK_SECONDS = 0.5
"""How long a step may look unchanged to its observer, and how late a timeout is noticed."""


class StepFailed(PrefectParallelError):
    """A step has failed; the text says why."""


class StepCanceled(PrefectParallelError):
    """A step was stopped from outside."""


class TaskRuns(Protocol):
    """Task runs that are submitted little by little."""

    def refill(self) -> bool:
        """Submit more, if it is time to; False if nothing runs and nothing is left."""

    def one_ended(self) -> None:
        """There is room for another."""

    def one_lost(self, group: list[MiniBatch]) -> None:
        """These mini-batches have to be submitted again."""


@dataclass(frozen=True)
class Limits:
    """How long a step may take to get going, and to go on; in seconds.

    Attributes:
        first_task_creation_timeout: From the step's start to its first `run`.
        progress_update_timeout: Without the end of any attempt.
    """

    first_task_creation_timeout: float
    progress_update_timeout: float

    @classmethod
    def of(cls, step: ParallelStep) -> Limits:
        """Those of a step.

        By default it may keep silent as long as a healthy one can: a process starts, loads its
        mini-batch, runs it and writes its part, and each takes just about as long as it may.
        """
        first = step.first_task_creation_timeout
        silent = first + step.timeout + 2 * step.task_overhead_timeout
        return cls(first, step.progress_update_timeout or silent)


class StepMonitor:
    """Takes in what happens to one step, until nothing of it runs any more."""

    def __init__(
        self, progress: Progress, thresholds: Thresholds, limits: Limits, canceled: Event
    ) -> None:
        self.events: queue.SimpleQueue[StepEvent] = queue.SimpleQueue()
        self._progress = progress
        self._thresholds = thresholds
        self._limits = limits
        self._canceled = canceled
        self._started = self._progressed = time.monotonic()
        self._has_run = False

    def until_done(self, task_runs: TaskRuns, on_change: Callable[[], None]) -> None:
        """Wait until all task runs have ended.

        Args:
            task_runs: Are submitted meanwhile.
            on_change: Called when something has happened, and at each tick.

        Raises:
            StepFailed: The step has failed for certain; some work may still run.
            StepCanceled: So may it here.
        """
        while task_runs.refill():
            try:
                event = self.events.get(timeout=TICK_SECONDS)
            except queue.Empty:
                self._check_limits()
            else:
                self._take(event, task_runs)
            on_change()
            if self._canceled.is_set():
                raise StepCanceled("the run was canceled")

    def _take(self, event: StepEvent, task_runs: TaskRuns) -> None:
        """Count one event in."""
        self._has_run = True
        if isinstance(event, list):
            self._progressed = time.monotonic()
            for attempt in event:
                self._progress.add(attempt)
            check_thresholds(self._thresholds, self._progress)
        elif isinstance(event, TaskRunBroken):
            raise StepFailed(event.reason)
        elif isinstance(event, TaskRunEnded):
            task_runs.one_ended()
        elif isinstance(event, TaskRunLost):
            task_runs.one_lost(event.group)

    def _check_limits(self) -> None:
        now, limits = time.monotonic(), self._limits
        if not self._has_run and now - self._started > limits.first_task_creation_timeout:
            raise StepFailed(
                "no run() was called within"
                f" first_task_creation_timeout: {limits.first_task_creation_timeout:g} s"
            )
        if now - self._progressed > limits.progress_update_timeout:
            raise StepFailed(
                "no mini-batch made progress for"
                f" progress_update_timeout: {limits.progress_update_timeout:g} s"
            )


def check_thresholds(thresholds: Thresholds, progress: Progress) -> None:
    """Raise StepFailed if a threshold is passed."""
    passed = thresholds.exceeded(
        failed=progress.failed,
        failed_items=progress.failed_items,
        mini_batches=progress.mini_batches,
    )
    if passed:
        raise StepFailed(f"{passed}; the first failed with {progress.first_error}")


def check_totals(thresholds: Thresholds, totals: Totals, mini_batches: int) -> None:
    """The same from the final counts, for events may come late, or not at all.

    Raises:
        StepFailed: So it does for mini-batches that have none.
    """
    passed = thresholds.exceeded(
        failed=totals.failed, failed_items=totals.failed_items, mini_batches=mini_batches
    )
    if passed and totals.first_failure:
        raise StepFailed(f"{passed}; the first failed with {totals.first_failure.error}")
    if totals.mini_batches < mini_batches:
        raise StepFailed(
            f"{mini_batches - totals.mini_batches} of {mini_batches} mini-batches have no result;"
            " their task runs in the Prefect UI say why"
        )
