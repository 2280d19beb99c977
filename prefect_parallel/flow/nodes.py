"""The nodes of a step, as its driver sees them: ready, told to run mini-batches, closed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, cast
from uuid import uuid4

import distributed
from prefect import unmapped
from prefect.context import FlowRunContext
from prefect_dask.task_runners import PrefectDaskFuture

from prefect_parallel.data import MiniBatch
from prefect_parallel.entry.config import EntryConfig
from prefect_parallel.flow.node import NodePlugin, process_mini_batches
from prefect_parallel.flow.progress import AttemptEvent
from prefect_parallel.flow.task_runner import NodeTaskRunner
from prefect_parallel.flow.watch import Happening, RunStarted

MAX_TASK_RUNS = 1000
"""Up to so many mini-batches are task runs of their own; above, neighbours share one."""


class Nodes:
    """Nodes that have a step's entry pool."""

    def __init__(self, key: str, happenings: SimpleQueue[Happening]) -> None:
        self._key = key
        self._happenings = happenings

    def submit(self, mini_batches: Sequence[MiniBatch], *, retries: int) -> int:
        """Map the task over mini-batches; each end of a task run is a happening.

        Returns:
            How many task runs there are.
        """
        mapped = process_mini_batches.with_options(retries=retries)
        futures = cast(
            list[PrefectDaskFuture[int]], mapped.map(unmapped(self._key), _groups(mini_batches))
        )
        for future in futures:
            future.wrapped_future.add_done_callback(lambda _, it=future: self._happenings.put(it))
        return len(futures)

    def close(self, *, grace: float) -> None:
        """Close the pools; what runs gets so many seconds to come to its end."""
        _client().run(_close, key=self._key, grace=grace)


@contextmanager
def open_nodes(config: EntryConfig, happenings: SimpleQueue[Happening]) -> Iterator[Nodes]:
    """Give each node the pool for a step, and take it away in the end.

    Args:
        config: What the pools run.
        happenings: Gets what the nodes tell.
    """
    key = f"prefect-parallel-{uuid4().hex}"
    client = _client()

    def tell(event: tuple[float, dict[str, Any]]) -> None:
        attempt = event[1].get("attempt")
        happenings.put(AttemptEvent(**attempt) if attempt else RunStarted())

    client.subscribe_topic(key, tell)
    client.register_plugin(NodePlugin(config, key))
    try:
        yield Nodes(key, happenings)
    finally:
        client.unregister_worker_plugin(key)
        client.unsubscribe_topic(key)


async def _close(dask_worker: distributed.Worker, key: str, grace: float) -> None:
    plugin = cast(NodePlugin, dask_worker.plugins[key])
    await asyncio.to_thread(plugin.pool.close, grace)


def _client() -> distributed.Client:
    """The one of the running step's task runner; on first use it starts the cluster."""
    context = FlowRunContext.get()
    assert context is not None
    assert isinstance(context.task_runner, NodeTaskRunner)
    return context.task_runner.client


def _groups(mini_batches: Sequence[MiniBatch]) -> list[list[dict[str, Any]]]:
    """Neighbouring mini-batches, in at most `MAX_TASK_RUNS` groups of about the same size."""
    size = -(-len(mini_batches) // MAX_TASK_RUNS)
    return [
        [mini_batch.to_json() for mini_batch in mini_batches[start : start + size]]
        for start in range(0, len(mini_batches), size)
    ]
