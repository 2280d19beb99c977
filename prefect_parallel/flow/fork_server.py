"""The process that nodes and the Prefect server of a run are forked from.

Importing Prefect and Dask takes one or two seconds of CPU, which each of them would spend again.
The fork server has one thread, holds no data and runs no user code. It restarts nodes that die
unexpectedly. When the driver is gone, its connection closes, and it ends together with all others.
"""

from __future__ import annotations

import gc
import importlib
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prefect_parallel.entry.prctl import die_with_parent
from prefect_parallel.entry.protocol import Channel

RESTART_SECONDS = 1.0
"""The least time between two starts of a process that keeps dying."""

POLL_SECONDS = 0.05


class ForkServer:
    """The driver's connection to the fork server. May be used by several threads."""

    _of_this_process: ForkServer | None = None
    _starting = threading.Lock()

    def __init__(self, launch: Callable[[socket.socket, socket.socket], object]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = launch(ours, theirs)
        self._connection = ours
        self._channel = Channel(ours)
        self._lock = threading.Lock()

    @classmethod
    def fork(cls) -> None:
        """Make the fork server of this process a fork of it, which has all that is imported here.

        To be called while this process has one thread only.
        """
        # Forks share the memory of what exists now, as long as the collector does not touch it.
        gc.freeze()
        cls._of_this_process = cls(_fork)

    @classmethod
    def get(cls) -> ForkServer:
        """The fork server of this process; started on first use, and again when it was killed."""
        with cls._starting:
            if cls._of_this_process is None or not cls._of_this_process.is_alive():
                cls._of_this_process = cls(_execute)
            return cls._of_this_process

    def is_alive(self) -> bool:
        """Whether the process is there."""
        try:
            return self._connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def import_ahead(self, module: str) -> None:
        """Have it import a module whose functions it will start, without waiting for it.

        Raises:
            OSError: The fork server is gone.
        """
        self._ask({"do": "import", "module": module})

    def start(
        self,
        name: str,
        function: Callable[..., None],
        arguments: Mapping[str, object],
        *,
        restarts: bool = False,
    ) -> int:
        """Run a function in a new process, with the environment of this one.

        Args:
            name: Identifies the process among all that this one starts.
            function: A function of a module, which the fork server imports.
            arguments: Of the function; plain values.
            restarts: Whether it is started again when it ends unasked.

        Returns:
            The id of the process.

        Raises:
            OSError: The fork server is gone.
        """
        answer = self._ask(
            {
                "do": "start",
                "name": name,
                "module": function.__module__,
                "function": function.__name__,
                "arguments": dict(arguments),
                "restarts": restarts,
                "environment": dict(os.environ),
                # Tasks may be defined in modules that only this process finds.
                "path": sys.path,
            }
        )
        return int(answer["pid"])

    def stop(self, name: str, *, grace: float = 0) -> None:
        """End a process, and all that it started.

        Args:
            grace: Seconds between SIGTERM and SIGKILL; 0: it is killed at once.

        Raises:
            OSError: The fork server is gone.
        """
        self._ask({"do": "stop", "name": name, "grace": grace})

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            self._channel.send(request)
            answer = self._channel.receive()
        if answer is None:
            raise ChildProcessError("the process that nodes are forked from is gone")
        return answer


def _fork(ours: socket.socket, theirs: socket.socket) -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if os.fork() == 0:
        try:
            ours.close()
            os.setsid()
            serve(theirs.detach())
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)


def _execute(ours: socket.socket, theirs: socket.socket) -> subprocess.Popen[bytes]:
    descriptor = theirs.fileno()
    # Not with -m: in a module that is run so, Python shows deprecations, such as that of a fork
    # beside the threads of NumPy.
    return subprocess.Popen(
        [sys.executable, "-c", f"from {__name__} import serve; serve({descriptor})"],
        stdin=subprocess.DEVNULL,
        pass_fds=[descriptor],
        start_new_session=True,
    )


@dataclass
class _Forked:
    """A process that is to run, until it is stopped."""

    request: dict[str, Any]
    pid: int
    started: float = field(default_factory=time.monotonic)


class _ServerProcess:
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._running: dict[str, _Forked] = {}
        self._died, died_write = os.pipe()
        os.set_blocking(died_write, False)
        signal.set_wakeup_fd(died_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def serve(self) -> None:
        channel = Channel(self._connection)
        while True:
            ready, _, _ = select.select([self._connection.fileno(), self._died], [], [])
            if self._died in ready:
                os.read(self._died, 4096)
                self._reap()
            if self._connection.fileno() in ready:
                request = channel.receive()
                if request is None:
                    break
                channel.send(self._answer(request))
                if request["do"] == "import":
                    importlib.import_module(request["module"])
        for name in list(self._running):
            self._stop(name, grace=0)

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        if request["do"] == "start":
            return {"pid": self._start(request)}
        if request["do"] == "stop":
            self._stop(request["name"], request["grace"])
        return {}

    def _start(self, request: dict[str, Any]) -> int:
        module = importlib.import_module(request["module"])
        gc.freeze()
        server = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                die_with_parent(server)
                self._connection.close()
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                gc.enable()
                os.environ.clear()
                os.environ.update(request["environment"])
                sys.path[:] = request["path"]
                getattr(module, request["function"])(**request["arguments"])
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)
        self._running[request["name"]] = _Forked(request, pid)
        return pid

    def _stop(self, name: str, grace: float) -> None:
        forked = self._running.pop(name, None)
        if forked is None:
            return  # It has ended by itself.
        if grace:
            os.kill(forked.pid, signal.SIGTERM)
            until = time.monotonic() + grace
            while time.monotonic() < until:
                if os.waitpid(forked.pid, os.WNOHANG) != (0, 0):
                    return
                time.sleep(POLL_SECONDS)
        os.kill(forked.pid, signal.SIGKILL)
        os.waitpid(forked.pid, 0)

    def _reap(self) -> None:
        """Restart what has ended unasked and is to run on."""
        for name, forked in list(self._running.items()):
            if os.waitpid(forked.pid, os.WNOHANG) == (0, 0):
                continue
            if forked.request["restarts"]:
                time.sleep(max(0.0, forked.started + RESTART_SECONDS - time.monotonic()))
                self._start(forked.request)
            else:
                del self._running[name]


def serve(descriptor: int) -> None:
    """Be the fork server of the driver at the other end of a socket."""
    # It only imports, which leaves no garbage.
    gc.disable()
    _ServerProcess(socket.socket(fileno=descriptor)).serve()
