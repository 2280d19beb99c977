"""The columns that all mini-batches of a table have."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from prefect_parallel.arrow_types import common_type
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
                types[name] = _common(types.get(name, type_), type_)
                if kinds.count_nulls(column):
                    nullable.add(name)
            if batch.rows:
                nullable |= types.keys() - batch.columns.keys()
            rows += batch.rows
        return cls(types, frozenset(nullable))

    def align(self, batch: RowBatch) -> RowBatch:
        """Gives a batch these columns in this order, followed by its others.

        A column keeps a type that the preview did not have, or whose values do not fit into the
        one of the table.
        """
        columns: dict[str, Column] = {}
        for name, type_ in self.types.items():
            column = batch.columns.get(name)
            if column is None:
                column = pa.nulls(batch.rows, type_)
            elif isinstance(column, pa.Array) and column.type != type_:
                common = _common(column.type, type_)
                is_known = common is not None and common == type_
                column = _cast(column, type_ if is_known else common_type([column.type]))
            columns[name] = column
        others = {n: c for n, c in batch.columns.items() if n not in columns}
        return replace(batch, columns={**columns, **others})


def _common(one: pa.DataType | None, other: pa.DataType | None) -> pa.DataType | None:
    """The type of a column that has these types in different batches; None: objects."""
    if one is None or other is None:
        return None
    pair = (one, other)
    if any(map(pa.types.is_decimal, pair)) and any(map(pa.types.is_floating, pair)):
        return pa.float64()
    return common_type(pair)


def _cast(column: pa.Array[Any], type_: pa.DataType) -> pa.Array[Any]:
    """The column with another type, or as it is if a value does not fit."""
    try:
        return column.cast(type_)
    except pa.ArrowException:
        return column


def join(batches: Sequence[RowBatch]) -> RowBatch:
    """Concatenate batches; a column that a batch lacks is null in its rows.

    A column that has several types is a dense union of them.
    """
    schema = TableSchema.of(batches)
    aligned = [schema.align(batch) for batch in batches]
    columns: dict[str, Column] = {}
    for name in schema.types:
        parts = [batch.columns[name] for batch in aligned]
        arrays = [part for part in parts if isinstance(part, pa.Array)]
        if len(arrays) < len(parts):
            columns[name] = [value for part in parts for value in values_of(part)]
        elif all(array.type == arrays[0].type for array in arrays):
            columns[name] = pa.concat_arrays(arrays)
        else:
            columns[name] = _union(arrays)
    lost = sum((batch.values_set_to_null for batch in batches), Counter[str]())
    return RowBatch(
        columns,
        sum(batch.rows for batch in batches),
        lost,
        sum(batch.uneven_rows for batch in batches),
        next((batch.first_uneven_row for batch in batches if batch.uneven_rows), ""),
    )


def _union(arrays: Sequence[pa.Array[Any]]) -> pa.Array[Any]:
    types = list(dict.fromkeys(array.type for array in arrays))
    children = [pa.concat_arrays([a for a in arrays if a.type == type_]) for type_ in types]
    codes = np.repeat([types.index(array.type) for array in arrays], list(map(len, arrays)))
    offsets = np.empty(len(codes), np.int32)
    for code, child in enumerate(children):
        offsets[codes == code] = np.arange(len(child))
    return pa.UnionArray.from_dense(pa.array(codes, pa.int8()), pa.array(offsets), children)


def values_of(column: Column) -> list[Any]:
    """The values of a column as Python objects."""
    return column.to_pylist() if isinstance(column, pa.Array) else column
