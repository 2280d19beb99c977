"""A line of `failed_mini_batches.jsonl`."""

from __future__ import annotations

from dataclasses import dataclass

from prefect_parallel.output.part import Record


@dataclass(frozen=True)
class FailedMiniBatch:
    """A mini-batch all of whose attempts have failed.

    Attributes:
        mini_batch: Its index, from 0, in the input's order.
        inputs: What it is made of: a file or two by name, or how many.
        items: How many it holds; null if it could not be loaded.
        failed_items: How many the last attempt did not return; 1 if nobody could count them.
        attempts: How many there were.
        error: The last one's, in a line.
        traceback_file: Where the whole of it stands; null if there is none.
        node: Where the last attempt was.
        process: Which entry process it was in.
        repeat: The command that runs it once more, here, under the debugger.
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
        """The line for the record of a last attempt, which has failed."""
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
