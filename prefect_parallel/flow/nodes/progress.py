"""How far a step is, counted from the events that nodes send."""

from __future__ import annotations

import time

from prefect_parallel.errors import counted
from prefect_parallel.flow.nodes.events import AttemptEvent
from prefect_parallel.output.root_cause import root_cause


class Progress:
    """Counts of one step. An event may arrive late, or twice."""

    def __init__(
        self, planned: int, unit: str = "items", *, reused: int = 0, left_out: int = 0
    ) -> None:
        """Start counting items.

        Args:
            planned: Number of mini-batches of the input.
            unit: What an item is.
            reused: Number of those that have parts of an earlier run.
            left_out: Number of those that are not selected and have none.
        """
        self.planned = planned
        self.mini_batches = planned - left_out
        self.unit = unit
        self.reused = reused
        self.done = reused
        self.failed = 0
        self.failed_items = 0
        self.items = 0
        self.started = time.monotonic()
        # Root cause -> the first error that has it.
        self.examples: dict[str, str] = {}
        # A byte for each mini-batch: there may be millions.
        self._final = bytearray(planned)

    def add(self, event: AttemptEvent) -> None:
        """Count an attempt, if it is the last one of its mini-batch."""
        if event.final and not self._final[event.mini_batch]:
            self._final[event.mini_batch] = True
            self.done += 1
            self.items += event.succeeded + event.failed_items
            self.failed_items += event.failed_items
            if event.error is not None:
                self.failed += 1
                self.examples.setdefault(root_cause(event.error), event.error)

    def settle(self, *, done: int, failed: int) -> None:
        """Set the final counts, as the last events may not have arrived."""
        self.done, self.failed = done, failed

    @property
    def first_error(self) -> str | None:
        return next(iter(self.examples.values()), None)

    @property
    def rate(self) -> str:
        """Items per second, minute or hour, whichever gives 2 or more, e.g. `30 files/min`."""
        per_second = self.items / max(time.monotonic() - self.started, 1e-9)
        for seconds, unit in ((1, "s"), (60, "min")):
            if per_second * seconds >= 2:
                return f"{per_second * seconds:,.0f} {self.unit}/{unit}"
        return f"{per_second * 3600:,.0f} {self.unit}/h"

    @property
    def seconds_left(self) -> float | None:
        """Estimated from the speed so far; None before the first mini-batch is done."""
        done_now = self.done - self.reused
        if done_now == 0:
            return None
        elapsed = time.monotonic() - self.started
        return elapsed / done_now * (self.mini_batches - self.done)

    def __str__(self) -> str:
        of = counted(self.mini_batches, "mini-batch")
        return f"{self.done:,} of {of} done, {self.failed:,} failed"
