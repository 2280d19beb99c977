"""Groups: neighboring mini-batches that share a task run, about two seconds of work."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefect_parallel.data import MiniBatch

TASK_RUN_SECONDS = 2.0
"""Default of how long a task run is meant to take.

A task run costs the Prefect server some 30 ms of CPU, and a line in its UI.
"""

MAX_TASK_RUNS = 1000
"""Default of the largest number of task runs of a step."""

TASK_RUNS_PER_SLOT = 4
"""A step may have at least so many task runs per slot, to keep the slots of large clusters busy."""

SMALLEST_SHARE = 0.05
"""The smallest group towards the end, relative to `TASK_RUN_SECONDS`."""

PATIENCE = 2
"""A task run that takes so many times as long as planned gives back the rest of its group."""

MEMORY = 0.95
"""Weight of the earlier attempts in the mean duration when another is added."""


@dataclass
class Work:
    """The expected work of some mini-batches.

    Half of a mini-batch's work is assumed to be constant, and half to be proportional to its
    extent.

    Attributes:
        mini_batches: Their number.
        extent: The size of their data in bytes or rows, as far as it is known without reading it.
    """

    mini_batches: int = 0
    extent: int = 0

    def add(self, mini_batch: MiniBatch) -> None:
        self.mini_batches += 1
        self.extent += mini_batch.extent

    def share(self, extent: int) -> float:
        """The work of one mini-batch, in multiples of that of the mean one."""
        mean = self.extent / self.mini_batches
        return (1 + extent / mean) / 2 if mean else 1.0


@dataclass(frozen=True)
class Group:
    """The mini-batches of one task run.

    Attributes:
        mini_batches: In their order.
        limit: The seconds after which the task run starts no more of them; None: it runs all.
    """

    mini_batches: list[MiniBatch]
    limit: float | None


class Groups:
    """Forms groups, one at a time, from the durations that have been measured until then.

    The first mini-batches run singly. As soon as the duration of one is known, a group takes about
    `seconds`, or less towards the end: with n slots, the n-th part of half of what is left.
    """

    def __init__(
        self,
        mini_batches: Iterable[MiniBatch],
        work: Work,
        *,
        slots: int,
        seconds: float = TASK_RUN_SECONDS,
        max_task_runs: int = MAX_TASK_RUNS,
    ) -> None:
        """Form no group yet.

        Args:
            mini_batches: In their order. They are consumed one group at a time.
            work: The work of all of them.
            slots: Number of groups that run at a time.
            seconds: How long a task run is meant to take. 0: each mini-batch has its own.
            max_task_runs: Maximum number of groups, but at least `TASK_RUNS_PER_SLOT` per slot are
                allowed. If it is too small for `seconds`, groups are larger. What is put back may
                add a few.
        """
        self._sources = [iter(mini_batches)]
        self._work = work
        self._slots = slots
        self._seconds = seconds
        self._max = self._budget = max(max_task_runs, TASK_RUNS_PER_SLOT * slots)
        self._left = work.mini_batches
        # In multiples of the mean mini-batch, as all work below.
        self._work_left = float(work.mini_batches)
        self._measured_work = self._measured_seconds = 0.0

    def __iter__(self) -> Iterator[Group]:
        return self

    def __next__(self) -> Group:
        if not self._left:
            raise StopIteration
        wanted, fewest = self._least()
        work = 0.0
        mini_batches: list[MiniBatch] = []
        for mini_batch in self._next_source():
            mini_batches.append(mini_batch)
            work += self._work.share(mini_batch.extent)
            if work >= wanted and len(mini_batches) >= fewest:
                break
        self._budget -= 1
        self._left -= len(mini_batches)
        self._work_left -= work
        return Group(mini_batches, self._limit(work))

    def measure(self, extent: int, seconds: float) -> None:
        """Learn how long an attempt at a mini-batch of some extent took."""
        self._measured_work = MEMORY * self._measured_work + self._work.share(extent)
        self._measured_seconds = MEMORY * self._measured_seconds + seconds

    def put_back(self, mini_batches: list[MiniBatch]) -> None:
        """Form other groups of these, which were in one before."""
        self._sources.append(iter(mini_batches))
        self._left += len(mini_batches)
        self._work_left += sum(self._work.share(each.extent) for each in mini_batches)

    def _next_source(self) -> Iterator[MiniBatch]:
        """What to take the next group from; the mini-batches of a group are neighbors."""
        while True:
            first = next(self._sources[-1], None)
            if first is not None:
                return itertools.chain([first], self._sources[-1])
            self._sources.pop()

    @property
    def _seconds_each(self) -> float | None:
        """The mean duration; None before any was measured."""
        return self._measured_seconds / self._measured_work if self._measured_work else None

    @property
    def _is_ample(self) -> bool:
        """Whether groups may be smaller than is needed to keep within their maximum number."""
        return self._work.mini_batches <= self._max or self._budget > self._max / 2

    def _least(self) -> tuple[float, int]:
        """The least work, and the least number of mini-batches, of the next group."""
        each = self._seconds_each
        if each is None and self._is_ample:
            return 0.0, 1
        largest = self._seconds / each if each else 0.0
        if self._work.mini_batches > self._max:
            # Twice the mean, because groups towards the end are smaller.
            largest = max(largest, 2 * self._work.mini_batches / self._max)
        work = max(min(largest, self._work_left / (2 * self._slots)), SMALLEST_SHARE * largest)
        return work, math.ceil(self._left / max(self._budget, 1))

    def _limit(self, work: float) -> float | None:
        each = self._seconds_each
        if each is None or not self._is_ample:
            return None
        return PATIENCE * max(self._seconds, work * each)
