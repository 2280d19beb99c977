"""The stacks of a process's Python threads, at the moment when it exceeds a time limit.

The process writes them to standard error in a signal handler of `faulthandler`, which also works
while the process is in C code.
"""

from __future__ import annotations

import faulthandler
import linecache
import re
import signal
import time
from collections.abc import Callable

STACKS_SIGNAL = signal.SIGUSR2

STACKS_SECONDS = 1.0
"""How long a process may take to write its stacks."""

_POLL_SECONDS = 0.02

_FRAME = re.compile(r'  File "(?P<file>.+)", line (?P<line>\d+) in ')


def write_stacks_on_signal() -> None:
    """Have this process write the stacks of its threads when it gets `STACKS_SIGNAL`."""
    faulthandler.register(STACKS_SIGNAL, all_threads=True)


def written_stacks(read: Callable[[], str]) -> str:
    """Wait until a process that got `STACKS_SIGNAL` has written its stacks.

    Args:
        read: Returns what the process has written since then.

    Returns:
        The stacks, with the source of each line, which names the call of a function in C.
    """
    until = time.monotonic() + STACKS_SECONDS
    before, text = "", read()
    while (not text or text != before) and time.monotonic() < until:
        time.sleep(_POLL_SECONDS)
        before, text = text, read()
    return "\n".join(map(_with_source, text.splitlines()))


def _with_source(line: str) -> str:
    frame = _FRAME.match(line)
    source = linecache.getline(frame["file"], int(frame["line"])).strip() if frame else ""
    return f"{line}\n    {source}" if source else line
