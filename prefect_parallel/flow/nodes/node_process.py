"""The process of a node on this machine: a Dask worker, forked by the fork server."""

from __future__ import annotations

import asyncio
import logging
import os

import dask.config
from distributed import Worker

# Not used here, but by nodes.
import prefect_parallel.flow.nodes.mini_batch_task
import prefect_parallel.flow.nodes.task_runner  # noqa: F401

logger = logging.getLogger("distributed.node")
"""Below Dask's own logger, to be configured with it."""

ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""A slot is meant to keep one core busy; the user's environment has precedence."""


def quieten_dask() -> None:
    """Keep Dask from logging each worker that comes and goes, unless its log is configured."""
    if dask.config.get("logging", None) is None:
        logging.getLogger("distributed").setLevel(logging.WARNING)


def run_node(scheduler: str, name: object, slots: int) -> None:
    """Be a node until somebody ends this process.

    Args:
        scheduler: The address of the Dask scheduler that it connects to.
        name: Its name there.
        slots: How many tasks it runs at a time.
    """
    for variable in ONE_THREAD:
        os.environ.setdefault(variable, "1")
    quieten_dask()
    # Dask would look at each thread's stack a hundred times a second; none runs user code.
    dask.config.set({"distributed.worker.profile.enabled": False})
    try:
        asyncio.run(_work(scheduler, name, slots))
    except BaseException:
        # Not by the fork server, which would print what the command keeps off the terminal.
        logger.exception("a node ended")


async def _work(scheduler: str, name: object, slots: int) -> None:
    worker = Worker(
        scheduler,
        nthreads=slots,
        name=name,
        # What the entry processes use is theirs; a worker holds next to nothing.
        memory_limit=0,
        dashboard=False,
    )
    async with worker:
        await worker.finished()
