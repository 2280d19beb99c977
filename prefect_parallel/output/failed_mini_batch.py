"""The lines of `failed_mini_batches.jsonl` and `failed_items.jsonl`."""

from __future__ import annotations

from dataclasses import dataclass

from prefect_parallel.output.isolated import FailedItems
from prefect_parallel.output.part import Record


@dataclass(frozen=True)
class FailedMiniBatch:
    """A mini-batch whose attempts have all failed.

    Attributes:
        mini_batch: Index from 0, in the order of the input.
        inputs: The names of one or two files, or the number of files.
        items: Number of items; null if the mini-batch could not be loaded.
        failed_items: Number of items that the last attempt did not return; 1 if it is unknown.
        attempts: Number of attempts.
        error: Error of the last attempt, in one line, after that of the first attempt if it failed
            for another reason.
        traceback_file: File with the full traceback, relative to the step's folder; null if there
            is none.
        node: Node of the last attempt.
        process: Entry process of the last attempt.
        repeat: Command that runs the mini-batch under the debugger on this machine.
    """

    mini_batch: int
    inputs: str
    items: int | None
    failed_items: int
    attempts: int
    error: str
    traceback_file: str | None
    node: str
    process: str
    repeat: str

    @classmethod
    def of(cls, record: Record, repeat: str) -> FailedMiniBatch:
        """The line of a mini-batch, from the record of its last attempt."""
        assert record.error is not None
        return cls(
            mini_batch=record.index,
            inputs=record.inputs,
            items=record.items,
            failed_items=record.failed_items,
            attempts=record.attempt,
            error=record.error,
            traceback_file=record.traceback_file,
            node=record.node,
            process=record.process,
            repeat=repeat,
        )


@dataclass(frozen=True)
class FailedItem:
    """An item that fails alone, of a step that isolates failed items.

    Attributes:
        file: The file that has it; null if the mini-batch has several, and the item is a row.
        range: Bytes or rows of the file that the mini-batch has, e.g. `bytes 0-10240`; empty for a
            whole file.
        mini_batch: Index of the mini-batch.
        item: Position in the data that `run` gets with the mini-batch, from 0.
        items: Number of items from there on: 1, or more if they were not isolated because there
            are too many.
        alone: Whether it failed alone, and not only with others.
        error: In one line.
        traceback_file: File with the full traceback, relative to the step's folder; null if there
            is none.
        repeat: Command that runs it alone under the debugger on this machine.
    """

    file: str | None
    range: str
    mini_batch: int
    item: int
    items: int
    alone: bool
    error: str
    traceback_file: str | None
    repeat: str

    @classmethod
    def of(cls, mini_batch: int, failed: FailedItems, repeat: str) -> FailedItem:
        return cls(
            file=failed.file,
            range=failed.range,
            mini_batch=mini_batch,
            item=failed.start,
            items=failed.stop - failed.start,
            alone=failed.alone,
            error=failed.error,
            traceback_file=failed.traceback_file,
            repeat=repeat,
        )
