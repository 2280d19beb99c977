"""Prefect sends events and logs in the background; this waits until they are sent."""

from __future__ import annotations

from threading import Thread

from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker

from prefect_parallel.flow.server.flow_run import answers

DELIVERY_SECONDS = 15.0
"""After this time the server is taken to be unreachable."""

CHECK_SECONDS = 2.0
"""What takes longer than this is given up if the server does not answer."""


def deliver_events_and_logs() -> None:
    """Send what this process has queued for the Prefect server, if it answers.

    Called before the process or its server ends.
    """
    # In a thread that has no event loop, unlike that of a notebook: there, Prefect would not wait.
    thread = Thread(target=_drain, daemon=True)
    thread.start()
    thread.join(CHECK_SECONDS)
    if not thread.is_alive() or answers():
        thread.join()


def _drain() -> None:
    EventsWorker.drain_all(timeout=DELIVERY_SECONDS, at_exit=False)
    APILogWorker.drain_all(timeout=DELIVERY_SECONDS, at_exit=False)
