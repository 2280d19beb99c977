"""Starts processes that never outlive this one.

Their parent is a process of its own, which runs no user code and therefore cannot hang. It ends
them and their descendants on request, when one of them dies, and when its connection closes because
this process has ended, even by SIGKILL.
"""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect_parallel.entry.memory_limit import memory_limit
from prefect_parallel.entry.protocol import Channel

SPAWNER_MODULE = "prefect_parallel.entry.spawner_main"

ANSWER_SECONDS = 60.0
"""How long the spawner process may take beyond the times that it is asked to wait.

It hangs, for example, if a disk for logs does.
"""


@dataclass(frozen=True)
class Exit:
    """How a process ended.

    Attributes:
        status: Exit code, or minus the number of the signal that ended the process.
        peak_memory: Maximum resident set size in bytes.
        left_behind: Id of the process if it is still there, although it was killed.
    """

    status: int
    peak_memory: int
    left_behind: int | None = None

    def __str__(self) -> str:
        if self.left_behind is not None:
            return f"SIGKILL did not end process {self.left_behind}, which is left behind"
        if self.status >= 0:
            return f"exit code {self.status}"
        try:
            name = signal.Signals(-self.status).name
        except ValueError:
            name = str(-self.status)
        text = f"signal {name}, peak memory {self.peak_memory / 1024**2:,.0f} MB"
        if self.status != -signal.SIGKILL:
            return text
        # The kernel kills a process if there is not enough memory.
        return f"{text}; the memory limit of this node is {memory_limit() / 1024**2:,.0f} MB"


@dataclass(frozen=True)
class Launched:
    """A spawner process.

    Attributes:
        process: It, or the program whose end follows its own.
        connection: To it.
        kill: Kills it.
        seen_as: The id by which this process sees one that it started; 0 if that has ended.
    """

    process: subprocess.Popen[bytes]
    connection: socket.socket
    kill: Callable[[], None]
    seen_as: Callable[[int], int]


def launch_here() -> Launched:
    """Start a spawner process on this interpreter."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", SPAWNER_MODULE, str(theirs.fileno())],
            # The folder of this package, so that the user's modules cannot shadow others.
            cwd=Path(__file__).parents[2],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
    return Launched(process, ours, process.kill, seen_as=lambda pid: pid)


class Spawner:
    """Client of the spawner process. Thread-safe.

    Attributes:
        gone: Why there is no spawner process any more, e.g. `was killed`; empty while there is one.
    """

    def __init__(self, launch: Callable[[], Launched] = launch_here) -> None:
        launched = launch()
        self._process = launched.process
        self._connection = launched.connection
        self._channel = Channel(launched.connection)
        self._lock = threading.Lock()
        self._kill = launched.kill
        self.seen_as = launched.seen_as
        self.gone = ""

    def start(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        stdout: Path,
        stderr: Path,
        connection: socket.socket | None = None,
        removal: Sequence[str] = (),
    ) -> int:
        """Start a process in a session of its own, and return its id.

        Args:
            environment: The complete environment; in a container, what is added to that of the
                image.
            stdout: File that standard output is appended to.
            stderr: File that standard error is appended to.
            connection: Socket that the process inherits. The number of its file descriptor is
                appended to the command.
            removal: Command line that ends what is no descendant of the process, such as a
                container of docker; run when the process has ended, however.

        Raises:
            OSError: The program could not be started.
        """
        request = {
            "do": "start",
            "command": list(command),
            "folder": str(folder),
            "environment": dict(environment),
            "stdout": str(stdout),
            "stderr": str(stderr),
            "removal": list(removal),
        }
        answer = self._ask(request, connection)
        if "error" in answer:
            raise OSError(answer["error"])
        return int(answer["pid"])

    def send_signal(self, pid: int, number: signal.Signals) -> None:
        """Send a signal to a process, if it is still running."""
        self._ask({"do": "signal", "pid": pid, "number": int(number)})

    def end(self, pid: int, *, patience: float = 0, grace: float = 0) -> Exit:
        """End a process, which may have ended by itself, and its descendants.

        Args:
            patience: Seconds to wait for it to end by itself, before any signal.
            grace: Seconds between SIGTERM and SIGKILL; 0 to send SIGKILL at once.
        """
        try:
            request = {"do": "end", "pid": pid, "patience": patience, "grace": grace}
            answer = self._ask(request, seconds=patience + grace)
        except OSError:
            # The spawner was closed or killed, which has ended the process.
            return Exit(-signal.SIGKILL, 0)
        if "left_behind" in answer:
            return Exit(-signal.SIGKILL, 0, answer["left_behind"])
        return Exit(answer["status"], answer["peak_memory"])

    def poll(self, pid: int) -> Exit | None:
        """How a process ended; None while it runs. Its remaining descendants are ended."""
        answer = self._ask({"do": "poll", "pid": pid})
        return Exit(answer["status"], answer["peak_memory"]) if "status" in answer else None

    def close(self) -> None:
        """End all processes."""
        with self._lock:
            self._channel.close()
        try:
            self._process.wait(ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill()

    def _ask(
        self,
        request: dict[str, Any],
        connection: socket.socket | None = None,
        seconds: float = 0,
    ) -> dict[str, Any]:
        """Send a request, and wait for the answer, which is expected after so many seconds.

        Raises:
            OSError: The spawner process hung and was killed, or is gone.
        """
        try:
            with self._lock:
                deadline = time.monotonic() + seconds + ANSWER_SECONDS
                # The descriptor is sent with a byte of its own before the request.
                descriptors = [] if connection is None else [connection.fileno()]
                socket.send_fds(self._connection, [b"+"], descriptors)
                self._channel.send(request, deadline)
                answer = self._channel.receive(deadline)
            if answer is None:
                raise ChildProcessError("the process that starts processes was killed")
        except TimeoutError:
            self.gone = f"did not answer within {ANSWER_SECONDS:g} s"
            self._channel.close()
            self._kill()
            raise
        except OSError:
            self.gone = self.gone or "was killed"
            raise
        return answer
