"""Heartbeats of a pipeline's flow run: without them, a Prefect server can take it for crashed.

Prefect's own thread for them looks once a second whether the flow run has ended, and its end waits
for that. A flow run that a Prefect worker started still has Prefect's.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from uuid import UUID

from prefect.events import emit_event
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY

from prefect_parallel.flow.server.settings import with_settings

_seconds: ContextVar[int | None] = ContextVar("seconds between heartbeats", default=None)


@contextmanager
def own_heartbeats() -> Iterator[None]:
    """Let `heartbeats` send what Prefect would send of the flow runs within."""
    token = _seconds.set(PREFECT_FLOWS_HEARTBEAT_FREQUENCY.value())
    try:
        with with_settings("flows", heartbeat_frequency=None):
            yield
    finally:
        _seconds.reset(token)


@contextmanager
def heartbeats(flow_run: UUID) -> Iterator[None]:
    """Send heartbeats of a flow run, unless Prefect does."""
    seconds = _seconds.get()
    if seconds is None:
        yield
        return
    ended = threading.Event()

    def send() -> None:
        resource = {"prefect.resource.id": f"prefect.flow-run.{flow_run}"}
        while True:
            emit_event("prefect.flow-run.heartbeat", resource=resource)
            if ended.wait(seconds):
                return

    # The settings, such as the URL of the server, are in the context.
    thread = threading.Thread(target=copy_context().run, args=[send], daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
