"""What a node tells the driver of its attempts: little by little, not one by one."""

from __future__ import annotations

import json
import threading

from distributed import Worker

from prefect_parallel.flow.nodes.events import AttemptEvent

SECONDS = 0.2
"""How late the driver learns of mini-batches that went well, where there are few nodes."""

NEWS_PER_SECOND = 500
"""How often the driver can be told something, by all nodes together."""


def seconds_between(nodes: int) -> float:
    """How long each of so many nodes keeps what it has to tell."""
    return max(SECONDS, nodes / NEWS_PER_SECOND)


class EventBatcher:
    """Attempts of one node, of one step, that the driver has not been told of yet.

    What is added last is told in the end, too, but may come when nobody listens any more: what
    counts is in the parts.
    """

    def __init__(self, worker: Worker, topic: str, seconds: float) -> None:
        self._worker = worker
        self._topic = topic
        self._seconds = seconds
        self._lock = threading.Lock()
        self._events: list[AttemptEvent] = []
        self._is_due = False

    def add(self, event: AttemptEvent) -> None:
        """Take in the end of an attempt, from any thread; a failure is told at once."""
        with self._lock:
            self._events.append(event)
            was_due, self._is_due = self._is_due, True
        if event.error is not None:
            self.tell()
        elif not was_due:
            self._worker.loop.add_callback(self._worker.loop.call_later, self._seconds, self.tell)

    def tell(self) -> None:
        """Tell all that there is."""
        with self._lock:
            events, self._events, self._is_due = self._events, [], False
        if events:
            # As text, which takes little of the Dask scheduler's memory: it keeps a topic's last
            # thousand messages.
            self._worker.log_event(self._topic, {"attempts": json.dumps(events)})

    def tell_first_run(self) -> None:
        """Tell that `run` is called."""
        self._worker.log_event(self._topic, {"run_started": True})

    def tell_broken(self, reason: str) -> None:
        """Tell that a task run cannot go on, so that the step has failed."""
        self._worker.log_event(self._topic, {"broken": reason})
