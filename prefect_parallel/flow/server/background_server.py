"""The Prefect server that `prefect server start --background` has left running."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import psutil
from prefect.settings import PREFECT_HOME

PID_FILE = "server.pid"
"""In the Prefect home; it holds the server's process id. Where it listens is not noted anywhere."""

HEALTH_SECONDS = 2.0
"""What a server that is well needs at most to say so."""

POLL_SECONDS = 0.2


def background_server() -> psutil.Process | None:
    """The one that belongs to this Prefect home; None if there is none."""
    try:
        process = psutil.Process(int(Path(PREFECT_HOME.value(), PID_FILE).read_text()))
        is_prefect = any("prefect" in argument for argument in process.cmdline())
    except (OSError, ValueError, psutil.Error):
        return None
    return process if is_prefect else None


def api_url(server: psutil.Process, *, seconds: float) -> str | None:
    """The URL of its API, once it answers; None if it ends, or does not within so many seconds."""
    until = time.monotonic() + seconds
    with httpx.Client(timeout=HEALTH_SECONDS) as client:
        while time.monotonic() < until and server.is_running():
            for port in _ports(server):
                url = f"http://127.0.0.1:{port}/api"
                if is_healthy(client, url):
                    return url
            time.sleep(POLL_SECONDS)
    return None


def is_healthy(client: httpx.Client, url: str) -> bool:
    """Whether a server answers at the URL of an API."""
    try:
        answer = client.get(f"{url}/health")
    except httpx.HTTPError:
        return False
    return answer.status_code == httpx.codes.OK


def _ports(server: psutil.Process) -> list[int]:
    try:
        connections = [
            connection
            for process in (server, *server.children(recursive=True))
            for connection in process.net_connections("tcp")
        ]
    except psutil.Error:
        return []
    listening = (each for each in connections if each.status == psutil.CONN_LISTEN)
    return sorted({each.laddr.port for each in listening})
