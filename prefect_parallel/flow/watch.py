"""Watching a step: every happening is counted, and ends the step when it has failed for certain."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any, Protocol, TypeAlias

from prefect.futures import PrefectFuture

from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.flow.node import MiniBatchFailed
from prefect_parallel.flow.progress import AttemptEvent, Progress
from prefect_parallel.flow.thresholds import Thresholds
from prefect_parallel.output.aggregate import Totals

TICK_SECONDS = 0.5
"""How long a step may look unchanged to its observer, and how late a timeout is noticed."""

RESULT_SECONDS = 0.2
"""Results of task runs are fetched together so often: one by one costs as much as to run them."""

CANNOT_WRITE = "the run directory cannot be written to"
"""A node does nothing else of which the system could say no; what scripts meet is caught."""


class StepFailed(PrefectParallelError):
    """A step has failed; the text says why."""


class StepCanceled(PrefectParallelError):
    """A step was stopped from outside."""


@dataclass(frozen=True)
class RunStarted:
    """A node has called `run` for the first time."""


Happening: TypeAlias = list[AttemptEvent] | RunStarted | PrefectFuture[Any]
"""What a node tells, or a task run that has ended."""


class TaskRuns(Protocol):
    """Task runs that are submitted little by little."""

    def refill(self) -> bool:
        """Submit more, if it is time to; False if nothing runs and nothing is left."""

    def one_ended(self) -> None:
        """There is room for another."""

    def errors(self, ended: Sequence[PrefectFuture[Any]]) -> Iterator[BaseException]:
        """What ended task runs raised."""


@dataclass(frozen=True)
class Limits:
    """How long a step may take to get going, and to go on; in seconds.

    Attributes:
        first_task_creation_timeout: From the step's start to its first `run`.
        progress_update_timeout: Without the end of any attempt.
    """

    first_task_creation_timeout: float
    progress_update_timeout: float


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
        self._ended: list[PrefectFuture[Any]] = []
        self._looked = self._started

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
            if time.monotonic() - self._looked > RESULT_SECONDS:
                self._refuse_broken(task_runs)
            on_change()
            if self._canceled.is_set():
                raise StepCanceled("the run was canceled")
        self._refuse_broken(task_runs)

    def _take(self, happening: Happening, task_runs: TaskRuns) -> None:
        """Count one happening in."""
        self._has_run = True
        if isinstance(happening, list):
            self._progressed = time.monotonic()
            for event in happening:
                self._progress.add(event)
            refuse_failed(self._thresholds, self._progress)
        elif not isinstance(happening, RunStarted):
            task_runs.one_ended()
            self._ended.append(happening)

    def _refuse_broken(self, task_runs: TaskRuns) -> None:
        """Raise StepFailed for a task run that ended with anything but failed mini-batches."""
        self._looked = time.monotonic()
        ended, self._ended = self._ended, []
        for error in task_runs.errors(ended):
            if isinstance(error, OSError):
                raise StepFailed(f"{CANNOT_WRITE}: {error}") from error
            if isinstance(error, Exception) and not isinstance(error, MiniBatchFailed):
                raise StepFailed(str(error)) from error

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
    """The same from the final counts, for events may come late, or not at all."""
    passed = thresholds.exceeded(
        failed=totals.failed, failed_items=totals.failed_items, mini_batches=mini_batches
    )
    if passed and totals.first_failure:
        raise StepFailed(f"{passed}; the first failed with {totals.first_failure.error}")
