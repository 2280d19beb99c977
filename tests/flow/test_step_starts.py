"""The steps of a run start one after another, and say what they wait for."""

from __future__ import annotations

import threading

from prefect_parallel.flow.observer import Observer
from prefect_parallel.flow.run.step_starts import StepStarts
from tests.waiting import wait_until


class Listener(Observer):
    def __init__(self) -> None:
        self.told: list[str] = []

    def waiting(self, what: str) -> None:
        self.told.append(what)


def test_a_step_says_that_it_waits_for_the_server_or_for_another_step() -> None:
    starts, listener, second_started = StepStarts(), Listener(), threading.Event()

    def second() -> None:
        with starts.turn("b", listener):
            second_started.set()

    with starts.turn("a", listener):
        waiting = threading.Thread(target=second)
        waiting.start()
        wait_until(lambda: len(listener.told) == 2)
        assert set(listener.told) == {
            "the Prefect server, which has not created the flow run of step a yet",
            "step a to start, before step b does",
        }
        assert not second_started.is_set()
        starts.started("a")
        waiting.join()
    assert second_started.is_set()
