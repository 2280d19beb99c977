"""The steps of a run start one after another."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from prefect_parallel.flow.observer import Observer

PATIENCE_SECONDS = 2.0
"""How long a step waits for its turn, or for the Prefect server, before a message says so."""


class StepStarts:
    """Lets one step at a time create its flow run; afterwards they run side by side.

    Creating a flow run takes several writes to the Prefect server's database. SQLite has a single
    writer: if many steps start at the same time, the server answers 503 (database is locked), and
    Prefect's client tries again after 2 seconds, then 4, 8, 16 and 32.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._starting: str | None = None
        self._late = threading.Timer(0, lambda: None)

    @contextmanager
    def turn(self, step: str, observer: Observer) -> Iterator[None]:
        """Wait until no other step is starting; ends when the step has started, or ended."""
        if not self._lock.acquire(timeout=PATIENCE_SECONDS):
            observer.waiting(f"step {self._starting} to start, before step {step} does")
            self._lock.acquire()
        self._starting = step
        what = f"the Prefect server, which has not created the flow run of step {step} yet"
        self._late = threading.Timer(PATIENCE_SECONDS, observer.waiting, [what])
        self._late.daemon = True
        self._late.start()
        try:
            yield
        finally:
            self.started(step)

    def started(self, step: str) -> None:
        """Let the next step start."""
        if self._starting == step:
            self._late.cancel()
            self._starting = None
            self._lock.release()
