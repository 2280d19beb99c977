"""What a run prints: live progress in a terminal, a few lines in a log file."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prefect.client.schemas.objects import State
from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn
from rich.progress import Progress as Bars
from rich.text import Text

from prefect_parallel.errors import counted
from prefect_parallel.flow.nodes.progress import Progress
from prefect_parallel.flow.observer import Observer
from prefect_parallel.flow.run.step_result import Place, StepResult

PLAIN_SECONDS = 10.0
"""Minimum time between two progress lines of a step when output is not a terminal."""

CAUSES = 5
"""Maximum number of root causes shown of a step, during the run and in the summary."""

STYLES = {"Completed": "green", "Failed": "bold red", "Canceled": "yellow"}


class Display(Observer):
    """Collects the results of the steps and prints a summary at the end."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._ended: list[tuple[str, StepResult]] = []
        self._causes: dict[str, set[str]] = {}

    def step_progressed(self, step: str, progress: Progress) -> None:
        """Print each root cause when it occurs for the first time."""
        known = self._causes.setdefault(step, set())
        new = [cause for cause in progress.causes if cause not in known]
        for cause in new[: CAUSES - len(known)]:
            self.say(Text.assemble((f"{step}: failing", STYLES["Failed"]), f"  {cause}"))
            known.add(cause)

    def step_ended(self, step: str, end: StepResult) -> None:
        """Print at once why a step failed: the server may record it much later."""
        self._ended.append((step, end))
        if end.status == "Failed":
            self.say(Text.assemble((f"{step}: failed", STYLES["Failed"]), f"  {end.reason}"))

    def warned(self, text: str) -> None:
        self.say(Text.assemble(("warning", "yellow"), f"  {text}"))

    def noted(self, step: str, text: str) -> None:
        self.say(f"{step}: {text}")

    @property
    def has_results(self) -> bool:
        """Whether at least one step has ended."""
        return bool(self._ended)

    def summary(self, state: State, run: Place, report: Place | None) -> None:
        """Print the result of each step and where its files are."""
        self.results()
        if state.is_cancelled() and all(end.status != "Canceled" for _, end in self._ended):
            self.say(Text.assemble(("Canceled", STYLES["Canceled"]), f"  {state.message}"))
        elif not self._ended:
            self.say(Text.assemble((state.name or "", "bold red"), f"  {state.message}"))
        self.say(f"  run     {_short(run)}")
        if report is not None:
            self.say(f"  report  {_short(report)}")

    def results(self) -> None:
        """Print the result of each step that has ended."""
        for step, end in self._ended:
            self.say(Text.assemble(_verdict(end), f"  {step}: {end.reason}"))
            for failures in end.failures[:CAUSES]:
                self.say(f"  failed  {failures.count} x {failures}")
                self.say(f"          reproduce: {failures.repeat}")
            if hidden := end.failures[CAUSES:]:
                count = sum(failures.count for failures in hidden)
                self.say(
                    f"  failed  {count} more, of {len(hidden)} other root causes:"
                    " see failed_mini_batches.jsonl"
                )
            if end.output:
                self.say(f"  output  {_short(end.output)}")
            if end.log:
                self.say(f"  log     {_short(end.log)}")

    def interrupted(self, directory: Path) -> None:
        """Say that the run was stopped before its steps had ended."""
        reason = f"interrupted; --resume {directory.name} continues the run"
        self.say(Text.assemble(("Canceled", STYLES["Canceled"]), f"  {reason}"))

    def say(self, text: str | Text) -> None:
        """Print a line."""
        self.console.print(text, soft_wrap=True)


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
            f"{step} on {slots}", total=progress.mini_batches, counts=_counts(progress)
        )

    def step_progressed(self, step: str, progress: Progress) -> None:
        super().step_progressed(step, progress)
        self._bars.update(self._waiting, visible=False)
        self._bars.update(self._tasks[step], completed=progress.done, counts=_counts(progress))

    def step_joining(self, step: str, text: str) -> None:
        self._bars.update(self._waiting, visible=False)
        self._bars.update(self._tasks[step], counts=text)


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
        self._last[step] = time.monotonic()
        to_run = progress.mini_batches - progress.reused
        self.say(f"{step}: {counted(to_run, 'mini-batch')} to run on {slots}")

    def step_progressed(self, step: str, progress: Progress) -> None:
        super().step_progressed(step, progress)
        if self._is_due(step):
            self.say(f"{step}: {_counts(progress)}")

    def step_joining(self, step: str, text: str) -> None:
        if self._is_due(step):
            self.say(f"{step}: {text}")

    def _is_due(self, step: str) -> bool:
        now = time.monotonic()
        due = now - self._last[step] >= PLAIN_SECONDS
        if due:
            self._last[step] = now
        return due


@contextmanager
def display() -> Iterator[Display]:
    """A display for standard output, live if that is a terminal."""
    console = Console(highlight=False)
    if not console.is_terminal:
        yield PlainDisplay(console)
        return
    columns = [
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[counts]}"),
    ]
    with Bars(*columns, console=console, transient=True) as bars:
        yield LiveDisplay(console, bars)


def _verdict(end: StepResult) -> tuple[str, str]:
    """The status of a step and its style, e.g. `Completed, 3 of 20 files are missing ...`."""
    if end.missing:
        return f"{end.status}, {end.missing}", "yellow"
    return end.status, STYLES[end.status]


def _counts(progress: Progress) -> str:
    """E.g. `12/50 mini-batches, 1 failed (1 x KeyError: 'a'), 230 rows/s, 0:12 left`."""
    parts = [f"{progress.done}/{progress.mini_batches} mini-batches"]
    if progress.failed:
        ((cause, count),) = progress.causes.most_common(1)
        parts.append(f"{progress.failed} failed ({count} x {textwrap.shorten(cause, 40)})")
    if progress.done:
        parts.append(f"{progress.items_per_second:,.0f} {progress.unit}/s")
    left = progress.seconds_left
    if left is not None and progress.done < progress.mini_batches:
        minutes, seconds = divmod(round(left), 60)
        parts.append(f"{minutes}:{seconds:02d} left")
    return ", ".join(parts)


def _short(path: Place) -> Place:
    """The path relative to the working directory, if it is inside it."""
    if isinstance(path, str):
        return path
    try:
        return path.absolute().relative_to(Path.cwd())
    except ValueError:
        return path
