"""Counts of a step's records."""

from __future__ import annotations

import pytest

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
