"""Which mini-batches a trial selects."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefect_parallel.errors import InvalidCall
from prefect_parallel.flow.run.selection import Selection


@pytest.mark.parametrize(
    ("selection", "indexes"),
    [
        ({}, range(20)),
        ({"first": 3}, [0, 1, 2]),
        ({"first": 30}, range(20)),
        ({"sample": 1}, [10]),
        ({"sample": 4}, [2, 7, 12, 17]),
        ({"sample": 30}, range(20)),
        ({"only": "3, 17-18,3"}, [3, 17, 18]),
        ({"only": "18-999999999"}, [18, 19]),
        ({"only": "20"}, []),
    ],
)
def test_what_is_selected_of_20(selection: dict[str, Any], indexes: Any) -> None:
    assert sorted(Selection(**selection).indexes(20)) == list(indexes)


@given(st.integers(1, 50), st.integers(1, 1000))
def test_a_sample_is_spread_evenly(sample: int, count: int) -> None:
    found = sorted(Selection(sample=sample).indexes(count))
    assert len(found) == min(sample, count)
    gaps = {after - before for before, after in pairwise(found)}
    assert max(gaps, default=0) - min(gaps, default=0) <= 1
    assert abs(found[0] - (count - 1 - found[-1])) <= 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"first": 0},
        {"sample": -1},
        {"only": ""},
        {"only": "a"},
        {"only": "5-3"},
        {"only": "1,"},
        {"only": "-1"},
        {"first": 1, "only": "1"},
    ],
)
def test_wrong_values(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidCall, match=rf"{next(iter(wrong))}.*\n.*allowed: "):
        Selection(**wrong)
