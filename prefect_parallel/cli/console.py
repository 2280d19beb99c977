"""What the commands print with."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from prefect_parallel.errors import InvalidFile, PrefectParallelError, counted
from prefect_parallel.lasting_console import LastingConsole


def plain_console(*, stderr: bool = False, kind: type[Console] = Console) -> Console:
    """A console that prints text as it is: no markup, no line breaks of its own."""
    return kind(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)


def lasting_console() -> Console:
    """The same, for commands that do something: they go on when nobody reads any more."""
    return plain_console(kind=LastingConsole)


def print_titled(console: Console, title: str, style: str, text: str) -> None:
    """Print a text behind a coloured word."""
    console.print(Text.assemble((title, style), f" {text}"))


def error_count(error: PrefectParallelError) -> str:
    """E.g. `1 error`, `3 errors`."""
    return counted(len(error.problems) if isinstance(error, InvalidFile) else 1, "error")


def ignored_keys(keys: Sequence[str]) -> str:
    """The line about keys of a file that are valid but have no effect."""
    return f"ignored (no effect outside Azure ML): {', '.join(keys)}"
