"""A worker: claims mini-batches of a prepared step one by one, and runs them."""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import Any

from prefect_parallel.data import MiniBatch
from prefect_parallel.entry.gpus import default_slots
from prefect_parallel.entry.pool import EntryPool, PoolClosed
from prefect_parallel.entry.process_resources import VariableLookup
from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.flow.workers.leases import Leases
from prefect_parallel.flow.workers.prepared_step import PreparedStep
from prefect_parallel.output.part import Record
from prefect_parallel.output.totals import Totals

POLL_SECONDS = 1.0
"""How often a worker looks for a free mini-batch when other workers have all that are left."""

STOP_SECONDS = 0.2
"""How often a worker looks whether it is to stop."""

GRACE_SECONDS = 5.0
"""Time that running mini-batches have to finish when a worker is stopped."""


class StepFailed(PrefectParallelError):
    """So much has failed that the step cannot succeed any more."""


class Worker:
    """A worker at one step."""

    def __init__(
        self,
        step: PreparedStep,
        leases: Leases,
        *,
        datastores: dict[str, Any],
        slots: int | None,
        look_up: VariableLookup,
        stopped: threading.Event,
        say: Callable[[str], None],
    ) -> None:
        """Start no process yet.

        Args:
            leases: The claims of this worker.
            datastores: Definitions of the step's datastores, as `Datastores.to_json` gives them.
            slots: Number of mini-batches that run at a time; None for the step's own number.
            look_up: Finds the values of environment variables that are not known before.
            stopped: Set from outside when the worker is to stop.
            say: Gets a line for each mini-batch that failed.
        """
        self._step = step
        self._leases = leases
        self._stopped = stopped
        self._say = say
        self._slots = slots or step.slots or default_slots(step.config.gpus)
        self._lock = threading.Lock()
        # Workers begin at different places, so that they rarely want the same mini-batch.
        self._left = deque(step.offsets())
        self._left.rotate(random.randrange(len(self._left) or 1))  # noqa: S311 - no secret
        config = replace(step.config, datastores=datastores, slots=self._slots)
        self._pool = EntryPool(config, leases.worker, look_up=look_up)
        self._totals = Totals()
        self.mini_batches_run = 0

    def run(self) -> None:
        """Work until each mini-batch of the step has a final result, or the worker is stopped.

        Raises:
            StepFailed: A threshold is exceeded.
            PrefectParallelError: This machine cannot run the script.
            OSError: The run directory cannot be written to.
        """
        with ThreadPoolExecutor(self._slots) as threads:
            running = [threads.submit(self._work) for _ in range(self._slots)]
            while wait(running, STOP_SECONDS).not_done and not self._stopped.is_set():
                continue
            self._pool.close(GRACE_SECONDS)
        for each in running:
            each.result()

    def _work(self) -> None:
        """Run one mini-batch after another; an exception stops the worker."""
        try:
            while (claimed := self._claim()) is not None:
                try:
                    record = self._run(claimed)
                finally:
                    self._leases.release(self._lease(claimed))
                self._count(record)
        except PoolClosed:
            return
        except Exception:
            self._stopped.set()
            raise

    def _claim(self) -> MiniBatch | None:
        """Claim a mini-batch, as soon as one is free; None: all others are done."""
        while not self._stopped.is_set():
            with self._lock:
                for _ in range(len(self._left)):
                    offset = self._left.popleft()
                    try:
                        mini_batch = self._step.at(offset)
                    except FileNotFoundError:
                        # The step has been finished, because other workers have done the rest.
                        return None
                    if self._is_done(mini_batch):
                        continue
                    if not self._leases.claim(self._lease(mini_batch)):
                        self._left.append(offset)
                        continue
                    # Again, as the worker that had it may have finished it meanwhile.
                    if not self._is_done(mini_batch):
                        return mini_batch
                    self._leases.release(self._lease(mini_batch))
                if not self._left:
                    return None
            self._stopped.wait(POLL_SECONDS)
        return None

    def _is_done(self, mini_batch: MiniBatch) -> bool:
        record = self._step.final(mini_batch)
        if record is not None:
            self._add(record)
        return record is not None

    def _run(self, mini_batch: MiniBatch) -> Record:
        """Run a mini-batch until it succeeds or has no attempt left, then isolate failed items."""
        record, retries = self._step.record(mini_batch), self._step.max_retries
        attempt = 1 if record is None else record.attempt + 1
        while True:
            if record is None or record.attempt <= retries:
                record = self._pool.run(mini_batch, attempt)
            if record.error is not None and record.attempt > retries:
                self._pool.isolate(mini_batch, record)
            if (final := self._step.final(mini_batch)) is not None:
                return final
            seconds, jitter = self._step.delays.with_asked(attempt, record.retry_after or 0.0)
            varied = seconds * (1 + jitter * random.random())  # noqa: S311 - no secret
            if self._stopped.wait(varied):
                raise PoolClosed("the worker was stopped")
            attempt = record.attempt + 1

    def _count(self, record: Record) -> None:
        """Count a mini-batch that this worker has run."""
        if record.error is not None:
            self._say(f"mini-batch {record.index} failed: {record.error}")
        with self._lock:
            self.mini_batches_run += 1
            self._add(record)

    def _add(self, record: Record) -> None:
        """Count a final result, of whichever worker.

        Raises:
            StepFailed: A threshold is exceeded.
        """
        self._totals.add(record)
        exceeded = self._step.thresholds.exceeded(
            failed=self._totals.failed,
            failed_items=self._totals.failed_items,
            mini_batches=self._step.mini_batches,
        )
        if exceeded is not None:
            raise StepFailed(f"{exceeded}; one failed with {record.error}")

    def _lease(self, mini_batch: MiniBatch) -> Path:
        return self._step.directory.lease(mini_batch.index)
