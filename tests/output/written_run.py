"""A run directory, written by what writes it in a run."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from pathlib import Path

from prefect_parallel.data import MiniBatch
from prefect_parallel.data.mini_batch import File, Piece
from prefect_parallel.entry.attempt_request import AttemptRequest
from prefect_parallel.entry.config import ProcessName
from prefect_parallel.entry.entry_process import Failure
from prefect_parallel.entry.node_logs import NodeLogs
from prefect_parallel.layout import RunDirectory
from prefect_parallel.output.job_result import JobResult
from prefect_parallel.output.part import Record
from prefect_parallel.output.step_logs import StepLogs
from prefect_parallel.output.totals import Totals

START = 1_795_500_000.0
ITEMS = 10


class WrittenRun:
    """One step on one node; attempts follow each other."""

    def __init__(self, root: Path) -> None:
        self.directory = RunDirectory(root)
        root.mkdir(parents=True)
        self.directory.job_file.write_text("description: a test\njobs: {score: {}, after: {}}\n")
        self.step = self.directory.step("score")
        self._step_logs = StepLogs(self.step, "score")
        self._step_logs.begin()
        self._logs = NodeLogs(self.step, lambda _: 0)
        self._last: dict[int, Record] = {}
        self._clock = START

    def attempt(
        self,
        index: int,
        error: str | None = None,
        *,
        attempt: int = 1,
        process: str = "process000",
        traceback: str = "",
        seconds: float = 1.0,
    ) -> None:
        name = ProcessName("node-0", process)
        mini_batch = MiniBatch(index, (Piece(File(f"/data/file {index}.csv", 1, 1)),))
        record = Record(
            index=index,
            attempt=attempt,
            items=ITEMS,
            succeeded=0 if error else ITEMS,
            error=error,
            inputs=mini_batch.describe(),
            node=name.node,
            process=name.process,
            started_at=self._clock,
            seconds=seconds,
            run_seconds=None if error else 0.5,
            process_seconds=None if error else 0.25,
        )
        self._clock += seconds
        if error is not None:
            self._logs.error(name, AttemptRequest(mini_batch, attempt), Failure(error, traceback))
        self._logs.attempt(name, record)
        self._last[index] = record

    def startup(self, seconds: float, process: str = "process000", error: str = "") -> None:
        self._logs.startup(ProcessName("node-0", process), time.time() - seconds, error)

    def script_error(self, error: str, traceback: str) -> None:
        self._logs.script_error(ProcessName("node-0", "process000"), Failure(error, traceback))

    def end(self, reason: str = "it went on") -> None:
        totals = Totals()
        for record in self._last.values():
            totals.add(record)
        self._step_logs.failed_mini_batches(
            self._last.values(), lambda index: f"repeat mini-batch {index}"
        )
        JobResult.of(
            status="Completed",
            reason=reason,
            mini_batches=len(self._last),
            totals=totals,
            warnings=["node-1 is left out"],
            thresholds={"error_threshold": -1, "allowed_failed_percent": 30},
            started_at=datetime.fromtimestamp(START, timezone.utc),
            ended_at=datetime.fromtimestamp(self._clock, timezone.utc),
            output=None,
            logs=self.step.logs,
        ).write(self.step.job_result)
