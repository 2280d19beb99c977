"""Starts processes that never outlive this one, whatever happens to it or to them.

A process of its own, which runs no user code and so cannot hang, is the parent of them all. It ends
them, with everything that they forked, when it is asked to, when one dies, and when its connection
closes because this process is gone, be it by SIGKILL.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect_parallel.entry.protocol import Channel


@dataclass(frozen=True)
class Exit:
    """How a process ended.

    Attributes:
        status: Its exit code; minus the signal's number if a signal ended it.
        peak_memory: The largest resident size it had, in bytes.
    """

    status: int
    peak_memory: int

    def __str__(self) -> str:
        if self.status >= 0:
            return f"exit code {self.status}"
        try:
            name = signal.Signals(-self.status).name
        except ValueError:
            name = str(-self.status)
        return f"signal {name}, peak memory {self.peak_memory / 1024**2:.0f} MB"


class Spawner:
    """The way to that process. May be used by several threads."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "prefect_parallel.entry.spawner_main",
                    str(theirs.fileno()),
                ],
                # Where this package is, so that no module of the user's takes the place of one.
                cwd=Path(__file__).parents[2],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._connection = ours
        self._channel = Channel(ours)
        self._lock = threading.Lock()

    def start(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        stdout: Path,
        stderr: Path,
        connection: socket.socket | None = None,
    ) -> int:
        """Start a process in a session of its own.

        Args:
            command: Its argv.
            folder: Its working directory.
            environment: All of its environment.
            stdout: The file that its output is appended to.
            stderr: The same for standard error.
            connection: Handed to the process, which finds the file descriptor's number as its
                last argument.

        Returns:
            The process id.

        Raises:
            OSError: The command could not be started.
        """
        request = {
            "do": "start",
            "command": list(command),
            "folder": str(folder),
            "environment": dict(environment),
            "stdout": str(stdout),
            "stderr": str(stderr),
        }
        answer = self._ask(request, connection)
        if "error" in answer:
            raise OSError(answer["error"])
        return int(answer["pid"])

    def end(self, pid: int, *, grace: float = 0) -> Exit:
        """End a process, with all that it started.

        Args:
            pid: As `start` returned it; a process that ended by itself may be ended once.
            grace: Seconds that it gets after SIGTERM; 0 sends SIGKILL at once.
        """
        try:
            answer = self._ask({"do": "end", "pid": pid, "grace": grace})
        except OSError:
            # Closed meanwhile, which ended the process.
            return Exit(-signal.SIGKILL, 0)
        return Exit(answer["status"], answer["peak_memory"])

    def poll(self, pid: int) -> Exit | None:
        """How a process ended by itself; None while it runs. What it left behind is ended then."""
        answer = self._ask({"do": "poll", "pid": pid})
        return Exit(answer["status"], answer["peak_memory"]) if "status" in answer else None

    def close(self) -> None:
        """End whatever still runs."""
        with self._lock:
            self._channel.close()
        self._process.wait()

    def _ask(
        self, request: dict[str, Any], connection: socket.socket | None = None
    ) -> dict[str, Any]:
        with self._lock:
            # The descriptor travels with one byte of its own, ahead of the request.
            descriptors = [] if connection is None else [connection.fileno()]
            socket.send_fds(self._connection, [b"+"], descriptors)
            self._channel.send(request)
            answer = self._channel.receive()
        if answer is None:
            raise ChildProcessError("the process that starts all others is gone")
        return answer
