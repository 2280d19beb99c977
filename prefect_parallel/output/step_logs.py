"""The logs of a step that its driver writes; nodes write their own."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import IO

from prefect_parallel.layout import StepDirectory
from prefect_parallel.output.failed_mini_batch import FailedItem, FailedMiniBatch
from prefect_parallel.output.part import Record

PROGRESS_SECONDS = 1.0
"""Shortest time between two lines of progress."""

FILES = {
    "job_result.txt": "result and reason: read this first",
    "job_progress_overview.<yyyymmdd>.txt": "progress over time",
    "job_error.txt": "why the step failed",
    "failed_mini_batches.jsonl": "failed mini-batches: inputs, error, command to repeat",
    "failed_items.jsonl": "isolated items: file, range, item, error, command to repeat",
    "user/error.txt": "failed attempts, one per line",
    "user/error/<node>/<process>.txt": "full tracebacks",
    "user/stdout/<node>/<process>.stdout.txt": "standard output of the script",
    "user/stderr/<node>/<process>.stderr.txt": "standard error of the script",
    "user/entry_script_log/<node>/<process>.log.txt": "log of the script",
    "sys/job.txt": "planning, progress, decisions",
    "sys/job_report/processed_mini-batches.csv": "all attempts, as Azure's tuning guide reads them",
    "sys/job_report/process_summary.csv": "their sums for each entry process",
    "sys/job_report/node_summary.csv": "their sums for each node",
    "sys/node/<node>/<process>.txt": "attempts, one per line: items, times, result",
    "sys/node/<node>/startup.csv": "start of each entry process, with its imports and init()",
    "sys/node/<node>/ends.csv": "end of each entry process, with its peak memory",
    "sys/perf/<node>/node_resource_usage.csv": "CPU and memory of the node",
    "sys/perf/<node>/processes_resource_usage.csv": "CPU and memory of each entry process",
    "sys/perf/<node>/<process>.prof": "profile, for pstats or snakeviz",
}
"""The files of a step's logs, with their contents."""


class StepLogs:
    """Writer of these logs, used only by the process that drives the step."""

    def __init__(self, directory: StepDirectory, step: str) -> None:
        self._directory = directory
        self._step = step
        self._progress = (0.0, "")

    def begin(self) -> None:
        """Create the folders, and a readme that lists all possible files; delete an old result."""
        self._directory.job_result.unlink(missing_ok=True)
        self._directory.job_log.parent.mkdir(parents=True, exist_ok=True)
        self._write_readme(FILES)

    def job(self, text: str) -> None:
        """Log a decision."""
        with _open(self._directory.job_log, "a") as file:
            file.write(f"{_now()} {text}\n")

    def job_error(self, reason: str | None) -> None:
        """Write `job_error.txt`; None: the step has not failed, and an earlier file is deleted."""
        if reason is None:
            self._directory.job_error.unlink(missing_ok=True)
        else:
            with _open(self._directory.job_error, "w") as file:
                file.write(f"{_now()} {reason}\n")

    def close(self) -> None:
        """Reduce the readme to the files that exist, once the step has ended."""
        self._write_readme({name: text for name, text in FILES.items() if self._is_there(name)})

    def progress(self, text: str, *, last: bool = False) -> None:
        """Log the progress of the step, e.g. `3 of 10 mini-batches done`.

        It is left out if it has not changed or the last line is recent, unless it is the last.
        """
        now = time.monotonic()
        when, before = self._progress
        if not last and (text == before or now - when < PROGRESS_SECONDS):
            return
        self._progress = (now, text)
        day = time.strftime("%Y%m%d", time.gmtime())
        with _open(self._directory.progress_overview(day), "a") as file:
            file.write(f"{_now()} {text}\n")

    def failed_mini_batches(self, records: Iterable[Record], command: Callable[[int], str]) -> None:
        """Write `failed_mini_batches.jsonl`, which is empty if no mini-batch failed.

        `command` returns the command that repeats a mini-batch, from its index.
        """
        failed = (
            FailedMiniBatch.of(record, command(record.index))
            for record in records
            if record.error is not None
        )
        self._write_lines(self._directory.failed_mini_batches, failed)

    def failed_items(self, records: Iterable[Record], command: Callable[[int, int], str]) -> None:
        """Write `failed_items.jsonl`, which is empty if no item failed alone.

        `command` returns the command that repeats an item, from its mini-batch and position.
        """
        failed = (
            FailedItem.of(record.index, each, command(record.index, each.start))
            for record in records
            if record.isolated is not None
            for each in record.isolated.failed
        )
        self._write_lines(self._directory.failed_items, failed)

    def _write_lines(self, path: Path, failed: Iterable[FailedMiniBatch | FailedItem]) -> None:
        with _open(path, "w") as file:
            for each in failed:
                log = each.traceback_file
                if log is not None and not (self._directory.root / log).exists():
                    # Gone with the node that had it.
                    each = replace(each, traceback_file=None)
                file.write(json.dumps(asdict(each), ensure_ascii=False) + "\n")

    def _is_there(self, name: str) -> bool:
        pattern = re.sub(r"<\w+>", "*", name)
        return next(self._directory.logs.glob(pattern), None) is not None

    def _write_readme(self, files: Mapping[str, str]) -> None:
        width = max(map(len, FILES)) + 2
        lines = [f"{name:<{width}}{text}" for name, text in files.items()]
        head = f"Logs of the step {self._step}"
        foot = "The aggregated output and the step's other outputs are in ../outputs."
        self._directory.readme.write_text(
            "\n".join([head, "", *lines, "", foot, ""]), encoding="utf-8"
        )


def _open(path: Path, mode: str) -> IO[str]:
    """A log, in which bytes of names of files that are not UTF-8 are escaped."""
    return path.open(mode, encoding="utf-8", errors="backslashreplace")


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
