"""What a run shows, whatever shows it."""

from __future__ import annotations

import shlex
import textwrap
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from prefect_parallel.errors import counted
from prefect_parallel.flow.nodes.progress import Progress
from prefect_parallel.flow.observer import Observer
from prefect_parallel.flow.run.step_result import CAUSES, Place, StepResult

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

ERROR_WIDTH = 160
"""Maximum length of an error that is shown during the run; it is shown in full later."""

STYLES = {"Completed": "green", "Failed": "bold red", "Canceled": "yellow", "Prepared": "yellow"}


class Display(Observer):
    """Prints the result of each step when it ends, and where the files are at the end."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._ended: list[tuple[str, StepResult]] = []
        self._errors: Counter[str] = Counter()
        self._flow_run: str | None = None

    def step_started(self, step: str, progress: Progress, slots: str) -> None:
        to_run = progress.mini_batches - progress.reused
        self.say(f"{step}: {counted(to_run, 'mini-batch')} to run on {slots}")

    def step_progressed(self, step: str, progress: Progress) -> None:
        """Print the first error of each root cause when it occurs."""
        for error in list(progress.examples.values())[self._errors[step] : CAUSES]:
            text = textwrap.shorten(error, ERROR_WIDTH, placeholder=" ...")
            self.say(text, title=f"{step}: failing", style=STYLES["Failed"])
            self._errors[step] += 1

    def step_ended(self, step: str, end: StepResult) -> None:
        """Print how a step ended, at once: the server may record it much later."""
        self._ended.append((step, end))
        title, style = verdict(end)
        self.say(f"{step}: {end.summary}", title=title, style=style)
        for failures in end.failures[:CAUSES]:
            self.say(f"  failed  {failures}")
            if failures.traceback is not None:
                self.say(f"          traceback: {_short(failures.traceback)}")
            self.say(f"          reproduce: {failures.repeat}")
        if hidden := end.failures[CAUSES:]:
            count = counted(sum(failures.count for failures in hidden), "mini-batch")
            self.say(
                f"  failed  {count} more, of {len(hidden)} other root causes:"
                " see failed_mini_batches.jsonl"
            )

    def warned(self, text: str) -> None:
        self.say(text, title="warning", style="yellow")

    def noted(self, step: str, text: str) -> None:
        self.say(f"{step}: {text}")

    def canceling(self, grace: float, *, by_ctrl_c: bool) -> None:
        what = f"running mini-batches and commands have {grace:g} s to finish"
        again = "; press Ctrl-C again to stop at once" if by_ctrl_c else ""
        self.say(f"{what}{again}", title="canceling", style=STYLES["Canceled"])

    def flow_run_at(self, url: str) -> None:
        """Print where the Prefect UI shows the run, now and in the summary."""
        self._flow_run = url
        self.say(f"watch it at {url}")

    @property
    def has_results(self) -> bool:
        """Whether at least one step has ended."""
        return bool(self._ended)

    def summary(self, state: State, run: Place, name: str, report: Place | None) -> None:
        """Print where the files of a run are, and how to continue it if it did not complete."""
        if state.is_cancelled() and all(end.status != "Canceled" for _, end in self._ended):
            self.say(state.message or "", title="Canceled", style=STYLES["Canceled"])
        elif not self._ended:
            self.say(state.message or "", title=state.name or "", style="bold red")
        for _, end in self._ended:
            self._show_place("output", end.output)
            self._show_place("log", end.log)
        self._show_place("run", run)
        self._show_place("report", report)
        self._show_place("UI", self._flow_run)
        if not state.is_completed():
            self._show_place("resume", f"the same command with --resume {shlex.quote(name)}")

    def _show_place(self, what: str, place: Place | None) -> None:
        if place is not None:
            self.say(f"  {what:<6}  {_short(place)}")

    def interrupted(self, name: str) -> None:
        """Say that a run was stopped before its steps had ended."""
        self.say("interrupted", title="Canceled", style=STYLES["Canceled"])
        self._show_place("resume", f"the same command with --resume {shlex.quote(name)}")

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
    """E.g. `12/50 mini-batches, 1 failed, 230 rows/s, 0:12 left`."""
    parts = [f"{progress.done:,}/{progress.mini_batches:,} mini-batches"]
    if progress.failed:
        parts.append(f"{progress.failed:,} failed")
    if progress.items:
        parts.append(progress.rate)
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
