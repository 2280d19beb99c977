"""The columns that all mini-batches of a table have."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from prefect_parallel.data.columns import kinds
from prefect_parallel.data.columns.row_batch import Column, RowBatch


@dataclass(frozen=True)
class TableSchema:
    """The columns of a table, as inferred from its preview.

    Attributes:
        types: Types by name, in order; None: Python objects of several types, or nested ones.
    """

    types: Mapping[str, pa.DataType | None]
    nullable: frozenset[str]

    def to_json(self) -> dict[str, Any]:
        fields = [pa.field(name, type_ or pa.null()) for name, type_ in self.types.items()]
        return {
            "arrow": base64.b64encode(pa.schema(fields).serialize()).decode(),
            "objects": [name for name, type_ in self.types.items() if type_ is None],
            "nullable": sorted(self.nullable),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> TableSchema:
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(value["arrow"])))
        objects = set(value["objects"])
        types = {field.name: None if field.name in objects else field.type for field in schema}
        return cls(types, frozenset(value["nullable"]))

    @classmethod
    def of(cls, batches: Iterable[RowBatch]) -> TableSchema:
        """The schema of batches: columns in the order of their first appearance."""
        types: dict[str, pa.DataType | None] = {}
        nullable: set[str] = set()
        rows = 0
        for batch in batches:
            if rows:  # Earlier rows lack the new columns of this batch.
                nullable |= batch.columns.keys() - types.keys()
            for name, column in batch.columns.items():
                type_ = column.type if isinstance(column, pa.Array) else None
                types[name] = _common(types[name], type_) if name in types else type_
                if kinds.count_nulls(column):
                    nullable.add(name)
            if batch.rows:
                nullable |= types.keys() - batch.columns.keys()
            rows += batch.rows
        return cls(types, frozenset(nullable))

    def align(self, batch: RowBatch) -> RowBatch:
        """Gives a batch these columns in this order, followed by its others."""
        columns: dict[str, Column] = {}
        for name, type_ in self.types.items():
            column = batch.columns.get(name)
            if column is None:
                column = pa.nulls(batch.rows, type_)
            if type_ is None:
                column = _values(column)
            elif isinstance(column, pa.Array) and _common(column.type, type_) == type_:
                # Otherwise a file beyond the preview has a wider type, which is kept.
                column = column.cast(type_, safe=False)
            columns[name] = column
        others = {n: c for n, c in batch.columns.items() if n not in columns}
        return replace(batch, columns={**columns, **others})


def _common(one: pa.DataType | None, other: pa.DataType | None) -> pa.DataType | None:
    """The type of a column that has these types in different batches; None: objects."""
    if one is None or other is None:
        return None
    if one == other:
        return one
    try:
        (field,) = pa.unify_schemas(
            [pa.schema([("", one)]), pa.schema([("", other)])], promote_options="permissive"
        )
    except (pa.ArrowTypeError, pa.ArrowInvalid):
        return None
    return field.type


def join(batches: Sequence[RowBatch]) -> RowBatch:
    """Concatenate batches; a column that a batch lacks is null in its rows."""
    schema = TableSchema.of(batches)
    aligned = [schema.align(batch) for batch in batches]
    columns: dict[str, Column] = {}
    for name, type_ in schema.types.items():
        parts = [batch.columns[name] for batch in aligned]
        if type_ is None:
            columns[name] = [value for part in parts for value in part]
        else:
            columns[name] = pa.concat_arrays(parts)
    lost = sum((batch.values_set_to_null for batch in batches), Counter[str]())
    return RowBatch(
        columns,
        sum(batch.rows for batch in batches),
        lost,
        sum(batch.uneven_rows for batch in batches),
        next((batch.first_uneven_row for batch in batches if batch.uneven_rows), ""),
    )


def _values(column: Column) -> list[Any]:
    return column.to_pylist() if isinstance(column, pa.Array) else column
