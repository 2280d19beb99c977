"""What runs on a node, that is, in a Dask worker: its pool, and the task over mini-batches."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any, cast

from distributed import Worker, get_worker
from prefect import runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.logging import get_run_logger
from prefect.tasks import Task

from prefect_parallel.data import MiniBatch
from prefect_parallel.entry.config import EntryConfig
from prefect_parallel.entry.pool import EntryPool
from prefect_parallel.errors import PrefectParallelError, os_error_text
from prefect_parallel.flow.nodes.event_batcher import EventBatcher
from prefect_parallel.flow.nodes.events import AttemptEvent
from prefect_parallel.flow.nodes.node_folder import NodeFolder, RunAccess, open_folder
from prefect_parallel.flow.nodes.node_group import NodePart
from prefect_parallel.flow.server.delivery import deliver_events_and_logs
from prefect_parallel.flow.server.placeholders import look_up
from prefect_parallel.output.fingerprint import of_json
from prefect_parallel.output.part import Record

PRINTED_BYTES = 10_000
"""How much of what a script prints goes to the log of its task run; the files have all of it."""


class MiniBatchFailed(PrefectParallelError):
    """At least one mini-batch of a task run failed in this attempt."""


class Node:
    """A node of one step: where it has the step's directory, its entry processes, what it tells."""

    def __init__(self, folder: NodeFolder, pool: EntryPool, events: EventBatcher) -> None:
        self.pool = pool
        self._folder = folder
        self._events = events

    def run(
        self, mini_batch: MiniBatch, attempt: int, *, last_attempt: bool, alone: bool
    ) -> Record:
        """Run a mini-batch, unless it has succeeded already, publish its part, tell the driver.

        Args:
            mini_batch: The mini-batch.
            attempt: From 1.
            last_attempt: Whether no other follows.
            alone: Whether it is all of its task run. If not, others of that may have been done
                by another node, and need not be done again.
        """
        try:
            if not alone:
                self._folder.fetch_part(mini_batch.index)
            record = self.pool.run(mini_batch, attempt)
            self._folder.publish_part(mini_batch.index)
        except PrefectParallelError as error:
            self._events.tell_broken(str(error))
            raise
        except OSError as error:
            self._events.tell_broken(os_error_text(error, self._folder.config.directory.root))
            raise
        self._events.add(AttemptEvent.of(record, last_attempt=last_attempt))
        return record

    def close(self) -> None:
        """End all that runs. Also sends the task runs' last events."""
        self._events.tell()
        self.pool.close()
        self._folder.close()
        deliver_events_and_logs()


class NodePlugin(NodePart):
    """Makes a Dask worker a node of a step, and ends that again."""

    def __init__(
        self, config: EntryConfig, access: RunAccess, key: str, seconds_between_events: float
    ) -> None:
        """Make the plugin of one step.

        Args:
            config: What the entry processes run.
            access: Where the step's directory is.
            key: Tells the step apart from all others that a worker may serve.
            seconds_between_events: How long the node keeps what it has to tell the driver.
        """
        self.name = key
        self._config = config
        self._access = access
        self._seconds_between_events = seconds_between_events
        self._node: Node | None = None

    @property
    def node(self) -> Node:
        assert self._node is not None, "set up by the worker"
        return self._node

    async def setup(self, worker: Worker) -> None:
        """Called by the worker when it gets the plugin.

        Raises:
            RunNotSeen: It has no access to the run.
        """
        name = node_name(worker)
        scratch = Path(worker.local_directory)
        folder = await asyncio.to_thread(open_folder, self._config, self._access, name, scratch)
        events = EventBatcher(worker, self.name, self._seconds_between_events)
        pool = EntryPool(folder.config, name, events.tell_first_run, look_up)
        self._node = Node(folder, pool, events)

    async def teardown(self, worker: Worker) -> None:
        """Called by the worker when the step is over."""
        if self._node is not None:
            await asyncio.to_thread(self._node.close)


def node_name(worker: Worker) -> str:
    """What a node's folders of logs are called; a worker without a name has its address as one."""
    name = str(worker.name)
    if name == worker.address:
        name = name.rpartition("://")[2].replace(":", "-")
    safe = re.sub(r"[^\w.-]", "-", name)
    # Names that differ only in such characters are those of different nodes.
    return f"node-{safe}" if safe == name else f"node-{safe}-{of_json(name)[:6]}"


def _worth_retrying(_: Task[..., Any], __: TaskRun, state: State[Any]) -> bool:
    return isinstance(state.result(raise_on_failure=False), MiniBatchFailed)


def _run_name() -> str:
    parameters = runtime.task_run.parameters
    first, last = parameters["first"], parameters["last"]
    return f"mini-batch-{first}" if first == last else f"mini-batches-{first}-{last}"


@task(
    name="mini-batch",
    task_run_name=_run_name,
    retry_condition_fn=_worth_retrying,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def process_mini_batches(key: str, group: str, first: int, last: int) -> int:
    """Run those mini-batches of a group that have no successful part yet.

    Args:
        key: The step's plugin.
        group: Descriptors of neighbouring mini-batches, as JSON.
        first: Index of the first of them.
        last: And of the last.

    Returns:
        How many items succeeded.

    Raises:
        MiniBatchFailed: Some mini-batch failed; Prefect runs the task again while retries are left.
    """
    context = TaskRunContext.get()
    assert context is not None
    attempt = context.task_run.run_count
    last_attempt = attempt > context.task.retries
    node = cast(NodePlugin, get_worker().plugins[key]).node
    logger = get_run_logger()
    succeeded, failed = 0, list[Record]()
    printable = PRINTED_BYTES
    descriptors = json.loads(group)
    for descriptor in descriptors:
        mini_batch = MiniBatch.from_json(descriptor)
        record = node.run(
            mini_batch, attempt, last_attempt=last_attempt, alone=len(descriptors) == 1
        )
        if printed := node.pool.read_new_stdout(record, printable):
            logger.info(printed)
            printable = max(printable - len(printed), 0)
        succeeded += record.succeeded
        if record.error is not None:
            failed.append(record)
    if failed:
        raise MiniBatchFailed(
            "; ".join(f"mini-batch {each.index}: {each.error}" for each in failed)
        )
    return succeeded
