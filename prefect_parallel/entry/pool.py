"""The pool of entry processes of a node."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from prefect_parallel.data import MiniBatch
from prefect_parallel.entry.attempt_request import AttemptRequest
from prefect_parallel.entry.config import EntryConfig, ProcessName
from prefect_parallel.entry.entry_process import EntryProcess, Failure, InitFailed
from prefect_parallel.entry.isolation import Isolation, items_to_isolate
from prefect_parallel.entry.node_faults import ATTEMPTS, NodeFaults, UnusableNode
from prefect_parallel.entry.node_logs import NodeLogs
from prefect_parallel.entry.process_resources import ProcessResources, VariableLookup
from prefect_parallel.entry.process_starter import ProcessStarter
from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.output.part import Record, write_part


class PoolClosed(PrefectParallelError):
    """The step has ended, and running mini-batches were stopped."""


class EntryPool:
    """Runs mini-batches on a node, in one entry process per slot. Thread-safe.

    A process is started when a slot first needs one, is reused for further mini-batches, and is
    replaced when it dies, has to be ended, or has reached a limit.
    """

    def __init__(
        self,
        config: EntryConfig,
        node: str,
        on_first_run: Callable[[], None] = lambda: None,
        look_up: VariableLookup = dict,
    ) -> None:
        """Create the pool without starting a process.

        Args:
            on_first_run: Called once, at the first call of `run` on the node.
            look_up: Called once, before the first process is started.
        """
        self._config = config
        self._node = node
        self._on_first_run = on_first_run
        self._resources = ProcessResources(config, node, look_up)
        self._logs = NodeLogs(config.directory, self._resources.removed)
        self._starter = ProcessStarter(
            config, node, self._resources, self._logs, self._refuse_if_closed
        )
        self._faults = NodeFaults()
        self._changed = threading.Condition()
        self._closed = False
        self._ended = False
        self._idle: list[EntryProcess] = []
        self._busy = 0
        self._has_run = False

    @property
    def closed(self) -> bool:
        return self._closed

    def run(
        self,
        mini_batch: MiniBatch,
        attempt: int,
        following: MiniBatch | None = None,
        group: str = "",
    ) -> Record:
        """Run a mini-batch, unless it has succeeded before, and commit its record.

        Args:
            attempt: Number of the attempt, from 1.
            following: The mini-batch that the caller runs next, which is loaded meanwhile if the
                step prefetches.
            group: Name of the group whose pack gets the part, if it is small; empty: none.

        Raises:
            UnusableNode: The import of the script, or `init`, failed too often on this node and has
                never succeeded; attempts in a row failed of the same fault of the node; or the
                node is being ended from outside.
            PoolClosed: The step has ended.
        """
        committed = self._config.committed(mini_batch)
        if committed is not None:
            return committed
        with self._in_use():
            following = self._to_load_ahead(following)
            return self._run(AttemptRequest(mini_batch, attempt, None, following, group))

    def isolate(
        self, mini_batch: MiniBatch, record: Record, on_call: Callable[[], None] = lambda: None
    ) -> Record:
        """Run a failed mini-batch in pieces, if the step does so, and commit what succeeds.

        Args:
            record: That of its last attempt.
            on_call: Called after each call of `run`.

        Returns:
            The record; the same if there is nothing to isolate.

        Raises:
            UnusableNode, PoolClosed: As for `run`.
        """
        if not items_to_isolate(self._config, mini_batch, record):
            return record
        isolation = Isolation(self._config, self._logs, self._node, mini_batch, record)

        def attempt(request: AttemptRequest) -> tuple[ProcessName, Record | Failure]:
            name, result, _ = self._attempt(request)
            on_call()
            return name, result

        with self._in_use():
            return self._in_force(mini_batch, isolation.run(attempt))

    def read_new_stdout(self, record: Record, limit: int) -> str:
        """The text that the process of a record has printed since the last call."""
        return self._logs.read_new_stdout(ProcessName(record.node, record.process), limit)

    def take_traceback(self, record: Record) -> str:
        """The traceback of a failed attempt, the first time; empty if there is none."""
        return self._logs.take_traceback(record)

    def close(self, grace: float = 0) -> None:
        """Accept no more work, call `shutdown` in idle processes and end all processes.

        Running mini-batches have `grace` seconds to end.
        """
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._busy == 0, timeout=grace)
            idle, self._idle = self._idle, []
        self._resources.stop_sampling()
        closing = [threading.Thread(target=self._end_idle, args=[process]) for process in idle]
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join()
        self._starter.end_all()
        self._resources.close()

    def wait_until_closed(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed)

    def end(self) -> None:
        """End all processes at once, also those whose `shutdown` `close` is waiting for."""
        self._ended = True
        self._starter.end_all()

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        """Have `close` wait."""
        with self._changed:
            self._busy += 1
        try:
            yield
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()

    def _run(self, request: AttemptRequest) -> Record:
        name, result, started_at = self._attempt(request)
        if isinstance(result, Failure):
            result = self._commit_failure(request, name, result, started_at)
        elif result.error is not None:
            self._logs.error(name, request, Failure(result.error))
        self._logs.attempt(name, result)
        return self._in_force(request.mini_batch, result)

    def _in_force(self, mini_batch: MiniBatch, record: Record) -> Record:
        """The record, or that of a success meanwhile, which a failure has not replaced."""
        return record if record.error is None else self._config.committed(mini_batch) or record

    def _attempt(self, request: AttemptRequest) -> tuple[ProcessName, Record | Failure, float]:
        """Run a mini-batch, or some items of it; returns also the process, and when it began.

        What fails of a fault of the node is run again, which does not count as an attempt.
        """
        tries = 0
        while True:
            name, result, started_at = self._try(request)
            fault = result.node_fault if isinstance(result, Failure) else None
            tries, in_a_row = tries + 1, self._faults.add(fault)
            if isinstance(result, Record) or fault is None or in_a_row < tries == ATTEMPTS:
                return name, result, started_at
            file = self._logs.error(name, request, result)
            if in_a_row >= ATTEMPTS:
                raise UnusableNode(
                    f"{in_a_row} attempts in a row failed on {self._node} ({fault}):"
                    f" {result.error}",
                    self._node,
                    result.traceback,
                    file,
                )

    def _try(self, request: AttemptRequest) -> tuple[ProcessName, Record | Failure, float]:
        started_at = time.time()
        try:
            process = self._take(request.mini_batch)
        except InitFailed as error:
            return error.name, error.failure, started_at
        started_at = time.time()
        if self._is_last_of(process):
            request = dataclasses.replace(request, following=None)
        result = process.attempt(request, self._note_run)
        if isinstance(result, Failure):
            # A process that was stopped because the step or the node has ended has not failed.
            self._refuse_if_closed()
            self._starter.refuse_if_killed()
        self._keep_or_replace(process, result)
        return process.name, result, started_at

    def _keep_or_replace(self, process: EntryProcess, result: Record | Failure) -> None:
        """Keep a process for another mini-batch, or end it; another is started when needed."""
        reason = self._reason_to_replace(process) if process.alive else result.error
        with self._changed:
            if self._closed or reason is None:
                if process.alive:
                    self._idle.append(process)
                return
        if process.alive:
            self._shut_down(process)
        self._logs.ended(process, reason)

    def _reason_to_replace(self, process: EntryProcess) -> str | None:
        limit = self._config.max_mini_batches_per_process
        if limit is not None and process.attempts >= limit:
            return f"replaced (max_mini_batches_per_process: {limit})"
        return self._resources.memory.outgrown_by(process.name.process)

    def _is_last_of(self, process: EntryProcess) -> bool:
        """Whether the next mini-batch of a process is its last one."""
        return process.attempts + 1 == self._config.max_mini_batches_per_process

    def _to_load_ahead(self, following: MiniBatch | None) -> MiniBatch | None:
        if following is None or not self._config.prefetch:
            return None
        return None if self._config.committed(following) else following

    def _note_run(self) -> None:
        with self._changed:
            first, self._has_run = not self._has_run, True
        if first:
            self._on_first_run()

    def _take(self, mini_batch: MiniBatch) -> EntryProcess:
        """An idle process, or a new one; where none ever started, tries until it is hopeless."""
        while True:
            with self._changed:
                self._refuse_if_closed()
                if self._idle:
                    return self._take_idle(mini_batch)
            if (process := self._starter.start()) is not None:
                return process

    def _take_idle(self, mini_batch: MiniBatch) -> EntryProcess:
        """The process that loads the mini-batch ahead, else one that loads none, else any."""

        def fitness(process: EntryProcess) -> tuple[bool, bool]:
            return process.loads_ahead == mini_batch, process.loads_ahead is None

        process = max(reversed(self._idle), key=fitness)
        self._idle.remove(process)
        return process

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise PoolClosed("the step has ended")

    def _end_idle(self, process: EntryProcess) -> None:
        # Where logs cannot be written any more, the step fails for that reason; in a thread of its
        # own, this would only print a traceback.
        with suppress(OSError):
            self._shut_down(process)
            self._logs.ended(process)

    def _shut_down(self, process: EntryProcess) -> None:
        failure = process.shut_down()
        if failure is not None and not self._ended:
            self._logs.script_error(process.name, failure)

    def _commit_failure(
        self, request: AttemptRequest, name: ProcessName, failure: Failure, started_at: float
    ) -> Record:
        """Commit the record of a failed attempt."""
        record = dataclasses.replace(
            self._config.new_record(name, request),
            items=failure.items,
            retry_after=failure.retry_after,
            started_at=started_at,
            seconds=time.time() - started_at,
        )
        file = self._logs.error(name, request, failure)
        record = self._config.failed(record, failure.error, file)
        write_part(self._config.directory.part(record.index), record)
        return record
