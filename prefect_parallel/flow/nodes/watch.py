"""Watching a step: every happening is counted, and ends the step when it has failed for certain."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event
from typing import Protocol, TypeAlias

from prefect_parallel.data import MiniBatch
from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.flow.nodes.progress import AttemptEvent, Progress
from prefect_parallel.flow.nodes.thresholds import Thresholds
from prefect_parallel.job import ParallelStep
from prefect_parallel.output.totals import Totals

TICK_SECONDS = 0.5
"""How long a step may look unchanged to its observer, and how late a timeout is noticed."""


class StepFailed(PrefectParallelError):
    """A step has failed; the text says why."""


class StepCanceled(PrefectParallelError):
    """A step was stopped from outside."""


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


Happening: TypeAlias = list[AttemptEvent] | RunStarted | TaskRunBroken | TaskRunEnded | TaskRunLost
"""What nodes tell, and Dask."""


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
        predefined = step.predefined
        first = predefined.first_task_creation_timeout
        silent = first + step.timeout + 2 * predefined.task_overhead_timeout
        return cls(first, predefined.progress_update_timeout or silent)


class Watch:
    """Takes in what happens to one step, until nothing of it runs any more."""

    def __init__(
        self, progress: Progress, thresholds: Thresholds, limits: Limits, canceled: Event
    ) -> None:
        self.happenings: queue.SimpleQueue[Happening] = queue.SimpleQueue()
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
                happening = self.happenings.get(timeout=TICK_SECONDS)
            except queue.Empty:
                self._check_limits()
            else:
                self._take(happening, task_runs)
            on_change()
            if self._canceled.is_set():
                raise StepCanceled("the run was canceled")

    def _take(self, happening: Happening, task_runs: TaskRuns) -> None:
        """Count one happening in."""
        self._has_run = True
        if isinstance(happening, list):
            self._progressed = time.monotonic()
            for event in happening:
                self._progress.add(event)
            refuse_failed(self._thresholds, self._progress)
        elif isinstance(happening, TaskRunBroken):
            raise StepFailed(happening.reason)
        elif isinstance(happening, TaskRunEnded):
            task_runs.one_ended()
        elif isinstance(happening, TaskRunLost):
            task_runs.one_lost(happening.group)

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


def refuse_failed(thresholds: Thresholds, progress: Progress) -> None:
    """Raise StepFailed if a threshold is passed."""
    passed = thresholds.exceeded(
        failed=progress.failed,
        failed_items=progress.failed_items,
        mini_batches=progress.mini_batches,
    )
    if passed:
        raise StepFailed(f"{passed}; the first failed with {progress.first_error}")


def refuse_failed_totals(thresholds: Thresholds, totals: Totals, mini_batches: int) -> None:
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
