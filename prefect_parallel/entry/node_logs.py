"""The logs that a node writes. The output of scripts goes directly to files."""

from __future__ import annotations

import csv
import io
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from prefect_parallel.entry.attempt_request import AttemptRequest
from prefect_parallel.entry.config import ProcessName
from prefect_parallel.entry.entry_process import EntryProcess, Failure
from prefect_parallel.layout import ProcessLogs, StepDirectory
from prefect_parallel.output.part import Record
from prefect_parallel.output.timestamps import format_timestamp

STARTUP_COLUMNS = ("started_at", "process", "seconds", "error")
END_COLUMNS = ("ended_at", "process", "mini_batches", "peak_memory_bytes", "reason")

ATTEMPTS_HEADER = (
    "started_at\tmini_batch\tattempt\titems\tsucceeded\tseconds\trun_seconds\tprocess_seconds"
    "\tresult\n"
)


class NodeLogs:
    """Writes a node's logs. Lines are appended whole, so that nodes may share a file."""

    def __init__(self, directory: StepDirectory, removed: Callable[[Path], int]) -> None:
        """Write the logs of a node.

        Args:
            directory: The step's.
            removed: How many bytes were removed from a log of a process because it was too large.
        """
        self._directory = directory
        self._removed = removed
        self._processes: dict[ProcessName, ProcessLogs] = {}
        self._offsets: dict[ProcessName, int] = {}
        self._table_lock = threading.Lock()
        self._tracebacks: dict[tuple[int, int], str] = {}

    def read_new_stdout(self, name: ProcessName, limit: int) -> str:
        """What a process has printed since the last call, up to a number of bytes."""
        start = self._offsets.get(name)
        if start is None:
            # The process of a reused part, from an earlier run.
            return ""
        path = self._logs_of(name).stdout
        removed = self._removed(path)
        end = path.stat().st_size + removed
        if end == start:
            return ""
        with path.open("rb") as file:
            file.seek(max(start - removed, 0))
            text = file.read(min(limit, end - start)).decode(errors="replace").rstrip()
        self._offsets[name] = end
        left_out = end - start - limit
        if left_out <= 0:
            return text
        file_name = path.relative_to(self._directory.root)
        return f"{text}\n[{left_out} more bytes in {file_name}]".lstrip()

    def take_traceback(self, record: Record) -> str:
        """The traceback of a failed attempt, the first time; empty if there is none."""
        return self._tracebacks.pop((record.index, record.attempt), "")

    def processes(self, node: str) -> int:
        """Number of entry processes of a node that have logs."""
        folder = ProcessName(node, "").logs(self._directory).stdout.parent
        return len(list(folder.iterdir())) if folder.exists() else 0

    def attempt(self, name: ProcessName, record: Record) -> None:
        """Log an attempt that has ended, in one line."""
        self._offsets.setdefault(name, 0)
        items = "?" if record.items is None else str(record.items)
        cells = [
            format_timestamp(record.started_at, "microseconds"),
            str(record.index),
            str(record.attempt),
            items,
            str(record.succeeded),
            *map(_seconds, (record.seconds, record.run_seconds, record.process_seconds)),
            record.error or "succeeded",
        ]
        _append(self._logs_of(name).attempts, "\t".join(cells) + "\n", ATTEMPTS_HEADER)

    def startup(self, name: ProcessName, started_at: float, error: str = "") -> None:
        """Log the start of a process, which has just ended, with the error if it failed."""
        seconds = f"{time.time() - started_at:.6f}"
        row = (format_timestamp(started_at, "microseconds"), name.process, seconds, error)
        self._append_row(self._directory.startup(name.node), STARTUP_COLUMNS, row)

    def ended(self, process: EntryProcess, reason: str = "") -> None:
        """Log the end of a process, with the reason unless it is the end of the step."""
        name, peak = process.name, process.peak_memory
        row = (format_timestamp(time.time(), "microseconds"), name.process)
        path = self._directory.process_ends(name.node)
        self._append_row(path, END_COLUMNS, (*row, str(process.attempts), str(peak), reason))

    def _append_row(self, path: Path, columns: Sequence[str], row: Sequence[str]) -> None:
        with self._table_lock:
            _append(path, _csv_row(row), _csv_row(columns))

    def error(self, name: ProcessName, request: AttemptRequest, failure: Failure) -> str:
        """Log a failed attempt: one line in the summary, the traceback in the process's file.

        Returns the path of the process's file, relative to the step's directory.
        """
        mini_batch = request.mini_batch
        what = f"mini-batch {mini_batch.index}, attempt {request.number}"
        if request.items is None:
            self._tracebacks[mini_batch.index, request.number] = failure.traceback
        else:
            what += f", {text_of(request.items)}"
        return self._error(name, f"{what} ({mini_batch.describe()})", failure)

    def script_error(self, name: ProcessName, failure: Failure) -> str:
        """Log a failure outside any mini-batch: of the import, `init` or `shutdown`."""
        return self._error(name, "outside any mini-batch", failure)

    def _error(self, name: ProcessName, what: str, failure: Failure) -> str:
        path = self._logs_of(name).errors
        head = (
            f"{format_timestamp(time.time())} {name.node} {name.process}: {what}: {failure.error}\n"
        )
        _append(path, f"{head}{failure.traceback}\n")
        _append(self._directory.error_summary, head)
        return str(path.relative_to(self._directory.root))

    def _logs_of(self, name: ProcessName) -> ProcessLogs:
        # Kept: to compute them takes as long as to write a line.
        if name not in self._processes:
            self._processes[name] = name.logs(self._directory)
        return self._processes[name]


def text_of(items: range) -> str:
    """E.g. `item 3`, `items 4-7`."""
    if len(items) == 1:
        return f"item {items.start}"
    return f"items {items.start}-{items.stop - 1}"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def _csv_row(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _append(path: Path, text: str, header: str = "") -> None:
    """Append to a file; the header precedes the first text."""
    # Python's files ask the system more than they write here.
    descriptor = _open_to_append(path)
    try:
        if header and os.fstat(descriptor).st_size == 0:
            text = header + text
        left = memoryview(text.encode(errors="replace"))
        while left:
            left = left[os.write(descriptor, left) :]
    finally:
        os.close(descriptor)


def _open_to_append(path: Path) -> int:
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o666)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, 0o666)
