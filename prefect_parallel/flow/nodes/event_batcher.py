"""A node's events on their way to the driver, in batches."""

from __future__ import annotations

import json
import threading
import time

from distributed import Worker

from prefect_parallel.flow.nodes.events import AttemptEvent

SECONDS = 0.2
"""How late the driver learns of successful mini-batches, where there are few nodes."""

MESSAGES_PER_SECOND = 500
"""How many messages the driver can take in, from all nodes together."""


def seconds_between(nodes: int) -> float:
    """How long each of so many nodes keeps events before it sends them."""
    return max(SECONDS, nodes / MESSAGES_PER_SECOND)


class EventBatcher:
    """Attempts of one node, for one step, that have not been sent to the driver yet.

    The last ones may arrive when the driver does not listen any more: what counts is in the parts.
    """

    def __init__(self, worker: Worker, topic: str, seconds: float) -> None:
        self._worker = worker
        self._topic = topic
        self._seconds = seconds
        self._lock = threading.Lock()
        self._events: list[AttemptEvent] = []
        self._returned = set[tuple[str, str | None]]()
        self._is_due = False
        self._sent_at = 0.0

    def add(self, event: AttemptEvent) -> None:
        """Add the end of an attempt, from any thread.

        A failure is sent at once, and so is what comes after a pause: the driver forms groups
        according to the first durations.
        """
        with self._lock:
            self._events.append(event)
            was_due, self._is_due = self._is_due, True
            was_pause = time.monotonic() >= self._sent_at + self._seconds
        if event.error is not None or was_pause:
            self.flush()
        elif not was_due:
            self._worker.loop.add_callback(self._worker.loop.call_later, self._seconds, self.flush)

    def flush(self) -> None:
        """Send what there is."""
        with self._lock:
            events, self._events, self._is_due = self._events, [], False
            self._sent_at = time.monotonic()
        if events:
            # As text, which takes little of the Dask scheduler's memory: it keeps the last thousand
            # messages of a topic.
            self._worker.log_event(self._topic, {"attempts": json.dumps(events)})

    def report_returned(self, mini_batch: int, kind: str, schema: str | None) -> None:
        """Report what a mini-batch returned, as `Returned`, unless another returned the like."""
        with self._lock:
            if (kind, schema) in self._returned:
                return
            self._returned.add((kind, schema))
        self._worker.log_event(self._topic, {"returned": [mini_batch, kind, schema]})

    def report_first_run(self) -> None:
        """Report that `run` is called for the first time."""
        self._worker.log_event(self._topic, {"run_started": True})

    def report_progress(self) -> None:
        """Report that items of a failed mini-batch were run."""
        self._worker.log_event(self._topic, {"attempts": "[]"})

    def report_given_back(self, first: int, rest: int) -> None:
        """Report the mini-batches that a task run leaves to others, as `GivenBack`."""
        self.flush()
        self._worker.log_event(self._topic, {"given_back": [first, rest]})

    def report_waiting(self, first: int, seconds: float) -> None:
        """Report that a task run waits, as `RetryWaits`."""
        self.flush()
        self._worker.log_event(self._topic, {"waits": [first, seconds]})

    def report_unusable(self, node: str, reason: str) -> None:
        """Report that this node can run nothing."""
        message = {"node": node, "address": self._worker.address, "reason": reason}
        self._worker.log_event(self._topic, {"unusable": message})

    def report_broken(self, reason: str) -> None:
        """Report an error that fails the step."""
        self._worker.log_event(self._topic, {"broken": reason})
