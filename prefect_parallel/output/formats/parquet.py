"""Parquet: one table, in row groups of a good size."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from prefect_parallel.output.formats.arrow_columns import WAY_OUT, array_of, columns_of
from prefect_parallel.output.formats.common_schema import schema_text
from prefect_parallel.output.formats.output_format import (
    Encoded,
    OutputFormat,
    Parts,
    UnencodableReturn,
    unique_names,
)
from prefect_parallel.output.mixed_returns import MixedReturns

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from prefect_parallel.output.returns import Returns

_ROWS = b"rows"
"""How many rows a part has, in the metadata of its schema, if it has no column to count them by."""

_THREADED = 1024 * 1024
"""Size of a part, in bytes, from which Arrow's threads save more time than they cost."""


class Parquet(OutputFormat):
    """One table; a list of dicts gives a column for each key, another list the column `value`."""

    ROW_GROUP_BYTES = 64 * 1024 * 1024

    COMBINED = 1_000
    """How many tables of parts are combined at a time: a small table takes kilobytes in memory."""

    def encode_frame(self, frame: pd.DataFrame) -> Encoded:
        import pyarrow as pa

        names = unique_names(frame.columns)
        columns = [_column(name, frame.iloc[:, at]) for at, name in enumerate(names)]
        return self._encode(pa.table(columns, names), len(frame))

    def encode_elements(self, elements: Sequence[Any]) -> Encoded:
        import pyarrow as pa

        if elements and all(isinstance(element, dict) for element in elements):
            columns = columns_of(elements)
        else:
            columns = {"value": array_of("value", elements)}
        return self._encode(pa.table(columns), len(elements))

    def _encode(self, table: pa.Table, rows: int) -> Encoded:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not table.columns:
            table = table.replace_schema_metadata({_ROWS: str(rows)})
        buffer = io.BytesIO()
        try:
            pq.write_table(table, buffer)
        except pa.ArrowException as error:
            raise UnencodableReturn(f"returned what Parquet cannot hold: {error}") from error
        return Encoded(buffer.getvalue(), schema=schema_text(table))

    def join(self, parts: Parts, returns: Returns, target: BinaryIO, *, header: bool) -> None:
        """Write one table; a column's type is the narrowest that holds it in every part.

        Row groups are filled up, since a row group for each mini-batch would make a poor file.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = returns.common_schema()
        with pq.ParquetWriter(target, schema) as writer:
            waiting: list[pa.Table] = []
            size = 0
            for record, payload in parts.iterate():
                blob = _blob(payload)
                table = pq.ParquetFile(blob).read(use_threads=blob.size() >= _THREADED)
                waiting.append(_conform(table, schema, record.index))
                size += waiting[-1].nbytes
                if size >= self.ROW_GROUP_BYTES:
                    writer.write_table(pa.concat_tables(waiting))
                    waiting, size = [], 0
                elif len(waiting) == self.COMBINED:
                    waiting = [pa.concat_tables(waiting).combine_chunks()]
            if waiting:
                writer.write_table(pa.concat_tables(waiting))


def _column(name: str, column: pd.Series[Any]) -> Any:
    """A column as an Arrow array, chunked or not.

    Raises:
        UnencodableReturn: Parquet has no type for its values.
    """
    import pyarrow as pa

    if column.dtype == object:
        return array_of(name, column.where(column.notna(), None).tolist())
    try:
        return pa.array(column, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise UnencodableReturn(
            f"returned a column {name!r} of type {column.dtype}, which Parquet cannot hold: {error}"
        ) from error


def _blob(payload: BinaryIO) -> pa.BufferReader:
    """The rest of a file, mapped into memory: reading a schema touches the file's end only."""
    import pyarrow as pa

    if isinstance(payload, io.BytesIO):
        return pa.BufferReader(payload.getvalue())
    with pa.memory_map(payload.name) as file:
        return pa.BufferReader(file.read_buffer().slice(payload.tell()))


def _conform(table: pa.Table, schema: pa.Schema, index: int) -> pa.Table:
    """The table with all columns of a schema."""
    import pyarrow as pa

    rows = int((table.schema.metadata or {}).get(_ROWS, len(table)))
    known = set(table.column_names)
    columns = []
    for field in schema:
        if field.name not in known:
            columns.append(pa.nulls(rows, field.type))
            continue
        column = table[field.name]
        if column.null_count == rows:
            columns.append(pa.nulls(rows, field.type))
            continue
        try:
            columns.append(column if column.type == field.type else column.cast(field.type))
        except pa.ArrowException as error:
            raise MixedReturns(
                f"column {field.name!r} is {column.type} in mini-batch {index} and, with"
                f" those of other mini-batches, {field.type}: {error}",
                hint=WAY_OUT,
            ) from error
    return pa.table(columns, schema=schema)
