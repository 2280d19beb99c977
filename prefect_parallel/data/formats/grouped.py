"""Arrow files of rows that planning has sorted by key."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pyarrow as pa

from prefect_parallel.data.columns.row_batch import Column, RowBatch
from prefect_parallel.data.formats.table_format import Facts, TableFormat
from prefect_parallel.data.locations.datastores import Datastores
from prefect_parallel.data.mini_batch import File, Piece

# Metadata of a column of JSON texts: values of several types, or nested ones.
_JSON = {b"prefect_parallel": b"json"}


class Grouped(TableFormat):
    """Reads files that `planning.grouping` wrote.

    Facts: `pandas`, as those of `Parquet`.
    """

    unit = "rows"

    def __init__(self, options: dict[str, Any], facts: Facts, datastores: Datastores) -> None:
        super().__init__(options, facts, datastores)
        self.pandas_metadata = facts.get("pandas")

    def pieces(self, files: Iterable[File], amount: int) -> Iterator[Piece]:
        return iter(())

    def row_pieces(
        self, files: Iterable[File], wanted: Callable[[], int]
    ) -> Iterator[tuple[Piece, int | None]]:
        return iter(())

    def read(self, piece: Piece, path_columns: dict[str, Any]) -> RowBatch:
        stop = piece.stop or 0
        with pa.memory_map(piece.file.path) as file:
            table = pa.ipc.open_file(file).read_all()
            return from_arrow(table.slice(piece.start, stop - piece.start))

    def count(self, piece: Piece) -> int:
        return (piece.stop or 0) - piece.start


def to_arrow(batch: RowBatch) -> pa.Table:
    """Converts a batch to an Arrow table."""
    fields = []
    arrays = []
    for name, column in batch.columns.items():
        if isinstance(column, list):
            texts = [None if value is None else json.dumps(value) for value in column]
            fields.append(pa.field(name, pa.string(), metadata=_JSON))
            arrays.append(pa.array(texts, pa.string()))
        else:
            fields.append(pa.field(name, column.type))
            arrays.append(column)
    return pa.table(arrays, schema=pa.schema(fields))


def from_arrow(table: pa.Table) -> RowBatch:
    """The inverse of `to_arrow`."""
    columns: dict[str, Column] = {}
    for field, column in zip(table.schema, table.columns, strict=True):
        if field.metadata == _JSON:
            texts = column.to_pylist()
            columns[field.name] = [None if text is None else json.loads(text) for text in texts]
        else:
            columns[field.name] = _of_one_type(column.combine_chunks())
    return RowBatch(columns, len(table))


def _of_one_type(column: Any) -> pa.Array[Any]:
    """The column, without the union if all values have the same type."""
    if not pa.types.is_union(column.type):
        return column
    codes = column.type_codes.unique().to_pylist()
    return column.field(codes[0]).take(column.offsets) if len(codes) == 1 else column
