"""The Prefect server of a run: for its time only, where none is configured or left running.

Prefect would start one by itself, but one for each thread that first needs it, within a time that a
cold database does not keep to, and one that outlives a killed driver.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import prefect
import psutil
from prefect.client.orchestration import get_client
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
    temporary_settings,
)

from prefect_parallel.entry.spawner import Spawner
from prefect_parallel.errors import PrefectParallelError, ServerUnreachable
from prefect_parallel.flow.observer import Observer
from prefect_parallel.flow.server.background_server import (
    HEALTH_SECONDS,
    api_url,
    background_server,
    is_healthy,
)
from prefect_parallel.flow.server.delivery import deliver_events_and_logs
from prefect_parallel.flow.server.flow_run import asking_once

STARTUP_SECONDS = 180.0
"""A cold database migrates for over 30 s on a small machine."""

SHUTDOWN_SECONDS = 10.0
"""What the server gets to write down the last events."""


class ServerFailed(PrefectParallelError):
    """No Prefect server could be started."""


class ServerGone(PrefectParallelError):
    """The Prefect server went away in the middle of a run, and did not come back."""


@contextmanager
def prefect_server(observer: Observer | None = None) -> Iterator[str]:
    """The URL of the API of a server: the one configured, the one in the background, or a new one.

    Args:
        observer: Is told what is waited for.

    Raises:
        ServerFailed: There is none, and none could be started.
    """
    observer = observer or Observer()
    if configured := PREFECT_API_URL.value():
        yield configured
    elif (background := background_server()) and (url := _wait_for(background, observer)):
        observer.shown_at(url.removesuffix("/api"))
        with temporary_settings({PREFECT_API_URL: url}), _environment_variable(url):
            yield url
    else:
        with _own_server(observer) as own:
            yield own


def refuse_server_away() -> None:
    """Raise ServerUnreachable if the server that a run is to have does not answer at all."""
    with asking_once(), get_client(sync_client=True) as client:
        error = client.api_healthcheck()
    if isinstance(error, httpx.TransportError):
        raise ServerUnreachable.at(PREFECT_API_URL.value(), error)


def _wait_for(background: psutil.Process, observer: Observer) -> str | None:
    observer.waiting("the Prefect server in the background")
    return api_url(background, seconds=STARTUP_SECONDS)


@contextmanager
def _own_server(observer: Observer) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="prefect-parallel-server-") as folder:
        spawner = Spawner()
        try:
            log = Path(folder) / "server.log"
            port = _free_port()
            url = f"http://127.0.0.1:{port}/api"
            observer.waiting(
                "a Prefect server for this run; `prefect server start --background` saves this"
            )
            pid = spawner.start(
                server_command(port),
                folder=Path(folder),
                environment=_environment(url),
                stdout=log,
                stderr=log,
            )
            wait_until_healthy(url, pid, log)
            # Nobody is there to miss a heartbeat, and to end one takes up to a second.
            settings = {PREFECT_API_URL: url, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
            with temporary_settings(settings), _environment_variable(url):
                try:
                    yield url
                finally:
                    deliver_events_and_logs()
                    spawner.end(pid, grace=SHUTDOWN_SECONDS)
        finally:
            spawner.close()


def server_command(port: int) -> list[str]:
    """What starts a server on this machine, in the foreground."""
    return [
        sys.executable,
        "-m",
        "uvicorn",
        "--app-dir",
        str(prefect.__module_path__.parent),
        "--factory",
        "prefect.server.api.server:create_app",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--log-level",
        "error",
        "--lifespan",
        "on",
    ]


def _environment(url: str) -> dict[str, str]:
    return {
        **os.environ,
        "PREFECT_UI_API_URL": url,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT__SERVER_FINAL": "1",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_healthy(url: str, pid: int, log: Path) -> None:
    """Wait for a server that was started.

    Args:
        url: Of its API.
        pid: Its process id.
        log: What it has printed.

    Raises:
        ServerFailed: It has ended, or does not answer in time.
    """
    limit = max(STARTUP_SECONDS, PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS.value())
    until = time.monotonic() + limit
    with httpx.Client(timeout=HEALTH_SECONDS) as client:
        while time.monotonic() < until and psutil.pid_exists(pid):
            if is_healthy(client, url):
                return
            time.sleep(0.1)
    raise ServerFailed(
        f"no Prefect server came up within {limit:g} s, or it ended; its last words:\n"
        + "\n".join(log.read_text(errors="replace").splitlines()[-10:])
    )


@contextmanager
def _environment_variable(url: str) -> Iterator[None]:
    """Tell the Dask workers, which are processes of their own."""
    os.environ["PREFECT_API_URL"] = url
    try:
        yield
    finally:
        del os.environ["PREFECT_API_URL"]
