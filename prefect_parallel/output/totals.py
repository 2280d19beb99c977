"""Counts over the records of a step."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from prefect_parallel.layout import StepDirectory
from prefect_parallel.output.isolated import FailedItems, Isolated
from prefect_parallel.output.part import BrokenPart, Record
from prefect_parallel.output.returns import Returns
from prefect_parallel.output.root_cause import root_cause
from prefect_parallel.output.step_parts import StepParts

KEPT = 20
"""Number of failed mini-batches, and of the slowest ones, that totals keep."""


@dataclass
class Totals:
    """Counts over the parts of a step.

    Attributes:
        values_set_to_null: Column -> number of values that did not fit its type.
        uneven_rows: Number of rows that have fewer or more cells than their header.
        first_uneven_row: Where the first of them is.
        written_as_null: Column -> number of returned values that the output's format lacks.
        returns: Kinds and columns of what the mini-batches returned.
        first_failure: The failed mini-batch that ended first.
        causes: Root cause -> number of mini-batches that failed with it.
        examples: Root cause -> one of these mini-batches.
        item_causes: Root cause -> number of items that failed with it, of isolated mini-batches.
        item_examples: Root cause -> a mini-batch and one of these items.
        only_together: Number of mini-batches with items that failed only together.
        fine_size: The number of items with which all of these would have succeeded.
        failures: The failed mini-batches with the lowest indexes.
        with_files: The mini-batches whose script has written to `output_dir`.
        slowest: The slowest mini-batches, in descending order.
    """

    mini_batches: int = 0
    failed: int = 0
    retried: int = 0
    items: int = 0
    succeeded_items: int = 0
    failed_items: int = 0
    values_set_to_null: Counter[str] = field(default_factory=Counter)
    uneven_rows: int = 0
    first_uneven_row: str = ""
    written_as_null: Counter[str] = field(default_factory=Counter)
    returns: Returns = field(default_factory=Returns)
    processes: set[tuple[str, str]] = field(default_factory=set)
    first_failure: Record | None = None
    causes: Counter[str] = field(default_factory=Counter)
    examples: dict[str, Record] = field(default_factory=dict)
    item_causes: Counter[str] = field(default_factory=Counter)
    item_examples: dict[str, tuple[int, FailedItems]] = field(default_factory=dict)
    only_together: int = 0
    fine_size: int | None = None
    failures: list[Record] = field(default_factory=list)
    with_files: list[Record] = field(default_factory=list)
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
        self.uneven_rows += record.uneven_rows
        self.first_uneven_row = self.first_uneven_row or record.first_uneven_row
        self.written_as_null.update(record.written_as_null)
        self.returns.add(record)
        self.processes.add((record.node, record.process))
        if record.error is not None:
            self.failed += 1
            cause = root_cause(record.error)
            self.causes[cause] += 1
            self.examples.setdefault(cause, record)
            first = self.first_failure
            if first is None or record.ended_at < first.ended_at:
                self.first_failure = record
            if len(self.failures) < KEPT:
                self.failures.append(record)
        if record.output_dir:
            self.with_files.append(record)
        if record.isolated is not None:
            self._add_isolated(record.index, record.isolated)
        heapq.heappush(self._slowest, (record.seconds, -record.index, record))
        if len(self._slowest) > KEPT:
            heapq.heappop(self._slowest)

    def _add_isolated(self, index: int, isolated: Isolated) -> None:
        for each in isolated.failed:
            cause = root_cause(each.error)
            self.item_causes[cause] += each.stop - each.start
            self.item_examples.setdefault(cause, (index, each))
        if isolated.fine_size is not None:
            self.only_together += 1
            self.fine_size = min(self.fine_size or isolated.fine_size, isolated.fine_size)


def records(directory: StepDirectory, count: int) -> Iterator[Record]:
    """The records of those of the first `count` mini-batches that have one, in order.

    Raises:
        BrokenPart: A part is damaged.
    """
    with StepParts(directory) as parts:
        for index in range(count):
            record = parts.record(index)
            if record is not None:
                yield record.at(index)


def readable_records(directory: StepDirectory, count: int) -> Iterator[Record]:
    """As `records`, without those of damaged parts, which must not prevent a report."""
    with StepParts(directory) as parts:
        for index in range(count):
            with suppress(BrokenPart):
                record = parts.record(index)
                if record is not None:
                    yield record.at(index)


def count(records: Iterable[Record]) -> Totals:
    """Add up the records of a step."""
    totals = Totals()
    for record in records:
        totals.add(record)
    return totals
