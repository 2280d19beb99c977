"""The stacks of a process's Python threads, at the moment when it exceeds a time limit.

The process writes them to standard error in a signal handler of `faulthandler`, which also works
while the process is in C code.
"""

from __future__ import annotations

import faulthandler
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

STACKS_SIGNAL = signal.SIGUSR2

STACKS_SECONDS = 1.0
"""How long a process may take to write its stacks."""

_POLL_SECONDS = 0.02

_QUIET_POLLS = 10
"""A process that has written nothing between so many polls has written its stacks.

It may wait for a core in between, as others are busy.
"""

_ESCAPED = re.compile(r"\\(x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})")
"""How `faulthandler` writes a character of a path that is not ASCII."""

_FRAME = re.compile(r'  File "(?P<file>.+)", line (?P<line>\d+) in ')


def write_stacks_on_signal() -> None:
    """Have this process write the stacks of its threads when it gets `STACKS_SIGNAL`."""
    faulthandler.register(STACKS_SIGNAL, all_threads=True)


def written_stacks(read: Callable[[], str], pid: int) -> str:
    """Wait until a process that got `STACKS_SIGNAL` has written its stacks.

    Args:
        read: Returns what the process has written since then.
        pid: Its id, by which its files are found if it runs in a container.

    Returns:
        The stacks, with the source of each line, which names the call of a function in C.
    """
    until = time.monotonic() + STACKS_SECONDS
    text, quiet = read(), 0
    while (not text or quiet < _QUIET_POLLS) and time.monotonic() < until:
        time.sleep(_POLL_SECONDS)
        before, text = text, read()
        quiet = quiet + 1 if text == before else 0
    text = _ESCAPED.sub(lambda escaped: chr(int(escaped[0][2:], 16)), text)
    root = Path("/proc", str(pid), "root")
    if not root.exists():
        root = Path("/")
    return "\n".join(_with_source(line, root) for line in text.splitlines())


def _with_source(line: str, root: Path) -> str:
    frame = _FRAME.match(line)
    source = _source(root / frame["file"].lstrip("/"), int(frame["line"])) if frame else ""
    return f"{line}\n    {source}" if source else line


def _source(file: Path, line: int) -> str:
    """A line of a file; empty if it cannot be read."""
    try:
        lines = file.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    return lines[line - 1].strip() if line <= len(lines) else ""
