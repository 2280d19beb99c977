"""The isolation of the items of a failed mini-batch that fail."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from prefect_parallel.data import MiniBatch
from prefect_parallel.entry.attempt_request import AttemptRequest
from prefect_parallel.entry.bisection import Bisection, Outcome
from prefect_parallel.entry.config import EntryConfig, ProcessName
from prefect_parallel.entry.entry_process import Failure
from prefect_parallel.entry.messages import one_line
from prefect_parallel.entry.node_logs import NodeLogs
from prefect_parallel.entry.output_dir import OutputDir
from prefect_parallel.errors import without_secrets
from prefect_parallel.output.isolated import FailedItems, Isolated, Payload
from prefect_parallel.output.output_files import FileNames, UnusableFiles, merge
from prefect_parallel.output.part import Record, open_part, write_part

Attempt: TypeAlias = Callable[[AttemptRequest], tuple[ProcessName, Record | Failure]]
"""Makes an attempt; returns also the process that made it."""


class Isolation:
    """Runs a failed mini-batch in pieces, and makes one part of them.

    Each piece is a part of its own, in another folder, until all are known. A file list that cannot
    be loaded is isolated, too; a table has to be loaded as a whole.
    """

    def __init__(
        self, config: EntryConfig, logs: NodeLogs, node: str, mini_batch: MiniBatch, record: Record
    ) -> None:
        self._config = config
        self._node = node
        self._logs = logs
        self._mini_batch = mini_batch
        self._record = record
        self._is_file_list = _is_file_list(config)
        self._items = items_to_isolate(config, mini_batch, record)
        self._output_dir = OutputDir(config.directory.output_dir(mini_batch.index), ())
        self._file_names = FileNames()

    def run(self, attempt: Attempt) -> Record:
        """Find the items that fail, by attempts at some of them, and commit what others returned.

        The log of attempts has a line for all of them together.
        """
        started_at = time.time()
        whole = Outcome(range(self._items), self._record.error, self._record.traceback_file)
        bisection = Bisection([whole], self._config.error_threshold)
        folder = self._config.directory.isolated / self._node
        folder.mkdir(parents=True, exist_ok=True)
        bisection.run(lambda items: self._outcome(items, attempt))
        record, seconds = self._commit(bisection), time.time() - started_at
        name = ProcessName(record.node, record.process)
        self._logs.attempt(name, replace(record, started_at=started_at, seconds=seconds))
        return record

    def _outcome(self, items: range, attempt: Attempt) -> Outcome:
        request = AttemptRequest(self._mini_batch, self._record.attempt, items)
        name, result = attempt(request)
        if isinstance(result, Record):
            error = result.error or self._take_files(items, result)
            if error is None:
                return Outcome(items, None, record=result)
            result = Failure(error)
        file = self._logs.error(name, request, result)
        return Outcome(items, result.error, file)

    def _take_files(self, items: range, record: Record) -> str | None:
        """Take what a piece has written to `output_dir`; returns why it cannot be taken."""
        if not record.output_dir:
            return None
        source = self._config.directory.output_dirs / record.output_dir
        writer = f"items {items.start}-{items.stop - 1}"
        try:
            merge(source, self._output_dir.path, self._file_names, writer)
        except UnusableFiles as error:
            return one_line(str(error))
        return None

    def _commit(self, bisection: Bisection) -> Record:
        payloads, contents = list[Payload](), list[bytes]()
        lost = Counter[str]()
        record = self._record
        for each in sorted(bisection.succeeded, key=lambda each: each.items.start):
            of_piece, content = self._take_piece(each.items)
            payloads += (replace(payload, size=len(content)) for payload in of_piece.payloads)
            contents.append(content)
            lost.update(of_piece.written_as_null)
            record = replace(
                record,
                index_was_read=record.index_was_read or of_piece.index_was_read,
                values_set_to_null=of_piece.values_set_to_null,
                uneven_rows=of_piece.uneven_rows,
                first_uneven_row=of_piece.first_uneven_row,
            )
        failing = sorted(bisection.failing, key=lambda each: each.items.start)
        isolated = Isolated(tuple(payloads), tuple(map(self._failed, failing)), bisection.fine_size)
        record = replace(
            record,
            items=self._items,
            succeeded=self._items - isolated.failed_items,
            kind=None,
            columns=None,
            schema=None,
            error=record.error if failing else None,
            written_as_null=dict(lost),
            isolated=isolated,
        )
        record = self._output_dir.noted_in(record)
        write_part(self._config.directory.part(record.index), record, b"".join(contents))
        return record

    def _take_piece(self, items: range) -> tuple[Record, bytes]:
        path = self._config.directory.piece(self._node, self._mini_batch.index, items)
        part = open_part(path)
        assert part is not None, "written before its record was sent"
        record, file = part
        with file:
            content = file.read()
        path.unlink()
        return record, content

    def _failed(self, outcome: Outcome) -> FailedItems:
        items, pieces = outcome.items, self._mini_batch.pieces
        if self._is_file_list:
            pieces = pieces[items.start : items.stop]
        piece = pieces[0] if len(pieces) == 1 else None
        stop = "end" if piece is None or piece.stop is None else piece.stop
        is_range = piece is not None and not self._is_file_list
        return FailedItems(
            start=items.start,
            stop=items.stop,
            alone=outcome.called and len(items) == 1,
            error=outcome.error or "",
            traceback_file=outcome.traceback_file,
            file=None if piece is None else without_secrets(piece.file.path),
            range=f"{self._mini_batch.unit} {piece.start}-{stop}" if piece and is_range else "",
        )


def items_to_isolate(config: EntryConfig, mini_batch: MiniBatch, record: Record) -> int:
    """The number of items of a failed mini-batch that is still to be run in pieces; 0 if it is not.

    One that asked to wait is not: what it waits for refuses, not its items.
    """
    if not config.isolates_failed_items or record.error is None or record.isolated is not None:
        return 0
    if record.retry_after is not None:
        return 0
    return len(mini_batch.pieces) if _is_file_list(config) else record.items or 0


def _is_file_list(config: EntryConfig) -> bool:
    return bool(config.reader["kind"] == "files")
