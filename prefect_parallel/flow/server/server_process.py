"""The process of a Prefect server that a run starts: `python -m ... PORT`.

Like `uvicorn --factory prefect.server.api.server:create_app`, but without the garbage collector
while the server is imported, which leaves no garbage. It would take a tenth of the start.
The port is taken first: in the seconds of the import, any connection of this machine could get it.
"""

from __future__ import annotations

import gc
import socket
import sys


def main() -> None:
    """Run a server on the port that is the first argument, in the foreground."""
    # Not yet listening: until the server answers, clients are refused at once.
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(sys.argv[1])))
    gc.disable()
    import uvicorn
    from prefect.server.api.server import create_app

    app = create_app()
    gc.freeze()
    gc.enable()
    uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on")).run([listener])


if __name__ == "__main__":
    main()
