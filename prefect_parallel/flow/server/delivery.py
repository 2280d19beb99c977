"""Prefect sends states and logs behind the run's back; this waits until they have arrived."""

from __future__ import annotations

from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker

DELIVERY_SECONDS = 15.0
"""A server that has not taken them by then is not there any more."""


def deliver_events_and_logs() -> None:
    """Send what this process still has to say to the Prefect server.

    To be called before the process is ended or its server is.
    """
    EventsWorker.drain_all(timeout=DELIVERY_SECONDS, at_exit=False)
    APILogWorker.drain_all(timeout=DELIVERY_SECONDS, at_exit=False)
