"""Groups of mini-batches: all of them, in order, balanced, small at the end."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from prefect_parallel.data import File, MiniBatch, Piece
from prefect_parallel.flow.steps.groups import GROUPS_PER_SLOT, MAX_TASK_RUNS, Work, groups


def mini_batches(extents: list[int]) -> list[MiniBatch]:
    file = File("/data.csv", None, None)
    return [
        MiniBatch(index, (Piece(file, 0, extent),), unit="bytes")
        for index, extent in enumerate(extents)
    ]


def grouped(extents: list[int], slots: int = 2) -> list[list[MiniBatch]]:
    work = Work()
    for mini_batch in mini_batches(extents):
        work.add(mini_batch)
    return list(groups(mini_batches(extents), work, slots=slots))


def test_up_to_the_limit_each_mini_batch_is_a_task_run_of_its_own() -> None:
    assert {len(group) for group in grouped([5] * MAX_TASK_RUNS)} == {1}


@given(
    st.integers(MAX_TASK_RUNS + 1, 6 * MAX_TASK_RUNS),
    st.integers(1, 2000),
    st.randoms(use_true_random=False),
)
@settings(max_examples=40, deadline=None)
def test_each_mini_batch_is_in_one_group_in_order(count: int, slots: int, dice: object) -> None:
    extents = [dice.choice((0, 1, 100, 10**6)) for _ in range(count)]  # type: ignore[attr-defined]
    found = grouped(extents, slots)
    assert [each.index for group in found for each in group] == list(range(count))
    assert all(found)


def test_there_are_about_as_many_groups_as_wanted_and_the_last_are_small() -> None:
    found = grouped([10] * 100_000)
    assert MAX_TASK_RUNS / 2 <= len(found) <= MAX_TASK_RUNS
    assert max(map(len, found)) == 200
    assert [len(group) for group in found[-4:]] == [1, 1, 1, 1]


def test_heavy_mini_batches_share_a_group_with_fewer_others() -> None:
    found = grouped([1] * 5_000 + [1000] * 5_000)
    assert len(found[0]) > 1.8 * len(found[len(found) * 2 // 3])


def test_a_large_cluster_gets_some_groups_for_each_slot() -> None:
    assert len(grouped([1] * 20_000, slots=1000)) >= GROUPS_PER_SLOT * 1000
