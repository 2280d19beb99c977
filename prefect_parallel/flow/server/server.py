"""The Prefect server of a run: the one that is configured, else one that lasts as long as the run.

In a notebook, that one stays until the kernel ends: the next call finds it.

Prefect would start a temporary server itself, but one for each thread that needs it, with a time
limit that a cold database exceeds, and it outlives a driver that is killed.
"""

from __future__ import annotations

import os
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx
import psutil
from prefect.client.orchestration import get_client
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
    temporary_settings,
)
from rich.console import Console

from prefect_parallel.blocks.unreachable_server import server_unreachable
from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.flow.fork_server import ForkServer
from prefect_parallel.flow.observer import Observer
from prefect_parallel.flow.server.delivery import deliver_events_and_logs
from prefect_parallel.flow.server.flow_run import asking_once
from prefect_parallel.flow.server.server_process import run_server

STARTUP_SECONDS = 180.0
"""A cold database migrates for over 30 s on a small machine."""

SHUTDOWN_SECONDS = 10.0
"""How long the server may take to write the last events."""

HEALTH_SECONDS = 2.0
"""Time limit of one health check."""

POLL_SECONDS = 0.1


PATIENCE_SECONDS = 30.0
"""How long a run whose step has ended waits for a server that does not answer."""


class ServerFailed(PrefectParallelError):
    """No Prefect server could be started."""


class ServerGone(PrefectParallelError):
    """The Prefect server went away in the middle of a run, and did not come back."""


@contextmanager
def prefect_server(observer: Observer | None = None) -> Iterator[str]:
    """Yield the API URL of the configured server, or of one that is started for the caller.

    A server is configured by `PREFECT_API_URL`, in the environment or in the Prefect profile.

    Raises:
        ServerFailed: No server is configured, and none could be started.
    """
    if configured := PREFECT_API_URL.value():
        yield configured
    else:
        with _own_server.used(observer or Observer()) as url:
            yield url


def refuse_server_away() -> None:
    """Raise ServerUnreachable if the configured server does not answer at all."""
    with asking_once(), get_client(sync_client=True) as client:
        error = client.api_healthcheck()
    if isinstance(error, httpx.TransportError):
        raise server_unreachable(error)


def patience_with_server() -> float:
    """Seconds to wait for the server if it does not answer; 0 if it will not come back."""
    return 0 if _own_server.is_gone() else PATIENCE_SECONDS


class _OwnServer:
    """The server that this process starts; flows that run at the same time share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._running = ExitStack()
        self._url = ""
        self._fork_server: ForkServer | None = None

    def is_gone(self) -> bool:
        """Whether the process is gone that starts it again when it ends."""
        return self._fork_server is not None and not self._fork_server.is_alive()

    @contextmanager
    def used(self, observer: Observer) -> Iterator[str]:
        with self._lock:
            if self._users == 0:
                self._start(observer)
            self._users += 1
        # No one would notice a missing heartbeat.
        settings = {PREFECT_API_URL: self._url, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
        with temporary_settings(settings):
            try:
                yield self._url
            finally:
                with self._lock:
                    self._users -= 1
                    if self._users == 0:
                        self._rest()

    def _start(self, observer: Observer) -> None:
        """Start it, unless one has stayed that still answers."""
        if self._url and not _answers(self._url):
            self._end()
        if not self._url:
            self._fork_server = ForkServer.get()
            self._url = self._running.enter_context(_started(observer, self._fork_server))
        # For Dask workers, which are processes of their own.
        os.environ["PREFECT_API_URL"] = self._url

    def _rest(self) -> None:
        """End it; in a notebook, only send it what is left to send."""
        del os.environ["PREFECT_API_URL"]
        deliver_events_and_logs()
        if not Console().is_jupyter:
            self._end()

    def _end(self) -> None:
        self._running.close()
        self._url = ""
        self._fork_server = None


_own_server = _OwnServer()


@contextmanager
def _started(observer: Observer, fork_server: ForkServer) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="prefect-parallel-server-") as folder:
        log = Path(folder) / "server.log"
        port = _free_port()
        url = f"http://127.0.0.1:{port}/api"
        observer.waiting("a Prefect server for this run: PREFECT_API_URL is not set")
        name, arguments = f"server-{port}", {"port": port, "log": str(log)}
        # If it is killed, another one takes its place, with the same database.
        pid = fork_server.start(name, run_server, arguments, restarts=True)
        try:
            wait_until_healthy(url, pid, log)
            yield url
        finally:
            # With the fork server, its processes are gone.
            with suppress(OSError):
                fork_server.stop(name, grace=SHUTDOWN_SECONDS)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_healthy(url: str, pid: int, log: Path) -> None:
    """Wait for a server that was started, and that prints to the log.

    Raises:
        ServerFailed: The server ended, or does not answer in time.
    """
    limit = max(STARTUP_SECONDS, PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS.value())
    until = time.monotonic() + limit
    with httpx.Client(timeout=HEALTH_SECONDS) as client:
        while time.monotonic() < until and psutil.pid_exists(pid):
            if _is_healthy(client, url):
                return
            time.sleep(POLL_SECONDS)
    raise ServerFailed(
        f"the Prefect server ended, or did not answer within {limit:g} s; its last lines:\n"
        + "\n".join(log.read_text(errors="replace").splitlines()[-10:])
    )


def _answers(url: str) -> bool:
    with httpx.Client(timeout=HEALTH_SECONDS) as client:
        return _is_healthy(client, url)


def _is_healthy(client: httpx.Client, url: str) -> bool:
    try:
        answer = client.get(f"{url}/health")
    except httpx.HTTPError:
        return False
    return answer.status_code == httpx.codes.OK
