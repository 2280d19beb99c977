"""What a run shows: live progress in a terminal or a notebook, a few lines in a log file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bars

from prefect_parallel.display.display import Display
from prefect_parallel.display.live_display import LiveDisplay
from prefect_parallel.display.plain_display import PlainDisplay


@contextmanager
def open_display() -> Iterator[Display]:
    """A display for standard output: live in a terminal or a notebook."""
    console = Console(highlight=False)
    if console.is_jupyter:
        # Imported here: only notebooks have IPython.
        from prefect_parallel.display.notebook_display import NotebookDisplay

        yield NotebookDisplay(console)
        return
    if not console.is_terminal:
        yield PlainDisplay(console)
        return
    columns = [
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[counts]}", markup=False),
    ]
    with Bars(*columns, console=console, transient=True) as bars:
        yield LiveDisplay(console, bars)
