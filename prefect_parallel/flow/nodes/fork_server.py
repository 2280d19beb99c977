"""The process that nodes are forked from; it has imported everything that a node needs.

Importing Prefect and Dask takes one or two seconds of CPU, which each node would spend again. The
fork server has one thread, holds no data and runs no user code. It restarts nodes that die
unexpectedly. When the driver is gone, its connection closes, and it ends together with all nodes.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import dask.config
from distributed import Worker

# Not used here, but by nodes.
import prefect_parallel.flow.nodes.mini_batch_task
import prefect_parallel.flow.nodes.task_runner  # noqa: F401
from prefect_parallel.entry.prctl import die_with_parent
from prefect_parallel.entry.protocol import Channel

logger = logging.getLogger("distributed.node")
"""Below Dask's own logger, to be configured with it."""

ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""A slot is meant to keep one core busy; the user's environment has precedence."""

RESTART_SECONDS = 1.0
"""The least time between two starts of a node that keeps dying."""


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
        # Nodes share the memory of what exists now, as long as the collector does not touch it.
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

    def start(self, node: str, scheduler: str, *, name: object, slots: int) -> None:
        """Start a node.

        Args:
            node: Identifies it among all that this process starts.
            scheduler: The address of the Dask scheduler that it connects to.
            name: Its name there.
            slots: How many tasks it runs at a time.

        Raises:
            OSError: The fork server is gone.
        """
        self._ask(
            {
                "do": "start",
                "node": node,
                "scheduler": scheduler,
                "name": name,
                "slots": slots,
                "environment": dict(os.environ),
                # Tasks may be defined in modules that only this process finds.
                "path": sys.path,
            }
        )

    def stop(self, node: str) -> None:
        """End a node at once, and all that it started.

        Raises:
            OSError: The fork server is gone.
        """
        self._ask({"do": "stop", "node": node})

    def _ask(self, request: dict[str, Any]) -> None:
        with self._lock:
            self._channel.send(request)
            if self._channel.receive() is None:
                raise ChildProcessError("the process that nodes are forked from is gone")


def _fork(ours: socket.socket, theirs: socket.socket) -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    if os.fork() == 0:
        try:
            ours.close()
            os.setsid()
            _serve(theirs)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)


def _execute(ours: socket.socket, theirs: socket.socket) -> subprocess.Popen[bytes]:
    descriptor = theirs.fileno()
    return subprocess.Popen(
        [sys.executable, "-m", __name__, str(descriptor)],
        stdin=subprocess.DEVNULL,
        pass_fds=[descriptor],
        start_new_session=True,
    )


@dataclass
class _Node:
    """A node that is to run, until it is stopped."""

    request: dict[str, Any]
    pid: int
    started: float = field(default_factory=time.monotonic)


class _ServerProcess:
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._nodes: dict[str, _Node] = {}
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
                if request["do"] == "start":
                    self._start(request)
                else:
                    self._stop(request["node"])
                channel.send({})
        for node in list(self._nodes):
            self._stop(node)

    def _start(self, request: dict[str, Any]) -> None:
        server = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                die_with_parent(server)
                self._connection.close()
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _run_node(request)
            except BaseException:
                logger.exception("a node ended")
            finally:
                os._exit(1)
        self._nodes[request["node"]] = _Node(request, pid)

    def _stop(self, name: str) -> None:
        node = self._nodes.pop(name)
        os.kill(node.pid, signal.SIGKILL)
        os.waitpid(node.pid, 0)

    def _reap(self) -> None:
        """Restart nodes that have ended unasked."""
        for node in list(self._nodes.values()):
            if os.waitpid(node.pid, os.WNOHANG) != (0, 0):
                time.sleep(max(0.0, node.started + RESTART_SECONDS - time.monotonic()))
                self._start(node.request)


def quieten_dask() -> None:
    """Keep Dask from logging each worker that comes and goes, unless its log is configured."""
    if dask.config.get("logging", None) is None:
        logging.getLogger("distributed").setLevel(logging.WARNING)


def _serve(connection: socket.socket) -> None:
    _ServerProcess(connection).serve()


def _run_node(request: dict[str, Any]) -> None:
    # The driver may have been forked while it was off.
    gc.enable()
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[:] = request["path"]
    for variable in ONE_THREAD:
        os.environ.setdefault(variable, "1")
    quieten_dask()
    # Dask would look at each thread's stack a hundred times a second; none runs user code.
    dask.config.set({"distributed.worker.profile.enabled": False})
    asyncio.run(_work(request))


async def _work(request: dict[str, Any]) -> None:
    """Be a Dask worker until somebody ends this process."""
    worker = Worker(
        request["scheduler"],
        nthreads=request["slots"],
        name=request["name"],
        # What the entry processes use is theirs; a worker holds next to nothing.
        memory_limit=0,
        dashboard=False,
    )
    async with worker:
        await worker.finished()


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
