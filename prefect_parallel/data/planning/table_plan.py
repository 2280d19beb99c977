"""Planning the mini-batches of a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from prefect_parallel.data.columns.row_batch import Block
from prefect_parallel.data.columns.table_schema import Schema
from prefect_parallel.data.formats import make_format
from prefect_parallel.data.formats.table_format import Look
from prefect_parallel.data.locations.datastores import Datastores
from prefect_parallel.data.mini_batch import File, MiniBatch, Piece
from prefect_parallel.data.mltable.mltable import MLTable
from prefect_parallel.data.planning.file_list import FileList
from prefect_parallel.data.reading.table_reader import TableReader
from prefect_parallel.data.reading.table_recipe import TableRecipe
from prefect_parallel.data.transformations.path_columns import PathColumns
from prefect_parallel.data.transformations.transforms import EXTRACT
from prefect_parallel.errors import InvalidInput, UnreadableMiniBatch


@dataclass(frozen=True)
class TablePlan:
    """A table, looked at and ready to be split.

    Attributes:
        recipe: How it is read.
        unit: What its pieces are measured in.
    """

    recipe: TableRecipe
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
        read = table.read_transformation
        assert read is not None
        listed = FileList(table)
        stores = table.location.datastores
        recipe = TableRecipe(
            read.name,
            read.options,
            {"by_row": _work_by_row(table)},
            tuple(each.written for each in table.file_transformations),
            tuple(each.written for each in table.row_transformations),
        )
        format_ = make_format(read.name, read.options, recipe.facts, stores)
        looking = replace(recipe, options={**read.options, **format_.look_options})
        blank = TableReader(looking, stores)
        files = blank.format.sources(table, listed)
        try:
            look = Look(blank.format.pieces(files, Look.BYTES), blank.path_columns)
            found = blank.format.survey(files, look, _transformed(blank, look))
            facts = {**recipe.facts, **found}
            schema = _schema(TableReader(replace(looking, facts=facts), stores), look)
        except UnreadableMiniBatch as error:
            raise InvalidInput(str(error)) from error
        except ValueError as error:
            raise table.problem(read, str(error)) from error
        return cls(replace(recipe, facts=facts, schema=schema), format_.unit, files, stores)

    def pieces(self, amount: int) -> Iterator[Piece]:
        """Pieces of about so many bytes, with what counting transformations need to know.

        Raises:
            InvalidInput: There are such, and a piece cannot be read.
        """
        table = TableReader(self.recipe, self.datastores)
        pieces = table.format.pieces(self.files, amount)
        if not table.transforms.counting:
            yield from pieces
            return
        entered = [0] * len(table.transforms.counting)
        for piece in pieces:
            if table.transforms.exhausted(entered):
                return
            placed = replace(piece, entered=tuple(entered))
            if table.transforms.settled(entered):
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
        written = self.recipe.file_transformations
        if self.recipe.includes_path:
            written += tuple(each for each in self.recipe.row_transformations if each[0] == EXTRACT)
        return PathColumns(written, self.recipe.includes_path)

    def columns(self) -> list[str]:
        """The names of the columns that come out of all transformations."""
        assert self.recipe.schema is not None
        return list(self.recipe.schema.types)

    def mini_batches(self, amount: int) -> Iterator[MiniBatch]:
        for index, piece in enumerate(self.pieces(amount)):
            yield MiniBatch(index, (piece,), self.unit)


def _count(table: TableReader, piece: Piece) -> tuple[int, list[int]]:
    """How many rows of a piece come out, and how many reach each transformation that counts."""
    if table.transforms.countable:
        return table.transforms.count(table.count(piece), piece.entered)
    block, reached = table.transformed(piece)
    return block.rows, reached


def _work_by_row(table: MLTable) -> bool:
    """Whether a transformation works row by row, which unifies the types of Parquet."""
    by_row = ("filter", "skip", "take", "take_random_sample", "convert_column_types")
    return any(each.name in by_row for each in table.row_transformations)


def _transformed(table: TableReader, look: Look) -> Iterator[tuple[Piece, Block]]:
    """The rows of a look, after the transformations; pieces that cannot be read are left out.

    Raises:
        UnreadableMiniBatch: None can be read.
    """
    entered = [0] * len(table.transforms.counting)
    unreadable: UnreadableMiniBatch | None = None
    some = False
    for piece in look.pieces:
        try:
            block, reached = table.transformed(replace(piece, entered=tuple(entered)))
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
    for piece, block in _transformed(table, look):
        try:
            blocks.append(table.finish(block, piece))
        except UnreadableMiniBatch as error:
            unreadable.append(error)
    if unreadable and not blocks:
        raise unreadable[0]
    schema = Schema.of(blocks)
    if table.transforms.chooses and not schema.types and any(block.rows for block in blocks):
        raise ValueError("the transformations leave no column of the table")
    return schema
