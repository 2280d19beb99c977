"""Counts of a step's records."""

from __future__ import annotations

import pytest

from prefect_parallel.output.isolated import Isolated
from prefect_parallel.output.part import Record
from prefect_parallel.output.totals import Totals


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_the_first_failure_is_the_one_that_ended_first(order: tuple[int, int]) -> None:
    slow = Record(0, 1, 1, 0, error="slow", started_at=10.0, seconds=60.0)
    quick = Record(1, 1, 1, 0, error="quick", started_at=20.0, seconds=1.0)
    totals = Totals()
    for index in order:
        totals.add((slow, quick)[index])
    assert totals.first_failure == quick


def test_mini_batches_with_a_second_attempt_are_retried() -> None:
    totals = Totals()
    for index, attempt in enumerate((1, 2, 3)):
        totals.add(Record(index, attempt, 1, 1, kind="list"))
    assert totals.retried == 2


@pytest.mark.parametrize("order", [(8, 4, 16), (4, 16, 8)])
def test_the_fine_size_is_one_with_which_all_would_have_succeeded(order: tuple[int, ...]) -> None:
    totals = Totals()
    for index, size in enumerate(order):
        isolated = Isolated(payloads=(), failed=(), fine_size=size)
        totals.add(Record(index, 1, 32, 32, error="MemoryError", isolated=isolated))
    assert (totals.fine_size, totals.only_together) == (4, 3)
