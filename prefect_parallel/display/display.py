"""What a run shows, whatever shows it."""

from __future__ import annotations

import textwrap
from pathlib import Path

from prefect.client.schemas.objects import State
from rich.console import Console
from rich.text import Text

from prefect_parallel.flow.nodes.progress import Progress
from prefect_parallel.flow.observer import Observer
from prefect_parallel.flow.run.step_result import Place, StepResult

CAUSES = 5
"""Maximum number of root causes shown of a step, during the run and in the summary."""

STYLES = {"Completed": "green", "Failed": "bold red", "Canceled": "yellow", "Prepared": "yellow"}


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
            self.say(cause, title=f"{step}: failing", style=STYLES["Failed"])
            known.add(cause)

    def step_ended(self, step: str, end: StepResult) -> None:
        """Print at once why a step failed: the server may record it much later."""
        self._ended.append((step, end))
        if end.status == "Failed":
            self.say(end.reason, title=f"{step}: failed", style=STYLES["Failed"])

    def warned(self, text: str) -> None:
        self.say(text, title="warning", style="yellow")

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
            self.say(state.message or "", title="Canceled", style=STYLES["Canceled"])
        elif not self._ended:
            self.say(state.message or "", title=state.name or "", style="bold red")
        self.say(f"  run     {_short(run)}")
        if report is not None:
            self.say(f"  report  {_short(report)}")

    def results(self) -> None:
        """Print the result of each step that has ended."""
        for step, end in self._ended:
            title, style = verdict(end)
            self.say(f"{step}: {end.reason}", title=title, style=style)
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
        self.say(reason, title="Canceled", style=STYLES["Canceled"])

    def say(self, text: str, *, title: str = "", style: str = "") -> None:
        """Print a line, behind a coloured title if there is one."""
        shown = Text.assemble((title, style), f"  {text}") if title else Text(text)
        self.console.print(shown, soft_wrap=True)


def verdict(end: StepResult) -> tuple[str, str]:
    """The status of a step and its style, e.g. `Completed, 3 of 20 files are missing ...`."""
    if end.missing:
        return f"{end.status}, {end.missing}", "yellow"
    return end.status, STYLES[end.status]


def counts_text(progress: Progress) -> str:
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
