"""A console whose commands go on when nobody reads what they print any more."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

from rich.console import Console


class LastingConsole(Console):
    """Prints nowhere once nobody reads: `head` has ended, or the terminal is closed.

    Rich's own console ends the process then, or raises.
    """

    @property
    def file(self) -> IO[str]:
        return cast(IO[str], _Lasting(super().file))

    @file.setter
    def file(self, new_file: IO[str]) -> None:
        self._file = new_file

    def on_broken_pipe(self) -> None:
        self.quiet = True
        discard_output()


class _Lasting:
    """A file for which a closed terminal is a broken pipe."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, text: str) -> int:
        with _as_broken_pipe():
            return self._file.write(text)

    def flush(self) -> None:
        with _as_broken_pipe():
            self._file.flush()


@contextmanager
def _as_broken_pipe() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        raise BrokenPipeError from error


def discard_output() -> None:
    """Discard what is printed from now on, and what is still to be written when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
