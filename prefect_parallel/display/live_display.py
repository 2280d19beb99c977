"""Live progress in a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.progress import Progress as Bars
from rich.progress import TaskID

from prefect_parallel.display.display import Display, counts_text
from prefect_parallel.flow.nodes.progress import Progress
from prefect_parallel.flow.run.step_result import StepResult


class LiveDisplay(Display):
    """A live progress bar for each running step."""

    def __init__(self, console: Console, bars: Bars) -> None:
        super().__init__(console)
        self._bars = bars
        self._waiting = bars.add_task("", total=None, visible=False, counts="")
        self._tasks: dict[str, TaskID] = {}

    def waiting(self, what: str) -> None:
        self._bars.update(self._waiting, description=f"waiting for {what}", visible=True)

    def command_started(self, step: str) -> None:
        self._tasks[step] = self._bars.add_task(step, total=None, counts="running the command")

    def step_ended(self, step: str, end: StepResult) -> None:
        super().step_ended(step, end)
        self._bars.update(self._waiting, visible=False)
        if step in self._tasks:
            self._bars.remove_task(self._tasks.pop(step))

    def step_started(self, step: str, progress: Progress, slots: str) -> None:
        self._tasks[step] = self._bars.add_task(
            f"{step} on {slots}", total=progress.mini_batches, counts=counts_text(progress)
        )

    def step_progressed(self, step: str, progress: Progress) -> None:
        super().step_progressed(step, progress)
        self._bars.update(self._waiting, visible=False)
        self._bars.update(self._tasks[step], completed=progress.done, counts=counts_text(progress))

    def step_joining(self, step: str, text: str) -> None:
        self._bars.update(self._waiting, visible=False)
        self._bars.update(self._tasks[step], counts=text)
