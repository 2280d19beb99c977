"""Live progress in a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn
from rich.progress import Progress as Bars
from rich.spinner import Spinner
from rich.text import Text

from prefect_parallel.display.display import Display, counts_text
from prefect_parallel.flow.nodes.progress import Progress
from prefect_parallel.flow.run.step_result import StepResult

NARROW = 100
"""In a terminal with fewer columns, bars are short, so that there is space for the counts."""


class LiveDisplay(Display):
    """A live progress bar for each running step, and below what the run waits for."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=8 if console.width < NARROW else 24),
            TextColumn("{task.fields[counts]}", markup=False),
            console=console,
        )
        self._spinner = Spinner("dots")
        self._waiting = ""
        self._tasks: dict[str, TaskID] = {}

    @contextmanager
    def live(self) -> Iterator[None]:
        """Show it until the end of the block."""
        with Live(console=self.console, get_renderable=self._drawn, transient=True):
            yield

    def _drawn(self) -> RenderableType:
        if not self._waiting:
            return self._bars
        self._spinner.update(text=Text(self._waiting))
        return Group(self._bars, self._spinner)

    def waiting(self, what: str) -> None:
        self._waiting = f"waiting for {what}"

    def command_started(self, step: str) -> None:
        self._waiting = ""
        self._tasks[step] = self._bars.add_task(step, total=None, counts="running the command")

    def step_started(self, step: str, progress: Progress, slots: str) -> None:
        super().step_started(step, progress, slots)
        self._waiting = ""
        self._tasks[step] = self._bars.add_task(
            step, total=progress.mini_batches, counts=counts_text(progress)
        )

    def step_progressed(self, step: str, progress: Progress) -> None:
        super().step_progressed(step, progress)
        self._waiting = ""
        self._bars.update(self._tasks[step], completed=progress.done, counts=counts_text(progress))

    def step_joining(self, step: str, text: str) -> None:
        self._waiting = ""
        self._bars.update(self._tasks[step], counts=text)

    def step_ended(self, step: str, end: StepResult) -> None:
        super().step_ended(step, end)
        self._waiting = ""
        if step in self._tasks:
            self._bars.remove_task(self._tasks.pop(step))
