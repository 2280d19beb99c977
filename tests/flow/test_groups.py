"""Groups of mini-batches: all of them, in order, as long as wanted, small at the end."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prefect_parallel.data import File, MiniBatch, Piece
from prefect_parallel.flow.nodes.groups import MAX_TASK_RUNS, Group, Groups, Work

WINDOW_PER_SLOT = 3


@dataclass
class Simulation:
    """Slots that run groups; a window of them is formed ahead, as for task runs.

    Attributes:
        seconds: Duration of each mini-batch.
        groups: The indices of the mini-batches that each task run ran.
        end: When the last one ended.
    """

    seconds: Sequence[float]
    extents: Sequence[int]
    slots: int = 2
    gives_back: bool = True
    groups: list[list[int]] = field(default_factory=list)
    end: float = 0.0

    def run(self, **options: Any) -> Simulation:
        file = File("/data.csv", None, None)
        mini_batches = [
            MiniBatch(index, (Piece(file, 0, extent),), unit="bytes")
            for index, extent in enumerate(self.extents)
        ]
        work = Work()
        for mini_batch in mini_batches:
            work.add(mini_batch)
        groups = Groups(mini_batches, work, slots=self.slots, **options)
        free = [0.0] * self.slots
        waiting = list(itertools.islice(groups, WINDOW_PER_SLOT * self.slots))
        while waiting:
            ended = self._run_one(waiting.pop(0), heappop(free), groups)
            heappush(free, ended)
            self.end = max(self.end, ended)
            waiting += itertools.islice(groups, 1)
        return self

    def _run_one(self, group: Group, now: float, groups: Groups) -> float:
        began = now
        for number, mini_batch in enumerate(group.mini_batches):
            if group.limit and number and now - began > group.limit and self.gives_back:
                groups.put_back(group.mini_batches[number:])
                break
            took = self.seconds[mini_batch.index]
            groups.measure(mini_batch.extent, took)
            now += took
        else:
            number = len(group.mini_batches)
        self.groups.append([each.index for each in group.mini_batches[:number]])
        return now

    @property
    def lengths(self) -> list[float]:
        return [sum(self.seconds[index] for index in group) for group in self.groups]


def simulate(seconds: Sequence[float], **arguments: Any) -> Simulation:
    return Simulation(seconds, arguments.pop("extents", [100] * len(seconds)), **arguments)


@given(
    st.integers(1, 3000),
    st.integers(1, 300),
    st.integers(1, 2000),
    st.sampled_from((0.0, 2.0)),
    st.randoms(use_true_random=False),
)
@settings(max_examples=30, deadline=None)
def test_each_mini_batch_is_in_one_group_of_neighbors_and_groups_are_limited(
    count: int, slots: int, max_task_runs: int, wish: float, dice: Any
) -> None:
    done = simulate(
        [dice.choice((0.0, 0.001, 0.1, 10.0)) for _ in range(count)],
        extents=[dice.choice((0, 1, 100, 10**6)) for _ in range(count)],
        slots=slots,
    ).run(seconds=wish, max_task_runs=max_task_runs)
    assert sorted(itertools.chain.from_iterable(done.groups)) == list(range(count))
    assert all(group == list(range(group[0], group[-1] + 1)) for group in done.groups)
    # What running task runs give back may be more than was reckoned with.
    assert len(done.groups) <= max(max_task_runs, 4 * slots) + 3 * slots
    assert len(done.groups) <= max(max_task_runs, 4 * slots) or count > max_task_runs


@pytest.mark.parametrize(
    ("each", "count", "fewest", "most"),
    [(0.03, 124, 14, 24), (0.0075, 496, 14, 30), (0.0005, 100_000, 40, 70), (3.0, 60, 60, 60)],
    ids=["CSV of 4 MB each", "CSV of 1 MB each", "no-op", "long"],
)
def test_groups_take_about_two_seconds_and_the_last_are_small(
    each: float, count: int, fewest: int, most: int
) -> None:
    done = simulate([each] * count).run()
    assert [len(group) for group in done.groups[:6]] == [1] * 6
    assert fewest <= len(done.groups) <= most
    assert max(done.lengths) <= max(2.1, each)
    assert done.lengths[-1] <= max(0.15, each)
    # No slot waits long for another.
    assert done.end <= count * each / 2 + max(0.2, each)


def test_each_has_its_own_task_run_if_that_is_wanted() -> None:
    assert len(simulate([0.001] * MAX_TASK_RUNS).run(seconds=0).groups) == MAX_TASK_RUNS


def test_larger_mini_batches_share_a_group_with_fewer_others() -> None:
    extents = [1] * 2_000 + [1000] * 2_000
    seconds = [0.01 + extent / 50_000 for extent in extents]
    done = simulate(seconds, extents=extents).run()
    assert max(done.lengths) < 4
    assert max(map(len, done.groups)) > 2 * len(done.groups[-20])


def test_of_an_unexpectedly_long_group_the_rest_is_given_back() -> None:
    """What comes first takes a moment, and what comes later a minute each."""
    seconds = [0.01] * 100 + [60.0] * 30
    done = simulate(seconds, slots=4).run()
    assert max(done.lengths) < 2 * 60
    assert done.end <= 60 * (30 / 4 + 1)
    assert simulate(seconds, slots=4, gives_back=False).run().end > done.end


def test_with_too_many_for_the_limit_groups_are_longer_and_still_balanced() -> None:
    done = simulate([1.0] * 100_000, slots=8).run()
    assert MAX_TASK_RUNS / 2 <= len(done.groups) <= MAX_TASK_RUNS
    assert max(map(len, done.groups)) == 200
    assert done.end < 1.01 * 100_000 / 8
