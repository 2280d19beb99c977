"""Durations, as reports and tables show them."""

from __future__ import annotations

import pytest

from prefect_parallel.output.duration import duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.00085, "850 µs"),
        (0.0125, "12.5 ms"),
        (0.9996, "1 s"),
        (0.9999, "1 s"),
        (3.2, "3.2 s"),
        (3.21, "3.21 s"),
        (59.97, "1 min 00 s"),
        (119.7, "2 min 00 s"),
        (302, "5 min 02 s"),
        (3599.8, "1 h 00 min"),
        (7859, "2 h 10 min"),
    ],
)
def test_a_duration_is_rounded_before_it_is_split(seconds: float, text: str) -> None:
    assert duration(seconds) == text
