"""What a run shows: live progress in a terminal or a notebook, a few lines in a log file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prefect_parallel.display.display import Display
from prefect_parallel.display.live_display import LiveDisplay
from prefect_parallel.display.plain_display import PlainDisplay
from prefect_parallel.lasting_console import LastingConsole


@contextmanager
def open_display() -> Iterator[Display]:
    """A display for standard output: live in a terminal or a notebook."""
    console = LastingConsole(highlight=False)
    if console.is_jupyter:
        # Imported here: only notebooks have IPython.
        from prefect_parallel.display.notebook_display import NotebookDisplay

        yield NotebookDisplay(console)
    elif console.is_terminal:
        shown = LiveDisplay(console)
        with shown.live():
            yield shown
    else:
        yield PlainDisplay(console)
