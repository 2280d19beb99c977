"""What runs on a node, that is, in a Dask worker: the entry pool, and the task that uses it."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from pathlib import Path
from typing import Any, cast

from distributed import Worker, get_worker
from prefect import runtime, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.logging import get_run_logger
from prefect.states import Cancelled
from prefect.tasks import Task

from prefect_parallel.data import MiniBatch
from prefect_parallel.entry.config import EntryConfig
from prefect_parallel.entry.node_faults import ERRNOS, UnusableNode
from prefect_parallel.entry.pool import EntryPool, PoolClosed
from prefect_parallel.errors import PrefectParallelError, os_error_text
from prefect_parallel.flow.nodes.event_batcher import EventBatcher
from prefect_parallel.flow.nodes.events import AttemptEvent
from prefect_parallel.flow.nodes.node_folder import NodeFolder, RunAccess, open_folder
from prefect_parallel.flow.nodes.node_group import StepPlugin
from prefect_parallel.flow.nodes.retry_delays import RetryDelays
from prefect_parallel.flow.nodes.slots import leave_slot, return_to_slot
from prefect_parallel.flow.server.delivery import deliver_events_and_logs
from prefect_parallel.flow.server.placeholders import look_up
from prefect_parallel.output.fingerprint import of_json
from prefect_parallel.output.part import Record, read_record

PRINTED_BYTES = 10_000
"""The most that goes to the log of a task run of what its script prints; the files have all."""

TRACEBACK_CHARACTERS = 10_000
"""The most that goes to the log of a task run of the tracebacks of an attempt."""

TASK_RUN_LOG = "prefect.task_runs"
"""Where Prefect logs what the Prefect UI shows of task runs."""


class MiniBatchFailed(PrefectParallelError):
    """At least one mini-batch of a task run failed in this attempt."""


class Node:
    """A node of one step: its folder, its entry processes, and what it reports to the driver."""

    def __init__(
        self,
        name: str,
        folder: NodeFolder,
        pool: EntryPool,
        events: EventBatcher,
        delays: RetryDelays,
    ) -> None:
        self.pool = pool
        self._name = name
        self._delays = delays
        self._folder = folder
        self._events = events

    def run(
        self,
        mini_batch: MiniBatch,
        attempt: int,
        *,
        retries: int,
        alone: bool,
        following: MiniBatch | None,
    ) -> Record:
        """Run a mini-batch that has no final part yet, publish its part, report to the driver.

        Args:
            attempt: The task run's, from 1. The mini-batch may have had more, if its task run was
                started again because a node was lost.
            retries: Maximum number of attempts after the first.
            alone: Whether the task run has no other mini-batch. If it has, another node may have
                run this one already.
            following: The mini-batch that the task run runs next.

        Raises:
            PoolClosed: The node was closed, and the mini-batch has no final part.
        """
        began_at = time.time()
        try:
            if not alone:
                self._folder.fetch_part(mini_batch.index)
            earlier = self._earlier(mini_batch.index)
            if earlier is not None and earlier.error is not None:
                attempt = max(attempt, earlier.attempt + 1)
            if attempt > retries + 1:
                assert earlier is not None
                record = earlier
            else:
                record = self.pool.run(mini_batch, attempt, following)
            ended_at = time.time()
            if record.error is not None and attempt > retries:
                record = self.pool.isolate(mini_batch, record, self._events.report_progress)
            if record is not earlier:
                self._folder.publish_part(mini_batch.index)
        except PoolClosed:
            raise
        except UnusableNode as error:
            reason = f"{error}{self._see(error.traceback_file)}"
            self._leave(reason, error.traceback)
            raise PoolClosed("the node was left out") from error
        except PrefectParallelError as error:
            self._events.report_broken(str(error))
            raise
        except OSError as error:
            reason = os_error_text(error, self._folder.config.directory.root)
            if error.errno in ERRNOS:
                self._leave(reason)
                raise PoolClosed("the node was left out") from error
            self._events.report_broken(reason)
            raise
        event = AttemptEvent.of(
            record,
            last_attempt=attempt > retries,
            # The start of a process delays only the first of its mini-batches.
            seconds=None
            if attempt > retries + 1 or record == earlier
            else max(ended_at - max(began_at, record.started_at), 0.0),
            extent=mini_batch.extent,
        )
        if event.final:
            for each in record.payloads:
                self._events.report_returned(record.index, each.kind, each.schema)
        self._events.add(event)
        return record

    def _leave(self, reason: str, traceback: str = "") -> None:
        """Have the driver leave this node out, and wait until it is closed."""
        get_run_logger().error(with_traceback(reason, traceback, TRACEBACK_CHARACTERS))
        # A node that is left out may be killed, and its log with it.
        deliver_events_and_logs()
        self._events.report_unusable(self._name, reason)
        # Dask must not run the task again before the node is closed: it could choose this one.
        self.pool.wait_until_closed()

    def has_run(self, mini_batch: int) -> bool:
        """Whether an attempt at a mini-batch has left a record here."""
        return self._earlier(mini_batch) is not None

    def give_back(self, first: int, rest: int) -> None:
        """Report what a task run does not run of its group; indices of mini-batches."""
        self._events.report_given_back(first, rest)

    def prepare_wait(
        self, running: Task[..., Any], first: int, attempt: int, failed: list[Record]
    ) -> None:
        """Have Prefect wait before it retries a task run, whose slot others use meanwhile.

        Args:
            running: The task, of this task run alone.
            first: Index of its first mini-batch.
            failed: The mini-batches that failed in this attempt.
        """
        asked = max((each.retry_after or 0.0 for each in failed), default=0.0)
        seconds, jitter = self._delays.with_asked(attempt, asked)
        running.retry_jitter_factor = jitter
        running.retry_delay_seconds = [seconds] if seconds > 0 else []
        if seconds > 0:
            self._events.report_waiting(first, seconds * (1 + jitter))
            leave_slot()

    def _earlier(self, mini_batch: int) -> Record | None:
        return read_record(self._folder.config.directory.part(mini_batch))

    def describe_failure(self, record: Record, limit: int) -> str:
        """The error of a failed attempt, with up to `limit` characters of the traceback."""
        error = f"mini-batch {record.index}, attempt {record.attempt}: {record.error}"
        if record.traceback_file is not None:
            error += self._see(record.traceback_file)
        return with_traceback(error, self.pool.take_traceback(record), limit)

    def _see(self, traceback_file: str) -> str:
        return f" (full traceback: {self._folder.shown(traceback_file)})"

    def close(self) -> None:
        """Close the pool, and send what the driver and the Prefect server have not received yet."""
        self._events.flush()
        self.pool.close()
        self._folder.close()
        deliver_events_and_logs()


class NodePlugin(StepPlugin):
    """Makes a Dask worker a node of a step, and ends that again."""

    def __init__(
        self,
        config: EntryConfig,
        access: RunAccess,
        key: str,
        seconds_between_events: float,
        delays: RetryDelays,
    ) -> None:
        """Make the plugin of one step.

        Args:
            key: Identifies the step among those that a worker may serve.
            seconds_between_events: How long the node keeps events before it sends them.
            delays: How long retries wait.
        """
        self.name = key
        self._config = config
        self._access = access
        self._seconds_between_events = seconds_between_events
        self._delays = delays
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
        logging.getLogger(TASK_RUN_LOG).addFilter(_without_frames)
        # In a thread, as it may download the code, and as `nvidia-smi` can hang.
        self._node = await asyncio.to_thread(self._open, worker)
        if worker.plugins.get(self.name) is not self:
            # It was removed while it was set up, when there was nothing to close.
            await self.teardown(worker)

    async def teardown(self, worker: Worker) -> None:
        """Called by the worker when the step is over."""
        if self._node is not None:
            await asyncio.to_thread(self._node.close)

    def _open(self, worker: Worker) -> Node:
        name = node_name(worker)
        folder = open_folder(self._config, self._access, name, Path(worker.local_directory))
        events = EventBatcher(worker, self.name, self._seconds_between_events)
        pool = EntryPool(folder.config, name, events.report_first_run, look_up)
        return Node(name, folder, pool, events, self._delays)


def node_name(worker: Worker) -> str:
    """The name of a node's log folders; Dask names a worker by its address by default."""
    name = str(worker.name)
    if name == worker.address:
        name = name.rpartition("://")[2].replace(":", "-")
    safe = re.sub(r"[^\w.-]", "-", name)
    # Two names may differ in such characters only.
    return f"node-{safe}" if safe == name else f"node-{safe}-{of_json(name)[:6]}"


