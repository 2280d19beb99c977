"""Errors about a Prefect server that does not answer."""

from __future__ import annotations

from urllib.parse import urlsplit

import psutil
from prefect.settings import PREFECT_API_URL, PREFECT_HOME

from prefect_parallel.errors import ServerUnreachable

_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")


def server_unreachable(why: object) -> ServerUnreachable:
    """The error for the configured server."""
    url = PREFECT_API_URL.value()
    return ServerUnreachable(
        f"the Prefect server at {url} does not answer: {why}",
        hint=f"{how_to_start_it()}, or set PREFECT_API_URL to another server",
    )


def how_to_start_it() -> str:
    """How to start the configured server again, and whether Prefect's background server died."""
    pid = _dead_background_server()
    if pid is None:
        return "start it (prefect server start)"
    return (
        f"the background server (pid {pid}) has died; start one that keeps running"
        " (nohup prefect server start > server.log 2>&1 &)"
    )


def _dead_background_server() -> int | None:
    """The process of `prefect server start --background`, if it was on this machine and is gone."""
    if urlsplit(PREFECT_API_URL.value() or "").hostname not in _THIS_MACHINE:
        return None
    try:
        pid = int((PREFECT_HOME.value() / "server.pid").read_text())
    except (OSError, ValueError):
        return None
    return None if psutil.pid_exists(pid) else pid
