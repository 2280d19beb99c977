"""Planning the mini-batches of a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from prefect_parallel.data.columns.row_batch import RowBatch
from prefect_parallel.data.columns.table_schema import TableSchema
from prefect_parallel.data.formats import make_format
from prefect_parallel.data.formats.table_format import Preview
from prefect_parallel.data.locations.datastores import Datastores
from prefect_parallel.data.locations.location import MLTABLE, Location
from prefect_parallel.data.mini_batch import File, MiniBatch, Piece
from prefect_parallel.data.mltable.mltable import MLTable
from prefect_parallel.data.planning.file_list import FileList
from prefect_parallel.data.planning.split import BySize
from prefect_parallel.data.planning.spooled_files import SpooledFiles
from prefect_parallel.data.reading.table_reader import TableReader
from prefect_parallel.data.reading.table_recipe import TableRecipe
from prefect_parallel.data.transformations.path_columns import PathColumns
from prefect_parallel.data.transformations.transforms import EXTRACT
from prefect_parallel.errors import InvalidInput, UnreadableMiniBatch


@dataclass(frozen=True)
class TablePlan:
    """A table whose columns are known, ready to be split."""

    recipe: TableRecipe
    unit: str
    files: Iterable[File]
    datastores: Datastores

    @classmethod
    def of(cls, table: MLTable) -> TablePlan:
        """Infers the columns of a table from its start.

        Raises:
            InvalidInput: Its rows cannot be read.
            InvalidMLTable: What its file says does not fit the data.
        """
        read = table.read_transformation
        assert read is not None
        listed = SpooledFiles(FileList(table))
        stores = table.location.datastores
        recipe = TableRecipe(
            read.name,
            read.options,
            {"by_row": _work_by_row(table)},
            tuple(each.spec for each in table.file_transformations),
            tuple(each.spec for each in table.row_transformations),
        )
        format_ = make_format(read.name, read.options, recipe.facts, stores)
        previewing = replace(recipe, options={**read.options, **format_.preview_options})
        blank = TableReader(previewing, stores)
        files = blank.format.sources(table, listed)
        try:
            preview = Preview(blank.format.pieces(files, Preview.BYTES), blank.path_columns)
            found = blank.format.infer(files, preview, _transformed(blank, preview))
            facts = {**recipe.facts, **found}
            schema = _schema(TableReader(replace(previewing, facts=facts), stores), preview)
        except UnreadableMiniBatch as error:
            raise InvalidInput(str(error)) from error
        except ValueError as error:
            raise table.problem(read, str(error)) from error
        return cls(replace(recipe, facts=facts, schema=schema), format_.unit, files, stores)

    def pieces(self, amount: int) -> Iterator[Piece]:
        """Yields pieces of about `amount` bytes, with row offsets for transformations that count.

        Raises:
            InvalidInput: A transformation counts rows, and a piece cannot be read.
        """
        table = TableReader(self.recipe, self.datastores)
        found = table.format.pieces(self.files, amount)
        return _RowOffsets(table).place((piece, None) for piece in found)

    def row_pieces(self, rows: int) -> Iterator[Piece]:
        """Yields pieces of exactly `rows` rows, the last one of each file of fewer.

        Rows are counted after `skip`, `take` and `take_random_sample`, and before `filter`. A piece
        has fewer if the random sample keeps fewer of 16 million rows.

        Raises:
            InvalidInput: A transformation counts rows, and a piece cannot be read.
        """
        table = TableReader(self.recipe, self.datastores)
        offsets = _RowOffsets(table)
        return offsets.place(table.format.row_pieces(self.files, lambda: offsets.rows_for(rows)))

    def path_columns(self) -> PathColumns:
        """The columns that the paths of files determine."""
        specs = self.recipe.file_transformations
        if self.recipe.includes_path:
            specs += tuple(each for each in self.recipe.row_transformations if each[0] == EXTRACT)
        return PathColumns(specs, self.recipe.includes_path)

    def columns(self) -> list[str]:
        """The names of the columns after all transformations."""
        assert self.recipe.schema is not None
        return list(self.recipe.schema.types)

    def folder_notes(self, location: Location) -> tuple[str, ...]:
        """A note if folders of the files have names such as `year=2024`, and give no columns.

        Args:
            location: The input, or its MLTable file.
        """
        transformations = (*self.recipe.file_transformations, *self.recipe.row_transformations)
        first = next(iter(self.files), None)
        if first is None or any(name == EXTRACT for name, _ in transformations):
            return ()
        is_file = location.path == first.path or location.name == MLTABLE
        folder = (location.parent if is_file else location).path.rstrip("/")
        parts = first.path.removeprefix(f"{folder}/").split("/")[:-1]
        names = [part.partition("=")[0] for part in parts if "=" in part]
        if set(names) <= set(self.columns()):
            return ()
        shown = "/".join(f"{name}={{{name}}}" for name in names)
        return (
            f"to have {', '.join(names)} in the paths of the files as columns, write an MLTable"
            f' file with extract_columns_from_partition_format: {{partition_format: "/{shown}/*"}}',
        )

    def mini_batches(self, split: BySize) -> Iterator[MiniBatch]:
        pieces = self.row_pieces(split.rows) if split.rows else self.pieces(split.bytes)
        for index, piece in enumerate(pieces):
            yield MiniBatch(index, (piece,), self.unit)

    @property
    def filters(self) -> bool:
        """Whether a transformation drops rows by their values."""
        return any(name == "filter" for name, _ in self.recipe.row_transformations)


class _RowOffsets:
    """Counts the rows before each piece of a table."""

    def __init__(self, table: TableReader) -> None:
        self._table = table
        self._offsets = [0] * len(table.transforms.counting)

    def rows_for(self, kept: int) -> int:
        """How many of the next rows to read for `kept` rows after transformations that count."""
        return self._table.transforms.rows_for(kept, self._offsets)

    def place(self, pieces: Iterable[tuple[Piece, int | None]]) -> Iterator[Piece]:
        """Yields the pieces that have rows left, with their row offsets.

        Args:
            pieces: The pieces, with their number of rows if it is known.

        Raises:
            InvalidInput: The rows of a piece cannot be counted.
        """
        transforms = self._table.transforms
        if not transforms.counting:
            yield from (piece for piece, _ in pieces)
            return
        for piece, rows in pieces:
            if transforms.drops_all_from(self._offsets):
                return
            placed = replace(piece, row_offsets=tuple(self._offsets))
            if transforms.keeps_all_from(self._offsets):
                yield placed
                continue
            try:
                left, row_counts = self._count(placed, rows)
            except UnreadableMiniBatch as error:
                raise InvalidInput(
                    f"skip, take and take_random_sample need all rows to be counted: {error}"
                ) from error
            self._offsets = self._table.transforms.advanced(self._offsets, row_counts)
            if left:
                yield placed

    def _count(self, piece: Piece, rows: int | None) -> tuple[int, list[int]]:
        """The rows of a piece after all transformations, and before each one that counts."""
        table = self._table
        if table.transforms.countable:
            rows = table.count(piece) if rows is None else rows
            return table.transforms.count(rows, piece.row_offsets)
        batch, row_counts = table.transformed(piece)
        return batch.rows, row_counts


def _work_by_row(table: MLTable) -> bool:
    """Whether a transformation works row by row, which simplifies the types of Parquet columns."""
    by_row = ("filter", "skip", "take", "take_random_sample", "convert_column_types")
    return any(each.name in by_row for each in table.row_transformations)


def _transformed(table: TableReader, preview: Preview) -> Iterator[tuple[Piece, RowBatch]]:
    """Yields the rows of a preview after the transformations, without pieces that cannot be read.

    Raises:
        UnreadableMiniBatch: No piece can be read.
    """
    row_offsets = [0] * len(table.transforms.counting)
    unreadable: UnreadableMiniBatch | None = None
    some = False
    for piece in preview.pieces:
        try:
            batch, row_counts = table.transformed(replace(piece, row_offsets=tuple(row_offsets)))
        except UnreadableMiniBatch as error:
            unreadable = unreadable or error
            continue
        row_offsets = table.transforms.advanced(row_offsets, row_counts)
        some = True
        yield piece, batch
    if unreadable and not some:
        raise unreadable


def _schema(table: TableReader, preview: Preview) -> TableSchema:
    """The schema of the rows after all transformations."""
    batches: list[RowBatch] = []
    unreadable: list[UnreadableMiniBatch] = []
    for piece, batch in _transformed(table, preview):
        try:
            batches.append(table.finish(batch, piece))
        except UnreadableMiniBatch as error:
            unreadable.append(error)
    if unreadable and not batches:
        raise unreadable[0]
    schema = TableSchema.of(batches)
    if table.transforms.chooses and not schema.types and any(batch.rows for batch in batches):
        raise ValueError("the transformations leave no column of the table")
    return schema
