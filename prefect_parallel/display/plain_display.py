"""A few lines about a run, for log files."""

from __future__ import annotations

import time

from rich.console import Console

from prefect_parallel.display.display import Display, counts_text
from prefect_parallel.flow.nodes.progress import Progress

PLAIN_SECONDS = 10.0
"""Minimum time between two progress lines of a step when output is not a terminal."""


class PlainDisplay(Display):
    """A few lines, for log files."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._last: dict[str, float] = {}

    def waiting(self, what: str) -> None:
        self.say(f"waiting for {what}")

    def command_started(self, step: str) -> None:
        self.say(f"{step}: running the command")

    def step_started(self, step: str, progress: Progress, slots: str) -> None:
        super().step_started(step, progress, slots)
        self._last[step] = time.monotonic()

    def step_progressed(self, step: str, progress: Progress) -> None:
        super().step_progressed(step, progress)
        if self._is_due(step):
            self.say(f"{step}: {counts_text(progress)}")

    def step_joining(self, step: str, text: str) -> None:
        if self._is_due(step):
            self.say(f"{step}: {text}")

    def _is_due(self, step: str) -> bool:
        now = time.monotonic()
        due = now - self._last[step] >= PLAIN_SECONDS
        if due:
            self._last[step] = now
        return due
