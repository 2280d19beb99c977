"""A node of a step, that is, what a Dask worker has for it: the entry pool, and its folder."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from distributed import Worker
from prefect.logging import get_run_logger
from prefect.tasks import Task

from prefect_parallel.data import MiniBatch
from prefect_parallel.entry.config import EntryConfig
from prefect_parallel.entry.node_faults import ERRNOS, UnusableNode
from prefect_parallel.entry.pool import EntryPool, PoolClosed
from prefect_parallel.errors import PrefectParallelError, os_error_text
from prefect_parallel.flow.log_frames import TASK_RUN_LOG, log_without_frames
from prefect_parallel.flow.nodes.event_batcher import EventBatcher
from prefect_parallel.flow.nodes.events import AttemptEvent
from prefect_parallel.flow.nodes.group_packs import GroupPacks
from prefect_parallel.flow.nodes.node_folder import NodeFolder, RunAccess, open_folder
from prefect_parallel.flow.nodes.node_group import StepPlugin
from prefect_parallel.flow.nodes.retry_delays import RetryDelays
from prefect_parallel.flow.nodes.slots import leave_slot
from prefect_parallel.flow.server.delivery import deliver_events_and_logs
from prefect_parallel.flow.server.placeholders import look_up
from prefect_parallel.flow.server.settings import server_variables
from prefect_parallel.output.fingerprint import of_json
from prefect_parallel.output.part import Record, in_force, read_record

TRACEBACK_CHARACTERS = 10_000
"""The most that goes to the log of a task run of the tracebacks of an attempt."""


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
        following: MiniBatch | None,
        packs: GroupPacks,
    ) -> Record:
        """Run a mini-batch that has no final part yet, publish its part, report to the driver.

        Args:
            attempt: The task run's, from 1. The mini-batch may have had more, if its task run was
                started again because a node was lost.
            retries: Maximum number of attempts after the first.
            following: The mini-batch that the task run runs next.
            packs: Those of the task run.

        Raises:
            PoolClosed: The node was closed, and the mini-batch has no final part.
        """
        began_at = time.time()
        with self._reporting():
            # Another node may have run it, and been lost before the driver knew.
            self._folder.fetch_part(mini_batch.index)
            earlier = self._earlier(mini_batch, packs)
            if earlier is not None and earlier.error is not None:
                attempt = max(attempt, earlier.attempt + 1)
            if attempt > retries + 1:
                assert earlier is not None
                record = earlier
            elif packs.name and earlier is not None and earlier.error is None:
                # The pool looks for files only.
                record = earlier
            else:
                # A retry gets a file of its own, which replaces the failure: of two packs, that of
                # an attempt that ended a moment too late could be found.
                group = packs.name if earlier is None else ""
                record = self.pool.run(mini_batch, attempt, following, group)
            ended_at = time.time()
            if record.error is not None and attempt > retries:
                record = self.pool.isolate(mini_batch, record, self._events.report_progress)
            if record.error is not None and packs.name:
                # Another node may have had a success meanwhile.
                packs.look_again()
                found = self._earlier(mini_batch, packs)
                record = found if found is not None and found.error is None else record
            if record is not earlier:
                record = self._folder.publish_part(record)
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

    def packs(self, first: int, last: int) -> GroupPacks:
        """The packs of a group, from its first mini-batch to its last."""
        with self._reporting():
            return GroupPacks(self._folder.config, first, last)

    def has_run(self, mini_batch: MiniBatch, packs: GroupPacks) -> bool:
        """Whether an attempt at a mini-batch has left a record."""
        with self._reporting():
            self._folder.fetch_part(mini_batch.index)
        return self._earlier(mini_batch, packs) is not None

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

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """Report to the driver what ends the step, or makes this node useless.

        Raises:
            PoolClosed: The node was closed, or is left out.
        """
        try:
            yield
        except PoolClosed:
            raise
        except UnusableNode as error:
            self._leave(f"{error}{self._see(error.traceback_file)}", error.traceback)
            raise PoolClosed("the node was left out") from error
        except PrefectParallelError as error:
            self._refuse_if_closed(error)
            self._events.report_broken(str(error))
            raise
        except OSError as error:
            self._refuse_if_closed(error)
            reason = os_error_text(error, self._folder.config.directory.root)
            if error.errno in ERRNOS:
                self._leave(reason)
                raise PoolClosed("the node was left out") from error
            self._events.report_broken(reason)
            raise

    def _refuse_if_closed(self, error: Exception) -> None:
        """Raise PoolClosed if the node was closed, as its folder may have been removed since."""
        if self.pool.closed:
            raise PoolClosed("the node was closed") from error

    def _leave(self, reason: str, traceback: str = "") -> None:
        """Have the driver leave this node out, and wait until it is closed."""
        get_run_logger().error(with_traceback(reason, traceback, TRACEBACK_CHARACTERS))
        # A node that is left out may be killed, and its log with it.
        deliver_events_and_logs()
        self._events.report_unusable(self._name, reason)
        # Dask must not run the task again before the node is closed: it could choose this one.
        self.pool.wait_until_closed()

    def _earlier(self, mini_batch: MiniBatch, packs: GroupPacks) -> Record | None:
        """The record that an attempt has left.

        Not that of other data or code, which a node of an earlier driver may have left.
        """
        config = self._folder.config
        part = config.directory.part(mini_batch.index)
        found = read_record(part), packs.record(mini_batch.index)
        own, packed = (
            each if each and each.is_of(mini_batch.fingerprint, config.fingerprint) else None
            for each in found
        )
        return in_force(own, packed) if own and packed else own or packed

    def describe_failure(self, record: Record, limit: int) -> str:
        """The error of a failed attempt, with up to `limit` characters of the traceback."""
        error = f"mini-batch {record.index}, attempt {record.attempt}: {record.error}"
        if record.traceback_file is not None:
            error += self._see(record.traceback_file)
        return with_traceback(error, self.pool.take_traceback(record), limit)

    def _see(self, traceback_file: str) -> str:
        return f" (full traceback: {self._folder.shown(traceback_file)})" if traceback_file else ""

    def store(self) -> None:
        """As `NodeFolder.store`; called when the pool is closed."""
        self._folder.store()

    def close(self) -> None:
        """Close the pool, and send what the driver has not received yet."""
        self._events.flush()
        self.pool.close()
        self._folder.close()


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
        log_without_frames(TASK_RUN_LOG, MiniBatchFailed, UnusableNode)
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
        pool = EntryPool(folder.config, name, events.report_first_run, _variables)
        return Node(name, folder, pool, events, self._delays)


def _variables(templates: Mapping[str, str]) -> dict[str, str]:
    """What only the server of the run knows, and where it is: a worker may not have been told."""
    return {**server_variables(), **look_up(templates)}


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
