"""The process of a Prefect server that a run starts: `python -m ... PORT`.

Like `uvicorn --factory prefect.server.api.server:create_app`, but without the garbage collector
while the server is imported, which leaves no garbage. It would take a tenth of the start.
"""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run a server on the port that is the first argument, in the foreground."""
    gc.disable()
    import uvicorn
    from prefect.server.api.server import create_app

    app = create_app()
    gc.freeze()
    gc.enable()
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", lifespan="on")


if __name__ == "__main__":
    main()
