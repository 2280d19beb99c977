"""Prefect sends events and logs in the background; this waits until they are sent."""

from __future__ import annotations

from threading import Thread

from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker

DELIVERY_SECONDS = 15.0
"""After this time the server is taken to be unreachable."""


def deliver_events_and_logs() -> None:
    """Send what this process has queued for the Prefect server.

    Called before the process or its server ends.
    """
    # In a thread that has no event loop, unlike that of a notebook: there, Prefect would not wait.
    thread = Thread(target=_drain)
    thread.start()
    thread.join()


def _drain() -> None:
    EventsWorker.drain_all(timeout=DELIVERY_SECONDS, at_exit=False)
    APILogWorker.drain_all(timeout=DELIVERY_SECONDS, at_exit=False)
