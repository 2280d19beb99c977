"""`read_parquet`: row groups, or slices of large ones."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from prefect_parallel.data.columns.kinds import TIMESTAMP
from prefect_parallel.data.columns.row_batch import RowBatch
from prefect_parallel.data.formats.table_format import Facts, Preview, TableFormat
from prefect_parallel.data.locations.datastores import Datastores
from prefect_parallel.data.locations.location import Location
from prefect_parallel.data.mini_batch import File, Piece
from prefect_parallel.data.mltable.input_formats import PANDAS_DTYPES
from prefect_parallel.data.transformations.path_columns import put_around

# A row group up to this multiple of the wanted size is not sliced, since each slice decodes it.
_STAYS_WHOLE = 2

_UNNAMED = re.compile(r"__index_level_\d+__")


class Parquet(TableFormat):
    """Reads Parquet.

    Facts: `by_row`, whether a transformation works on rows. As in Azure's mltable 1.7, types of
    columns are then simplified; otherwise they are those of the file. `pandas`: the pandas metadata
    of the first file, if columns have its dtypes.
    """

    unit = "rows"

    def __init__(self, options: dict[str, Any], facts: Facts, datastores: Datastores) -> None:
        super().__init__(options, facts, datastores)
        self.keeps_types = not facts["by_row"]
        self.pandas_metadata = facts.get("pandas")
        self._pandas_dtypes = options.get(PANDAS_DTYPES, False)
        self._keeps_index = options.get("keep_index", True)
        self._last: tuple[tuple[str, int], Any] | None = None

    def pieces(self, files: Iterable[File], amount: int) -> Iterator[Piece]:
        for file in files:
            try:
                metadata = self._metadata(file)
            except (OSError, pa.ArrowException):
                yield Piece(file)
                continue
            for start, stop in _cut(metadata, amount):
                yield Piece(file, start, stop)

    def row_pieces(
        self, files: Iterable[File], wanted: Callable[[], int]
    ) -> Iterator[tuple[Piece, int | None]]:
        for file in files:
            try:
                rows = self._metadata(file).num_rows
            except (OSError, pa.ArrowException):
                yield Piece(file), None
                continue
            start = 0
            while start < rows:
                stop = min(start + wanted(), rows)
                yield Piece(file, start, stop), stop - start
                start = stop

    def infer(
        self, files: Iterable[File], preview: Preview, transformed: Iterable[tuple[Piece, RowBatch]]
    ) -> Facts:
        # The first file that can be read.
        first = next(iter(transformed), None) if self._pandas_dtypes else None
        if first is None:
            return {}
        with self._open(first[0].file) as file:
            metadata = (file.schema_arrow.metadata or {}).get(b"pandas")
        return {"pandas": metadata.decode()} if metadata else {}

    def read(self, piece: Piece, path_columns: dict[str, Any]) -> RowBatch:
        with self._open(piece.file) as file:
            table = self._rows(file, piece)
            if not self._keeps_index:
                table = table.drop_columns(_unnamed_index(file.schema_arrow))
        names = table.column_names
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"duplicate column {twice!r}")
        columns = {name: table[name].combine_chunks() for name in names}
        if not self.keeps_types:
            columns = {name: simplified(column) for name, column in columns.items()}
        return put_around(path_columns, RowBatch(columns, len(table)))

    def _open(self, file: File) -> pq.ParquetFile:
        location = Location(file.path, self._datastores)
        if not location.is_remote:
            # As bytes: Arrow encodes text as UTF-8, which not every name is.
            return pq.ParquetFile(pa.OSFile(os.fsencode(location.path)))
        # Neighboring columns are fetched together.
        return pq.ParquetFile(location.open(file.size), pre_buffer=True)

    def _metadata(self, file: File) -> pq.FileMetaData:
        with self._open(file) as opened:
            return opened.metadata

    def _rows(self, file: pq.ParquetFile, piece: Piece) -> pa.Table:
        """Decodes the row groups that contain a piece."""
        stop = file.metadata.num_rows if piece.stop is None else piece.stop
        first_row = 0
        groups: list[int] = []
        start_of_groups = 0
        for group in range(file.metadata.num_row_groups):
            after = first_row + file.metadata.row_group(group).num_rows
            if first_row < stop and after > piece.start:
                start_of_groups = start_of_groups if groups else first_row
                groups.append(group)
            first_row = after
        table = self._groups(file, piece.file.path, groups, stop - piece.start)
        return table.slice(piece.start - start_of_groups, stop - piece.start)

    def _groups(self, file: pq.ParquetFile, path: str, groups: list[int], rows: int) -> pa.Table:
        """Decodes row groups, and caches one that also contains neighboring pieces."""
        if len(groups) == 1 and self._last and self._last[0] == (path, groups[0]):
            return self._last[1]
        table = file.read_row_groups(groups, use_threads=False)
        sliced = len(groups) == 1 and len(table) > rows
        self._last = ((path, groups[0]), table) if sliced else None
        return table

    def count(self, piece: Piece) -> int:
        if piece.stop is None:
            return int(self._metadata(piece.file).num_rows) - piece.start
        return piece.stop - piece.start


def _unnamed_index(schema: pa.Schema) -> list[str]:
    """The columns that pandas made of an index without a name."""
    levels = (schema.pandas_metadata or {}).get("index_columns", [])
    return [name for name in schema.names if name in levels and _UNNAMED.fullmatch(name)]


def _cut(metadata: pq.FileMetaData, amount: int) -> Iterator[tuple[int, int]]:
    """Ranges of rows of about `amount` uncompressed bytes."""
    start = stop = size = 0
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        if group.total_byte_size > _STAYS_WHOLE * amount:
            if stop > start:
                yield start, stop
            parts = min(group.num_rows, math.ceil(group.total_byte_size / amount))
            for part in range(parts):
                yield (
                    stop + group.num_rows * part // parts,
                    stop + group.num_rows * (part + 1) // parts,
                )
            start = stop = stop + group.num_rows
            size = 0
            continue
        stop += group.num_rows
        size += group.total_byte_size
        if size >= amount and stop > start:
            yield start, stop
            start, size = stop, 0
    if stop > start:
        yield start, stop


def simplified(column: Any) -> Any:
    """Simplifies the type of a column: 64-bit numbers, timestamps without a time zone."""
    type_ = column.type
    if pa.types.is_dictionary(type_):
        return simplified(column.dictionary_decode())
    if pa.types.is_integer(type_):
        return column.cast(pa.int64())
    if pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        return column.cast(pa.float64())
    if pa.types.is_large_string(type_) or type_ == pa.string_view():
        return column.cast(pa.string())
    if pa.types.is_date(type_):
        column = column.cast(pa.timestamp("s"))
        type_ = column.type
    if not pa.types.is_timestamp(type_):
        return column
    if type_.tz is not None:
        column = pc.local_timestamp(column)
    # Timestamps that nanoseconds cannot represent become null.
    most = (2**63 - 1) // {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[type_.unit]
    counts = column.cast(pa.int64())
    fits = pc.and_(pc.less_equal(counts, most), pc.greater_equal(counts, -most))
    return pc.if_else(fits, column, pa.scalar(None, column.type)).cast(TIMESTAMP)
