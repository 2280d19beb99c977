"""The nodes of a step, as its driver sees them: ready, told to run mini-batches, closed."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Event
from typing import Any, cast
from uuid import uuid4

import distributed
from prefect.context import FlowRunContext
from prefect.tasks import Task
from prefect_dask.task_runners import PrefectDaskFuture

from prefect_parallel.data import MiniBatch
from prefect_parallel.entry.config import EntryConfig
from prefect_parallel.flow.nodes.cluster import open_node_group
from prefect_parallel.flow.nodes.event_batcher import seconds_between
from prefect_parallel.flow.nodes.events import (
    AttemptEvent,
    RunStarted,
    StepEvent,
    TaskRunBroken,
    TaskRunEnded,
    TaskRunLost,
)
from prefect_parallel.flow.nodes.node import NodePlugin, process_mini_batches
from prefect_parallel.flow.nodes.node_folder import RunAccess
from prefect_parallel.flow.nodes.node_group import CONNECTED, NodeGroup
from prefect_parallel.flow.nodes.step_monitor import StepFailed
from prefect_parallel.flow.nodes.task_runner import NodeTaskRunner

WINDOW_PER_SLOT = 2
"""So many task runs are submitted ahead for each slot, so that none waits for the driver."""

SMALLEST_WINDOW = 100

RECOVERABLE = (CONNECTED, "connecting")
"""The statuses of a Dask client that has a scheduler, or still tries to reach it again."""

SCHEDULER_GONE = "the Dask scheduler is gone; go on with --resume when there is one"


class Nodes:
    """Nodes that have a step's entry pool."""

    def __init__(self, key: str, events: SimpleQueue[StepEvent]) -> None:
        self._key = key
        self._events = events

    def task_runs(self, groups: Iterator[list[MiniBatch]], *, slots: int, retries: int) -> TaskRuns:
        """The task runs over groups of mini-batches; each end of one is an event."""
        window = max(SMALLEST_WINDOW, WINDOW_PER_SLOT * slots)
        task = process_mini_batches.with_options(retries=retries)
        return TaskRuns(_runner().client, self._key, task, groups, self._events, window)

    def close(self, *, grace: float) -> None:
        """Close the pools; what runs gets so many seconds to come to its end."""
        _node_group().run(_close, key=self._key, grace=grace)


class TaskRuns:
    """Task runs of a step, submitted as earlier ones end: the driver's memory stays flat.

    When a task run ends, its mini-batches have their parts, unless Dask says otherwise:

    - `finished`: The task run has ended, well or not.
    - `lost`: It had ended as well, and its result was lost with the worker that had it. Nobody
      needs the result; that Dask computes it again ends when the future is released.
    - `cancelled`: The scheduler was restarted, or the connection to it was lost, and with it all
      that was submitted. If the client has a scheduler again, the group is submitted again.
    - `error`: Dask could not run it, e.g. because it killed one worker after the other.

    `pending` is not an end: Dask itself runs again what was running on a worker that is lost.
    """

    def __init__(
        self,
        client: distributed.Client,
        key: str,
        task: Task[..., int],
        groups: Iterator[list[MiniBatch]],
        events: SimpleQueue[StepEvent],
        window: int,
    ) -> None:
        self._client = client
        self._key = key
        self._task = task
        self._groups = groups
        self._events = events
        self._window = window
        self._lost: list[list[MiniBatch]] = []
        self._in_flight = 0

    def refill(self) -> bool:
        """Submit what the window has room for; False if nothing is in flight any more.

        Raises:
            StepFailed: There is no scheduler any more that could run what was lost.
        """
        if self._lost and self._client.status not in RECOVERABLE:
            raise StepFailed(SCHEDULER_GONE)
        while self._lost:
            self._submit(self._lost.pop())
        for group in itertools.islice(self._groups, self._window - self._in_flight):
            self._submit(group)
        return self._in_flight > 0

    def one_ended(self) -> None:
        self._in_flight -= 1

    def one_lost(self, group: list[MiniBatch]) -> None:
        """Submit a group again."""
        self._in_flight -= 1
        self._lost.append(group)

    def _submit(self, group: list[MiniBatch]) -> None:
        # As text: Prefect would look into each list and dictionary for what it waits for.
        text = json.dumps([mini_batch.to_json() for mini_batch in group])
        submitted = self._task.submit(self._key, text, group[0].index, group[-1].index)
        future = cast(PrefectDaskFuture[int], submitted).wrapped_future
        future.add_done_callback(lambda ended: self._note_end(ended, group))
        self._in_flight += 1

    def _note_end(self, future: distributed.Future[Any], group: list[MiniBatch]) -> None:
        if future.status == "cancelled":
            self._events.put(TaskRunLost(group))
            return
        if future.status == "error":
            self._events.put(TaskRunBroken(str(future.exception())))
        self._events.put(TaskRunEnded())


@contextmanager
def open_nodes(
    config: EntryConfig, access: RunAccess, events: SimpleQueue[StepEvent], *, wanted: int
) -> Iterator[Nodes]:
    """Give each node the pool for a step, and take it away in the end.

    Args:
        config: What the pools run.
        access: Where they find the step's directory.
        events: Gets what the nodes tell.
        wanted: How many nodes the step is to have.

    Raises:
        NodeRefused: No worker can be a node.
    """
    key = f"prefect-parallel-{uuid4().hex}"
    runner = _runner()
    client, node_group = runner.client, runner.node_group

    client.subscribe_topic(key, lambda event: events.put(_step_event(event[1])))
    try:
        node_group.register(NodePlugin(config, access, key, seconds_between(wanted)))
        yield Nodes(key, events)
    finally:
        node_group.unregister(key)
        if client.status == CONNECTED:
            client.unsubscribe_topic(key)


def _step_event(message: dict[str, Any]) -> StepEvent:
    if "attempts" in message:
        return [AttemptEvent(*each) for each in json.loads(message["attempts"])]
    return TaskRunBroken(message["broken"]) if "broken" in message else RunStarted()


async def _close(dask_worker: distributed.Worker, key: str, grace: float) -> None:
    plugin = cast(NodePlugin, dask_worker.plugins[key])
    await asyncio.to_thread(plugin.node.pool.close, grace)


def assemble_nodes(limit: float, canceled: Event) -> str | None:
    """Start the step's cluster, or connect to it, and let its `NodeGroup` assemble.

    Raises:
        NoCluster: There is none.
    """
    return open_node_group(_runner()).assemble(limit, canceled)


def _runner() -> NodeTaskRunner:
    """The running step's."""
    context = FlowRunContext.get()
    assert context is not None
    assert isinstance(context.task_runner, NodeTaskRunner)
    return context.task_runner


def _node_group() -> NodeGroup:
    return _runner().node_group
