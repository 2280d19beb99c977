"""The nodes of a step, as its driver sees them: it assembles, uses and closes them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Event
from typing import Any, cast
from uuid import uuid4

from distributed import Worker
from prefect.context import FlowRunContext

from prefect_parallel.entry.config import EntryConfig
from prefect_parallel.flow.nodes.event_batcher import seconds_between
from prefect_parallel.flow.nodes.events import (
    AttemptEvent,
    GivenBack,
    NodeUnusable,
    RetryWaits,
    Returned,
    RunStarted,
    StepEvent,
    TaskRunBroken,
)
from prefect_parallel.flow.nodes.groups import Groups
from prefect_parallel.flow.nodes.mini_batch_task import process_mini_batches
from prefect_parallel.flow.nodes.node import NodePlugin
from prefect_parallel.flow.nodes.node_folder import NotStored, RunAccess
from prefect_parallel.flow.nodes.node_group import ANSWER_SECONDS, CONNECTED, NodeGroup
from prefect_parallel.flow.nodes.retry_delays import RetryDelays
from prefect_parallel.flow.nodes.task_runner import NodeTaskRunner
from prefect_parallel.flow.nodes.task_runs import TaskRuns

WINDOW_PER_SLOT = 3
"""How many task runs are submitted for each slot, so that none waits for the driver.

Adaptive clusters add workers if what waits for each slot takes longer than some seconds.
"""

LOOK_SECONDS = 0.2
"""How often a cancellation is looked for while the pools are closed."""

CANCELED_SHUTDOWN_SECONDS = 2.0
"""Time limit for `shutdown` of a script once the run is canceled."""

STORE_SECONDS = 600.0
"""How long a node may take at the end of a step to upload what is not in the run store yet."""


class Nodes:
    """Nodes that have a step's entry pool."""

    def __init__(
        self, group: NodeGroup, key: str, events: SimpleQueue[StepEvent], *, uses_store: bool
    ) -> None:
        self._group = group
        self._key = key
        self._events = events
        self._uses_store = uses_store
        self._task_runs: TaskRuns | None = None

    def task_runs(
        self, groups: Groups, *, slots: int, retries: int, tags: Collection[str]
    ) -> TaskRuns:
        """The task runs over groups of mini-batches; each end of one is an event."""
        window = WINDOW_PER_SLOT * slots
        task = process_mini_batches.with_options(retries=retries, tags=tags)
        self._task_runs = TaskRuns(self._group, self._events, self._key, task, groups, window)
        return self._task_runs

    def cancel(self) -> None:
        """Run nothing that has not started yet."""
        if self._task_runs is not None:
            self._task_runs.cancel()

    def close(self, *, grace: float, canceled: Event) -> list[NotStored]:
        """Close the pools; running mini-batches have `grace` seconds to end.

        `canceled` cuts `shutdown` of the script short.

        Returns:
            Why what scripts have written last is not in the run store; empty if it is.
        """
        self.cancel()
        with ThreadPoolExecutor(max_workers=1) as thread:
            closing = thread.submit(self._group.run, _close, key=self._key, grace=grace)
            while not wait([closing], LOOK_SECONDS).done:
                if canceled.is_set():
                    if not wait([closing], grace + CANCELED_SHUTDOWN_SECONDS).done:
                        self._group.run(_end, key=self._key)
                    break
        closing.result()
        if not self._uses_store:
            return []
        seconds = ANSWER_SECONDS if canceled.is_set() else STORE_SECONDS
        answers = self._group.run(_store, seconds, key=self._key)
        return [answer for answer in answers if isinstance(answer, NotStored)]


@contextmanager
def open_nodes(
    config: EntryConfig,
    access: RunAccess,
    events: SimpleQueue[StepEvent],
    *,
    wanted: int,
    delays: RetryDelays,
) -> Iterator[Nodes]:
    """Give each node the entry pool of a step, and close the pools in the end.

    `events` gets what the nodes report.

    Raises:
        NodeRefused: No worker can be a node.
    """
    key = f"prefect-parallel-{uuid4().hex}"
    group = _node_group()
    nodes = Nodes(group, key, events, uses_store=access.store is not None)
    group.client.subscribe_topic(key, lambda event: events.put(_step_event(event[1])))
    try:
        group.register(NodePlugin(config, access, key, seconds_between(wanted), delays))
        yield nodes
    finally:
        nodes.cancel()
        group.unregister(key)
        if group.client.status == CONNECTED:
            group.client.unsubscribe_topic(key)


def _step_event(message: dict[str, Any]) -> StepEvent:
    if "attempts" in message:
        return [AttemptEvent(*each) for each in json.loads(message["attempts"])]
    if "returned" in message:
        return Returned(*message["returned"])
    if "given_back" in message:
        return GivenBack(*message["given_back"])
    if "waits" in message:
        return RetryWaits(*message["waits"])
    if "unusable" in message:
        return NodeUnusable(**message["unusable"])
    return TaskRunBroken(message["broken"]) if "broken" in message else RunStarted()


async def _close(dask_worker: Worker, key: str, grace: float) -> None:
    plugin = cast(NodePlugin, dask_worker.plugins[key])
    await asyncio.to_thread(plugin.node.pool.close, grace)


async def _store(dask_worker: Worker, key: str) -> None:
    plugin = cast(NodePlugin, dask_worker.plugins[key])
    await asyncio.to_thread(plugin.node.store)


async def _end(dask_worker: Worker, key: str) -> None:
    plugin = cast(NodePlugin, dask_worker.plugins[key])
    await asyncio.to_thread(plugin.node.pool.end)


def assemble_nodes(limit: float, canceled: Event) -> str | None:
    """Start the step's cluster, or connect to it, and wait for nodes; as `NodeGroup.assemble`.

    Raises:
        NoCluster: The cluster cannot be started or reached.
    """
    return _node_group().assemble(limit, canceled)


def _node_group() -> NodeGroup:
    """The node group of the running step."""
    context = FlowRunContext.get()
    assert context is not None
    assert isinstance(context.task_runner, NodeTaskRunner)
    return context.task_runner.node_group
