"""A console whose commands go on when nobody reads what they print any more."""

from __future__ import annotations

import os
import sys

from rich.console import Console


class LastingConsole(Console):
    """Prints nowhere once the reader of standard output, e.g. `head`, has ended.

    Rich's own console ends the process then.
    """

    def on_broken_pipe(self) -> None:
        self.quiet = True
        discard_output()


def discard_output() -> None:
    """Discard what is printed from now on, and what is still to be written when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
