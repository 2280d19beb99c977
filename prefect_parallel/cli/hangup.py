"""The signal that a command gets when its terminal is closed, or its connection is lost."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hangup_cancels() -> Iterator[None]:
    """Take SIGHUP for SIGTERM, so that a run is canceled, unless it is ignored as with `nohup`."""
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_DFL:
        yield
        return
    of_terminal = [descriptor for descriptor in (0, 1, 2) if os.isatty(descriptor)]

    def cancel(*_: object) -> None:
        # A shell and the system may both send it, and a second signal ends everything at once.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        # What is printed now would be an error.
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in of_terminal:
            os.dup2(nowhere, descriptor)
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGHUP, cancel)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
