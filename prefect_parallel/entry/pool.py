"""The entry processes of one node."""

from __future__ import annotations

import threading
import time

from prefect_parallel.data import MiniBatch
from prefect_parallel.entry.config import EntryConfig, ProcessName
from prefect_parallel.entry.handle import EntryProcess, Failure, InitFailed
from prefect_parallel.entry.logs import NodeLogs
from prefect_parallel.entry.spawner import Spawner
from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.output.part import Record, read_record, write_part

INIT_FAILURES_PER_SLOT = 3
"""How often `init` may fail for each slot of a node on which it never succeeded."""


class PoolClosed(PrefectParallelError):
    """The step is over; what still ran was stopped."""


class InitKeepsFailing(PrefectParallelError):
    """The entry script cannot be imported, or its `init` fails, time and again."""


class EntryPool:
    """Runs mini-batches on a node, each slot's thread on an entry process of its own.

    Processes are started when a slot first needs one, kept from one mini-batch to the next, and
    replaced when they die or have to be ended.
    """

    def __init__(self, config: EntryConfig, node: str) -> None:
        self._config = config
        self._node = node
        self._logs = NodeLogs(config.directory)
        self._spawner = Spawner()
        self._lock = threading.Lock()
        self._closed = False
        self._idle: list[EntryProcess] = []
        self._started = 0
        self._init_succeeded = False
        self._init_failures = 0

    def run(self, mini_batch: MiniBatch, attempt: int) -> Record:
        """Run a mini-batch, unless it has succeeded already, and commit its record.

        Raises:
            InitKeepsFailing: So it is on this node, on which it never succeeded.
            PoolClosed: The step ended meanwhile.
        """
        committed = read_record(self._config.directory.part(mini_batch.index))
        if committed is not None and committed.error is None:
            return committed
        started_at = time.time()
        try:
            process = self._take()
        except InitFailed as error:
            return self._commit_failure(mini_batch, attempt, error.name, error.failure, started_at)
        result = process.attempt(mini_batch, attempt)
        self._refuse_if_closed()
        if isinstance(result, Failure):
            result = self._commit_failure(mini_batch, attempt, process.name, result, started_at)
        elif result.error is not None:
            self._logs.error(process.name, mini_batch, attempt, Failure(result.error))
        self._logs.attempt(process.name, result)
        self._give_back(process)
        return result

    def close(self) -> None:
        """Call `shutdown` in every idle process, then end whatever still runs."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        closing = [threading.Thread(target=self._shut_down, args=[process]) for process in idle]
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join()
        self._spawner.close()

    def _take(self) -> EntryProcess:
        """An idle process, or a new one; where none ever started, tries until it is hopeless."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        while True:
            self._refuse_if_closed()
            try:
                process = EntryProcess(self._spawner, self._config, self._next_name())
            except InitFailed as error:
                self._refuse_if_closed()
                if self._init_succeeded:
                    raise
                self._count_init_failure(error)
            else:
                self._init_succeeded = True
                return process

    def _count_init_failure(self, error: InitFailed) -> None:
        file = self._logs.script_error(error.name, error.failure)
        with self._lock:
            self._init_failures += 1
            failures = self._init_failures
        if failures >= INIT_FAILURES_PER_SLOT * self._config.slots:
            raise InitKeepsFailing(
                f"the entry script failed before its first mini-batch, {failures} times on"
                f" {self._node}: {error} (full traceback: {file})"
            )

    def _give_back(self, process: EntryProcess) -> None:
        with self._lock:
            if process.alive:
                self._idle.append(process)

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise PoolClosed("the step is over")

    def _next_name(self) -> ProcessName:
        with self._lock:
            name = ProcessName(self._node, f"process{self._started:03d}")
            self._started += 1
        return name

    def _shut_down(self, process: EntryProcess) -> None:
        failure = process.shut_down()
        if failure is not None:
            self._logs.script_error(process.name, failure)

    def _commit_failure(
        self,
        mini_batch: MiniBatch,
        attempt: int,
        name: ProcessName,
        failure: Failure,
        started_at: float,
    ) -> Record:
        """Commit the record of an attempt that returned nothing."""
        file = self._logs.error(name, mini_batch, attempt, failure)
        record = Record(
            index=mini_batch.index,
            attempt=attempt,
            items=failure.items,
            succeeded=0,
            error=failure.error,
            traceback_file=file,
            inputs=mini_batch.describe(),
            node=name.node,
            process=name.process,
            started_at=started_at,
            seconds=time.time() - started_at,
        )
        write_part(self._config.directory.part(mini_batch.index), record)
        return record
