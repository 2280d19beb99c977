"""Planning the mini-batches of a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from prefect_parallel.data.block import Block
from prefect_parallel.data.datastores import Datastores
from prefect_parallel.data.file_list import FileList
from prefect_parallel.data.format import Look, make_format
from prefect_parallel.data.mini_batch import File, MiniBatch, Piece
from prefect_parallel.data.mltable import MLTable
from prefect_parallel.data.path_columns import PathColumns
from prefect_parallel.data.schema import Schema
from prefect_parallel.data.steps import EXTRACT
from prefect_parallel.data.table import TableReader
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
    datastores: Datastores

    @classmethod
    def of(cls, table: MLTable) -> TablePlan:
        """Looks at the start of a table.

        Raises:
            InvalidInput: Its rows cannot be read.
            InvalidMLTable: What its file says does not fit the data.
        """
        read = table.read_step
        assert read is not None
        listed = FileList(table)
        reader: dict[str, Any] = {
            "kind": "table",
            "format": read.name,
            "options": read.options,
            "facts": {"row_steps": _work_by_row(table)},
            "file_steps": [(step.name, step.options) for step in table.file_steps],
            "row_steps": [(step.name, step.options) for step in table.row_steps],
        }
        stores = table.location.datastores
        look_options = make_format(read.name, read.options, reader["facts"], stores).look_options
        look_reader = {**reader, "options": {**read.options, **look_options}}
        blank = TableReader(look_reader, stores)
        format_ = blank.format
        files = format_.sources(table, listed)
        try:
            look = Look(format_.pieces(files, Look.BYTES), blank.path_columns)
            facts = format_.survey(files, look, _stepped(blank, look))
            reader["facts"].update(facts)
            reader["schema"] = _schema(TableReader(look_reader, stores), look).to_json()
        except UnreadableMiniBatch as error:
            raise InvalidInput(str(error)) from error
        except ValueError as error:
            raise table.problem(read, str(error)) from error
        return cls(reader, format_.unit, files, stores)

    def pieces(self, amount: int) -> Iterator[Piece]:
        """Pieces of about so many bytes, with what counting steps need to know.

        Raises:
            InvalidInput: There are such steps, and a piece cannot be read.
        """
        table = TableReader(self.reader, self.datastores)
        pieces = table.format.pieces(self.files, amount)
        if not table.steps.counting:
            yield from pieces
            return
        entered = [0] * len(table.steps.counting)
        for piece in pieces:
            if table.steps.exhausted(entered):
                return
            placed = replace(piece, entered=tuple(entered))
            if table.steps.settled(entered):
                yield placed
                continue
            try:
                left, reached = _count(table, placed)
            except UnreadableMiniBatch as error:
                raise InvalidInput(
                    f"skip, take and take_random_sample need all rows to be counted: {error}"
                ) from error
            entered = [before + more for before, more in zip(entered, reached, strict=True)]
            if left:
                yield placed

    def path_columns(self) -> PathColumns:
        """The columns that need no data to be read."""
        steps = [*self.reader["file_steps"]]
        includes_path = self.reader["options"].get("include_path_column", False)
        if includes_path:
            steps += [step for step in self.reader["row_steps"] if step[0] == EXTRACT]
        return PathColumns(steps, includes_path)

    def columns(self) -> list[str]:
        """The names of the columns that come out of all transformations."""
        return list(Schema.from_json(self.reader["schema"]).types)

    def mini_batches(self, amount: int) -> Iterator[MiniBatch]:
        for index, piece in enumerate(self.pieces(amount)):
            yield MiniBatch(index, (piece,), self.unit)


def _count(table: TableReader, piece: Piece) -> tuple[int, list[int]]:
    """How many rows of a piece come out of all steps, and how many reach each that counts."""
    if table.steps.countable:
        return table.steps.count(table.count(piece), piece.entered)
    block, reached = table.stepped(piece)
    return block.rows, reached


def _work_by_row(table: MLTable) -> bool:
    """Whether a transformation works row by row, which unifies the types of Parquet."""
    by_row = ("filter", "skip", "take", "take_random_sample", "convert_column_types")
    return any(step.name in by_row for step in table.row_steps)


def _stepped(table: TableReader, look: Look) -> Iterator[tuple[Piece, Block]]:
    """The rows of a look, after the transformations; pieces that cannot be read are left out.

    Raises:
        UnreadableMiniBatch: None can be read.
    """
    entered = [0] * len(table.steps.counting)
    unreadable: UnreadableMiniBatch | None = None
    some = False
    for piece in look.pieces:
        try:
            block, reached = table.stepped(replace(piece, entered=tuple(entered)))
        except UnreadableMiniBatch as error:
            unreadable = unreadable or error
            continue
        entered = [before + more for before, more in zip(entered, reached, strict=True)]
        some = True
        yield piece, block
    if unreadable and not some:
        raise unreadable


def _schema(table: TableReader, look: Look) -> Schema:
    """The columns that come out of all transformations."""
    blocks: list[Block] = []
    unreadable: list[UnreadableMiniBatch] = []
    for piece, block in _stepped(table, look):
        try:
            blocks.append(table.finish(block, piece))
        except UnreadableMiniBatch as error:
            unreadable.append(error)
    if unreadable and not blocks:
        raise unreadable[0]
    schema = Schema.of(blocks)
    if table.steps.chooses and not schema.types and any(block.rows for block in blocks):
        raise ValueError("the transformations leave no column of the table")
    return schema
