"""Counting attempts, and the thresholds, at their limits."""

from __future__ import annotations

import pytest

from prefect_parallel.flow.nodes.events import AttemptEvent
from prefect_parallel.flow.nodes.progress import Progress
from prefect_parallel.flow.nodes.thresholds import Thresholds


def attempt(mini_batch: int, error: str | None, *, final: bool = True) -> AttemptEvent:
    failed = 0 if error is None else 2
    return AttemptEvent(mini_batch, final, 2 - failed, failed, error, seconds=0.0, extent=0)


def test_each_mini_batch_is_counted_once_by_its_last_attempt() -> None:
    progress = Progress(3)
    for event in (
        attempt(0, None),
        attempt(1, "ValueError: at first", final=False),
        attempt(1, "ValueError: again"),
        # As if a node was lost after its events had been sent, and its mini-batches ran again.
        attempt(0, None),
        attempt(1, "ValueError: once more"),
    ):
        progress.add(event)
    assert (progress.done, progress.failed) == (2, 1)
    assert (progress.items, progress.failed_items) == (4, 2)
    assert progress.first_error == "ValueError: again"


def test_what_an_earlier_run_has_done_says_nothing_about_the_speed() -> None:
    progress = Progress(10, reused=5)
    assert progress.seconds_left is None
    progress.add(attempt(5, None))
    progress.started -= 1000
    assert progress.seconds_left == pytest.approx(4000, rel=0.1)


@pytest.mark.parametrize(
    ("items", "rate"), [(2500, "2 rows/s"), (1500, "90 rows/min"), (20, "72 rows/h")]
)
def test_a_rate_is_given_per_the_shortest_time_with_two_or_more(items: int, rate: str) -> None:
    progress = Progress(1, "rows")
    progress.items = items
    progress.started -= 1000
    number, _, unit = progress.rate.partition(" ")
    wanted, _, of = rate.partition(" ")
    assert (int(number), unit) == (pytest.approx(int(wanted), rel=0.1), of)


@pytest.mark.parametrize(
    ("mini_batch_error_threshold", "error_threshold", "percent", "exceeded"),
    [
        (-1, -1, 100, ""),
        (2, 10, 20, ""),
        (1, -1, 100, "mini_batch_error_threshold: 1"),
        (0, -1, 100, "mini_batch_error_threshold: 0"),
        (-1, 9, 100, "error_threshold: 9"),
        (-1, -1, 19.9, "allowed_failed_percent: 19.9"),
    ],
)
def test_a_threshold_is_exceeded_by_one_more(
    mini_batch_error_threshold: int, error_threshold: int, percent: float, exceeded: str
) -> None:
    thresholds = Thresholds(mini_batch_error_threshold, error_threshold, percent)
    said = thresholds.exceeded(failed=2, failed_items=10, mini_batches=10) or ""
    assert said.endswith(exceeded)
    assert bool(said) == bool(exceeded)


def test_a_percentage_is_exact() -> None:
    # 1.14 * 5000 is less than 57 as a double.
    thresholds = Thresholds(-1, -1, 1.14)
    assert thresholds.exceeded(failed=57, failed_items=57, mini_batches=5_000) is None
    assert thresholds.exceeded(failed=58, failed_items=58, mini_batches=5_000)
