"""From the parts of a step to its aggregated output."""

from __future__ import annotations

import heapq
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from prefect_parallel.errors import PrefectParallelError
from prefect_parallel.layout import StepDirectory
from prefect_parallel.output.formats import Format
from prefect_parallel.output.part import Record, open_part, read_record
from prefect_parallel.output.root_cause import root_cause

MIXED_NAMED = 5
"""How many mini-batches an error about mixed returns names of each kind."""

KEPT = 20
"""How many failed, and how many of the slowest, mini-batches totals keep, to be named."""


class MixedReturns(PrefectParallelError):
    """Mini-batches returned what cannot stand in one file."""


@dataclass
class Totals:
    """Counts over the parts of a step.

    Attributes:
        values_set_to_null: Column -> how many of its values did not fit the column's type.
        first_failure: The failed mini-batch that ended first.
        causes: Root cause -> how many mini-batches failed of it.
        examples: Root cause -> one of them.
        failures: The failed mini-batches, those of the lowest index.
        slowest: The mini-batches that took longest, the slowest first.
    """

    mini_batches: int = 0
    failed: int = 0
    retried: int = 0
    items: int = 0
    succeeded_items: int = 0
    failed_items: int = 0
    values_set_to_null: Counter[str] = field(default_factory=Counter)
    processes: set[tuple[str, str]] = field(default_factory=set)
    first_failure: Record | None = None
    causes: Counter[str] = field(default_factory=Counter)
    examples: dict[str, Record] = field(default_factory=dict)
    failures: list[Record] = field(default_factory=list)
    _slowest: list[tuple[float, int, Record]] = field(default_factory=list)

    @property
    def slowest(self) -> list[Record]:
        return [record for _, _, record in sorted(self._slowest, reverse=True)]

    @property
    def succeeded(self) -> int:
        return self.mini_batches - self.failed

    @property
    def nodes(self) -> int:
        return len({node for node, _ in self.processes})

    def add(self, record: Record) -> None:
        """Count one mini-batch in."""
        self.mini_batches += 1
        self.retried += record.attempt > 1
        self.items += record.succeeded + record.failed_items
        self.succeeded_items += record.succeeded
        self.failed_items += record.failed_items
        self.values_set_to_null.update(record.values_set_to_null)
        self.processes.add((record.node, record.process))
        if record.error is not None:
            self.failed += 1
            cause = root_cause(record.error)
            self.causes[cause] += 1
            self.examples.setdefault(cause, record)
            first = self.first_failure
            if first is None or record.started_at < first.started_at:
                self.first_failure = record
            if len(self.failures) < KEPT:
                self.failures.append(record)
        heapq.heappush(self._slowest, (record.seconds, -record.index, record))
        if len(self._slowest) > KEPT:
            heapq.heappop(self._slowest)


def records(directory: StepDirectory, count: int) -> Iterator[Record]:
    """The records of the first `count` mini-batches that have one, in order."""
    for index in range(count):
        record = read_record(directory.part(index))
        if record is not None:
            yield record


def count(directory: StepDirectory, mini_batches: int) -> Totals:
    """Add up the records of a step."""
    totals = Totals()
    for record in records(directory, mini_batches):
        totals.add(record)
    return totals


def aggregate(
    directory: StepDirectory, count: int, target: Path, format_: Format, *, header: bool
) -> None:
    """Join the parts into one file, in the order of the mini-batches.

    Args:
        directory: The step's.
        count: How many mini-batches the step has.
        target: The aggregated output; it appears whole, or not at all.
        format_: The one that the parts were encoded in.
        header: Whether column names come first, where the format knows such a line.

    Raises:
        MixedReturns: Parts differ in kind or in columns.
    """
    columns = _common_columns(records(directory, count))
    with _replacing(target) as file:
        if header and columns is not None:
            file.write(format_.header(columns))
        format_.join(_Payloads(directory, count), file)


@dataclass(frozen=True)
class _Payloads:
    """The payloads of the parts that have any, opened one after the other."""

    directory: StepDirectory
    count: int

    def __iter__(self) -> Iterator[BinaryIO]:
        for index in range(self.count):
            path = self.directory.part(index)
            if not path.exists():
                continue
            record, payload = open_part(path)
            with payload:
                if record.kind is not None:
                    yield payload


def _common_columns(found: Iterator[Record]) -> tuple[str, ...] | None:
    """The columns of all DataFrames; None if the parts are lists."""
    shapes: dict[tuple[str, tuple[str, ...] | None], list[int]] = {}
    for record in found:
        if record.kind is not None:
            shapes.setdefault((record.kind, record.columns), []).append(record.index)
    if len(shapes) > 1:
        raise MixedReturns(_mixed(shapes))
    return next((columns for _, columns in shapes), None)


def _mixed(shapes: dict[tuple[str, tuple[str, ...] | None], list[int]]) -> str:
    lines = ["run() returned what cannot stand in one file:"]
    for (kind, columns), indexes in shapes.items():
        named = ", ".join(str(index) for index in indexes[:MIXED_NAMED])
        rest = f" and {len(indexes) - MIXED_NAMED} more" if len(indexes) > MIXED_NAMED else ""
        shape = "a list" if columns is None else f"a {kind} with the columns {', '.join(columns)}"
        lines.append(f"  mini-batches {named}{rest}: {shape}")
    lines.append("Return the same kind, with the same columns, from every call.")
    return "\n".join(lines)


@contextmanager
def _replacing(target: Path) -> Iterator[BinaryIO]:
    """A file that takes its name when it is complete and on disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
