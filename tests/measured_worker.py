"""Dask runs this in each worker while coverage is measured.

Nodes on this machine end by SIGKILL, which leaves them no time to save what they have measured. So
they save it before they answer who tells them that a step is over.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from coverage import Coverage
from distributed import Worker

LAST_REQUESTS = ("plugin-remove", "run")


def dask_setup(worker: Worker) -> None:
    for name in LAST_REQUESTS:
        worker.handlers[name] = saving(worker.handlers[name])


def saving(handler: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    # Dask looks at the signature.
    @wraps(handler)
    async def handle(*args: Any, **arguments: Any) -> Any:
        try:
            return await handler(*args, **arguments)
        finally:
            if measured := Coverage.current():
                measured.save()

    return handle