def with_traceback(error: str, traceback: str, limit: int) -> str:
    """An error and its traceback, of which up to `limit` characters are kept: beginning and end."""
    text, half = traceback.strip(), limit // 2
    if (more := len(text) - 2 * half) > 0:
        text = f"{text[:half]}\n[{more} more characters]\n{text[half + more :]}"
    return f"{error}\n{text}".rstrip()


def _without_frames(record: logging.LogRecord) -> bool:
    """A filter that removes frames of Prefect and this package: those of the script are logged."""
    if record.exc_info and isinstance(record.exc_info[1], (MiniBatchFailed, UnusableNode)):
        record.exc_info = None
    return True


def _worth_retrying(_: Task[..., Any], __: TaskRun, state: State[Any]) -> bool:
    return isinstance(state.result(raise_on_failure=False), MiniBatchFailed)


def _run_name() -> str:
    parameters = runtime.task_run.parameters
    first, last = parameters["first"], parameters["last"]
    return f"mini-batch-{first}" if first == last else f"mini-batches-{first}-to-{last}"


@task(
    name="mini-batch",
    task_run_name=_run_name,
    retry_condition_fn=_worth_retrying,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def process_mini_batches(
    key: str, group: str, first: int, last: int, limit: float | None
) -> int | State[None]:
    """Run those mini-batches of a group that have no final part yet.

    Args:
        key: Name of the step's plugin.
        group: Descriptors of neighbouring mini-batches, as JSON.
        first: Index of the first of them, for the name of the task run.
        last: Index of the last of them.
        limit: The seconds after which no more of them are started; None: all are run.

    Returns:
        How many items succeeded; a state if the node was closed meanwhile.

    Raises:
        MiniBatchFailed: A mini-batch failed; Prefect runs the task again while retries are left.
    """
    plugin = get_worker().plugins.get(key)
    if plugin is None:
        return Cancelled(message="the node was closed")
    try:
        return _process(cast(NodePlugin, plugin).node, json.loads(group), limit)
    except PoolClosed:
        return Cancelled(message="the node was closed")


def _process(node: Node, descriptors: list[dict[str, Any]], limit: float | None) -> int:
    context = TaskRunContext.get()
    assert context is not None
    attempt, retries = context.task_run.run_count, context.task.retries
    logger = get_run_logger()
    succeeded, failed = 0, list[Record]()
    printable, traceable = PRINTED_BYTES, TRACEBACK_CHARACTERS
    alone, first = len(descriptors) == 1, descriptors[0]["index"]
    if attempt > 1:
        return_to_slot()
        # What the first attempt gave back is run elsewhere.
        descriptors = [each for each in descriptors if node.has_run(each["index"])]
    started = time.monotonic()
    mini_batches = [MiniBatch.from_json(each) for each in descriptors]
    for number, mini_batch in enumerate(mini_batches):
        is_late = limit is not None and time.monotonic() - started > limit
        if is_late and number and attempt == 1:
            logger.info(
                "Mini-batches take longer than expected: those from %s on are run in other task"
                " runs", mini_batch.index,
            )  # fmt: skip
            node.give_back(first, mini_batch.index)
            break
        following = mini_batches[number + 1] if number + 1 < len(mini_batches) else None
        record = node.run(mini_batch, attempt, retries=retries, alone=alone, following=following)
        if printed := node.pool.read_new_stdout(record, printable):
            logger.info(printed)
            printable = max(printable - len(printed), 0)
        succeeded += record.succeeded
        if record.error is not None:
            failed.append(record)
            text = node.describe_failure(record, traceable)
            logger.log(logging.WARNING if attempt <= retries else logging.ERROR, text)
            traceable = max(traceable - len(text), 0)
    if failed:
        if attempt <= retries:
            node.prepare_wait(context.task, first, attempt, failed)
        raise MiniBatchFailed(
            "; ".join(f"mini-batch {each.index}: {each.error}" for each in failed)
        )
    return succeeded
