"""Logs of a step, and its result."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

from prefect_parallel.layout import StepDirectory
from prefect_parallel.output.isolated import FailedItems, Isolated
from prefect_parallel.output.job_result import JobResult
from prefect_parallel.output.part import Record
from prefect_parallel.output.step_logs import StepLogs
from prefect_parallel.output.totals import Totals

NAME = "/data/bad\udcff.csv"
SHOWN = r"/data/bad\udcff.csv"


def test_names_of_files_that_are_not_utf8_are_escaped(tmp_path: Path) -> None:
    directory = StepDirectory(tmp_path)
    logs = StepLogs(directory, "score")
    logs.begin()
    logs.job(NAME)
    logs.job_error(NAME)
    logs.progress(NAME)
    item = FailedItems(0, 1, True, "boom", None, NAME, "")
    record = Record(0, 1, 3, 2, error="boom", inputs=NAME, isolated=Isolated((), (item,), None))
    logs.failed_mini_batches([record], lambda _: NAME)
    logs.failed_items([record], lambda *_: NAME)
    now = datetime.now(timezone.utc)
    result = JobResult.of(
        status="Failed",
        reason=NAME,
        mini_batches=1,
        totals=Totals(),
        warnings=[NAME],
        thresholds={},
        started_at=now,
        ended_at=now,
        output=None,
        logs=directory.logs,
    )
    result.write(directory.job_result)

    (overview,) = directory.logs.glob("job_progress_overview.*")
    for file in (directory.job_log, directory.job_error, overview):
        assert SHOWN in file.read_text()
    assert json.loads(directory.failed_mini_batches.read_text())["inputs"] == NAME
    assert json.loads(directory.failed_items.read_text())["file"] == NAME
    written = JobResult.read(directory.job_result)
    assert (written.reason, written.warnings) == (SHOWN, [SHOWN])
