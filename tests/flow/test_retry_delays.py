"""How long retries wait, and what scripts may ask for."""

from __future__ import annotations

import shlex
from datetime import timedelta
from typing import Any

import pytest

from prefect_parallel import RetryAfter, parallel
from prefect_parallel.entry.retry_after import asked_seconds
from prefect_parallel.flow.nodes.retry_delays import RetryDelays
from prefect_parallel.functions.settings import InvalidSettings, program_arguments
from prefect_parallel.job.settings.program_arguments import parse_predefined


@pytest.mark.parametrize(
    ("seconds", "backoff", "delays"),
    [
        ((), 2, [0, 0, 0, 0]),
        ((0.0,), 1, [0, 0, 0, 0]),
        ((10.0,), 1, [10, 10, 10, 10]),
        ((10.0,), 2, [10, 20, 40, 80]),
        ((1.0, 60.0), 1, [1, 60, 60, 60]),
        ((1.0, 60.0), 3, [1, 180, 540, 1620]),
        ((200_000.0,), 2, [200_000, 259_200, 259_200, 259_200]),
    ],
)
def test_delays(seconds: tuple[float, ...], backoff: float, delays: list[float]) -> None:
    found = RetryDelays(seconds, backoff, 0)
    assert [found.after(attempt) for attempt in (1, 2, 3, 4)] == delays


@pytest.mark.parametrize(
    ("asked", "found"),
    [(0, (10, 0.5)), (10, (10, 0.5)), (11, (11, 0)), (300_000, (259_200, 0))],
)
def test_a_longer_delay_that_a_script_asks_for_counts_and_does_not_vary(
    asked: float, found: tuple[float, float]
) -> None:
    assert RetryDelays((10.0,), 1, 0.5).with_asked(1, asked) == found


class Limited(Exception):
    def __init__(self, retry_after: Any) -> None:
        self.retry_after = retry_after


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (RetryAfter(2.5), 2.5),
        (Limited(3), 3),
        (Limited(timedelta(minutes=1)), 60),
        (Limited(None), None),
        (Limited("soon"), None),
        (Limited(True), None),
        (Limited(-1), None),
        (Limited(float("inf")), None),
        (ValueError(), None),
    ],
)
def test_what_an_exception_asks_for(error: Exception, seconds: float | None) -> None:
    assert asked_seconds(error) == seconds


@pytest.mark.parametrize("delay", [10, 2.5, [10, 60], (10, 60)])
def test_delays_in_python(delay: Any) -> None:
    settings: Any = {"retry_delay_seconds": delay, "task_overhead_timeout": 5}
    parallel(lambda items: items, **settings)
    given = parse_predefined(shlex.split(program_arguments(settings)), {}, print)
    written = [*delay] if isinstance(delay, (list, tuple)) else [delay]
    assert given == {"retry_delay_seconds": tuple(written), "task_overhead_timeout": 5}


@pytest.mark.parametrize("delay", [-1, "soon", [], [10, "x"], True, [1] * 51])
def test_wrong_delays(delay: Any) -> None:
    with pytest.raises(InvalidSettings, match="retry_delay_seconds"):
        parallel(lambda items: items, retry_delay_seconds=delay)
