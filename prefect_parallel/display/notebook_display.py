"""Live progress in a notebook: one output of the cell, which is replaced as the run goes on."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from html import escape

from IPython.display import DisplayHandle
from rich.console import Console

from prefect_parallel.display.display import Display, counts_text, verdict
from prefect_parallel.flow.nodes.progress import Progress
from prefect_parallel.flow.run.step_result import StepResult
from prefect_parallel.output.job_result import succeeded

REDRAW_SECONDS = 0.25
"""Minimum time between two redraws of bars: each sends all of the HTML."""

COLORS = {"": "#1976d2", "green": "#2e9e4f", "bold red": "#d9363e", "yellow": "#c47f00"}
"""Of styles; readable on light and dark backgrounds."""

BAR = (
    "display:inline-block;width:14em;height:.65em;border-radius:.3em;overflow:hidden;"
    "background:rgba(128,128,128,.25)"
)


@dataclass
class Bar:
    """The line of a step.

    Attributes:
        title: The step, and where it runs.
        text: What is shown behind the bar.
        part: How much of it is filled, from 0 to 1.
        style: That of the result, once the step has ended.
    """

    title: str
    text: str
    part: float = 0.0
    style: str = ""

    def html(self) -> str:
        filled = f"display:block;height:100%;width:{self.part:.1%};background:{COLORS[self.style]}"
        bar = f'<span style="{BAR}"><span style="{filled}"></span></span>'
        return f"<div><b>{escape(self.title)}</b>&ensp;{bar}&ensp;{escape(self.text)}</div>"

    def __str__(self) -> str:
        return f"{self.title}: {self.text}"


@dataclass(frozen=True)
class Line:
    """A line of text behind a coloured title."""

    title: str
    style: str
    text: str

    def html(self) -> str:
        title = f'<span style="color:{COLORS[self.style]}">{escape(self.title)}</span>'
        return f"<div>{title} {escape(self.text)}</div>"

    def __str__(self) -> str:
        return f"{self.title}  {self.text}".lstrip()


class NotebookDisplay(Display):
    """A bar for each step, and what else there is to say below."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._bars: dict[str, Bar] = {}
        self._lines: list[Line] = []
        self._waiting = ""
        self._handle = DisplayHandle()
        self._drawn: float | None = None
        # Each step has a thread.
        self._lock = threading.RLock()

    def waiting(self, what: str) -> None:
        with self._lock:
            self._waiting = f"waiting for {what}"
            self._draw()

    def command_started(self, step: str) -> None:
        self._show(step, Bar(step, "running the command"))

    def step_started(self, step: str, progress: Progress, slots: str) -> None:
        self._show(step, Bar(f"{step} on {slots}", counts_text(progress)))

    def step_progressed(self, step: str, progress: Progress) -> None:
        super().step_progressed(step, progress)
        self._update(step, counts_text(progress), progress.done / progress.mini_batches)

    def step_joining(self, step: str, text: str) -> None:
        self._update(step, text, 1.0)

    def step_ended(self, step: str, end: StepResult) -> None:
        """Show how a step ended; what raises or shows the result has the reason."""
        counts = end.mini_batches
        text = f"{succeeded(counts)} mini-batches succeeded" if counts else end.reason
        bar = self._bars.get(step, Bar(step, ""))
        part = 1.0 if end.status == "Completed" else bar.part
        title, style = verdict(end)
        self._show(step, Bar(bar.title, f"{title}: {text}", part, style))

    def say(self, text: str, *, title: str = "", style: str = "") -> None:
        with self._lock:
            self._lines.append(Line(title, style, text))
            self._draw()

    def _show(self, step: str, bar: Bar) -> None:
        with self._lock:
            self._bars[step] = bar
            self._waiting = ""
            self._draw()

    def _update(self, step: str, text: str, part: float) -> None:
        with self._lock:
            bar = self._bars[step]
            bar.text, bar.part = text, part
            self._waiting = ""
            if self._drawn is None or time.monotonic() - self._drawn >= REDRAW_SECONDS:
                self._draw()

    def _draw(self) -> None:
        if self._drawn is None:
            self._handle.display(self)
        else:
            self._handle.update(self)
        self._drawn = time.monotonic()

    def _repr_html_(self) -> str:
        lines = [each.html() for each in self._shown()]
        if self._waiting:
            lines.append(f'<div style="opacity:.7">{escape(self._waiting)}</div>')
        return f'<div style="line-height:1.7">{"".join(lines)}</div>'

    def __repr__(self) -> str:
        return "\n".join(filter(None, [*map(str, self._shown()), self._waiting]))

    def _shown(self) -> list[Bar | Line]:
        return [*self._bars.values(), *self._lines]
