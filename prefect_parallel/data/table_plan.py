"""Planning the mini-batches of a table."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from prefect_parallel.data.file_list import FileList
from prefect_parallel.data.format import Look, make_format
from prefect_parallel.data.mini_batch import File, MiniBatch, Piece
from prefect_parallel.data.mltable import MLTable
from prefect_parallel.data.steps import make_step
from prefect_parallel.data.table import Schema, TableReader
from prefect_parallel.errors import InvalidInput, UnreadableMiniBatch


@dataclass(frozen=True)
class TablePlan:
    """A table, looked at and ready to be split.

    Attributes:
        reader: For `open_reader`.
        unit: What its pieces are measured in.
    """

    reader: dict[str, Any]
    unit: str
    files: Iterable[File]

    @classmethod
    def of(cls, table: MLTable) -> TablePlan:
        """Looks at the start of a table.

        Raises:
            InvalidInput: Its rows cannot be read.
            InvalidMLTable: What its file says does not fit the data.
        """
        read = table.read_step
        assert read is not None
        check_steps(table)
        reader: dict[str, Any] = {
            "kind": "table",
            "format": read.name,
            "options": read.options,
            "facts": {},
            "file_steps": [(step.name, step.options) for step in table.file_steps],
            "row_steps": [(step.name, step.options) for step in table.row_steps],
        }
        format_ = make_format(read.name, read.options, {"row_steps": _work_by_row(table)})
        files = format_.sources(FileList(table))
        blank = TableReader(reader)
        look = Look(format_.pieces(files, Look.BYTES), blank.path_columns)
        try:
            facts = format_.survey(files, look)
            facts["row_steps"] = _work_by_row(table)
            reader["facts"] = facts
            reader["schema"] = _schema(reader, look).to_json()
        except UnreadableMiniBatch as error:
            raise InvalidInput(str(error)) from error
        except ValueError as error:
            raise table.problem(read, str(error)) from error
        return cls(reader, format_.unit, files)

    def pieces(self, amount: int) -> Iterator[Piece]:
        """Pieces of about so many bytes, with what counting steps need to know."""
        table = TableReader(self.reader)
        pieces = table.format.pieces(self.files, amount)
        if not table.steps.counting:
            yield from pieces
            return
        entered = [0] * table.steps.counting
        for piece in pieces:
            if table.steps.exhausted(entered):
                return
            placed = replace(piece, entered=tuple(entered))
            if table.steps.countable:
                left, reached = table.steps.count(table.format.count(piece), entered)
            else:
                block, reached = table.piece(placed, Counter())
                left = block.rows
            entered = [before + more for before, more in zip(entered, reached, strict=True)]
            if left:
                yield placed

    def mini_batches(self, amount: int) -> Iterator[MiniBatch]:
        for index, piece in enumerate(self.pieces(amount)):
            yield MiniBatch(index, (piece,), self.unit)


def check_steps(table: MLTable) -> None:
    """Makes sure that each transformation can be made.

    Raises:
        InvalidMLTable: One cannot.
    """
    for step in itertools.chain(table.file_steps, table.row_steps):
        try:
            make_step(step.name, step.options)
        except ValueError as error:
            raise table.problem(step, str(error)) from error


def _work_by_row(table: MLTable) -> bool:
    """Whether a transformation works row by row, which unifies the types of Parquet."""
    by_row = ("filter", "skip", "take", "take_random_sample", "convert_column_types")
    return any(step.name in by_row for step in table.row_steps)


def _schema(reader: dict[str, Any], look: Look) -> Schema:
    """The columns that come out of all transformations."""
    table = TableReader(reader)
    entered = [0] * table.steps.counting
    blocks = []
    unreadable: UnreadableMiniBatch | None = None
    for piece in look.pieces:
        try:
            block, reached = table.piece(replace(piece, entered=tuple(entered)), Counter())
        except UnreadableMiniBatch as error:
            unreadable = unreadable or error
            continue
        entered = [before + more for before, more in zip(entered, reached, strict=True)]
        blocks.append(block)
    if unreadable and not blocks:
        raise unreadable
    return Schema.of(blocks)
