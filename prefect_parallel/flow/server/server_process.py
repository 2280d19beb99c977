"""The process of a Prefect server that a run starts, forked by the fork server.

Like `uvicorn --factory prefect.server.api.server:create_app`, without the garbage collector while
the server is imported, which leaves no garbage: it would take a tenth of the start.
"""

from __future__ import annotations

import gc
import os
import socket
import sys
from pathlib import Path

from prefect.context import refresh_global_settings_context


def run_server(port: int, log: str | None = None) -> None:
    """Run a server until this process gets a signal.

    Args:
        port: On this machine.
        log: File that it prints to.
    """
    # Taken first, for in the seconds of the import, any connection of this machine could get it.
    # Not yet listening: until the server answers, clients are refused at once.
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    if log is not None:
        with Path(log).open("ab") as file:
            os.dup2(file.fileno(), sys.stdout.fileno())
            os.dup2(file.fileno(), sys.stderr.fileno())
    os.environ["PREFECT_UI_API_URL"] = f"http://127.0.0.1:{port}/api"
    os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"
    os.environ["PREFECT__SERVER_FINAL"] = "1"
    # Prefect read its settings when it was imported.
    refresh_global_settings_context()
    gc.disable()
    import uvicorn
    from prefect.server.api.server import create_app

    app = create_app()
    gc.freeze()
    gc.enable()
    uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on")).run([listener])


if __name__ == "__main__":
    run_server(int(sys.argv[1]))
