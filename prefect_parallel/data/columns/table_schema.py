"""What the mini-batches of a table have in common."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from prefect_parallel.data.columns import kinds
from prefect_parallel.data.columns.row_batch import Block, Column


@dataclass(frozen=True)
class Schema:
    """The columns of all mini-batches, as planning saw them.

    Attributes:
        types: By name, in their order; None: Python objects of several kinds, or nested ones.
        nullable: Columns that hold nulls somewhere.
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
    def from_json(cls, value: dict[str, Any]) -> Schema:
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(value["arrow"])))
        objects = set(value["objects"])
        types = {field.name: None if field.name in objects else field.type for field in schema}
        return cls(types, frozenset(value["nullable"]))

    @classmethod
    def of(cls, blocks: Iterable[Block]) -> Schema:
        """What blocks have in common: columns in the order of their first appearance."""
        types: dict[str, pa.DataType | None] = {}
        nullable: set[str] = set()
        rows = 0
        for block in blocks:
            if rows:  # The rows before this block have none of its new columns.
                nullable |= block.columns.keys() - types.keys()
            for name, column in block.columns.items():
                type_ = column.type if isinstance(column, pa.Array) else None
                types[name] = _common(types[name], type_) if name in types else type_
                if kinds.count_nulls(column):
                    nullable.add(name)
            if block.rows:
                nullable |= types.keys() - block.columns.keys()
            rows += block.rows
        return cls(types, frozenset(nullable))

    def align(self, block: Block) -> Block:
        """The block with these columns in this order; others come last."""
        columns: dict[str, Column] = {}
        for name, type_ in self.types.items():
            column = block.columns.get(name)
            if column is None:
                column = pa.nulls(block.rows, type_)
            if type_ is None:
                column = _values(column)
            elif isinstance(column, pa.Array) and _common(column.type, type_) == type_:
                # Else a file behind those that planning looked at is of a wider type: it stays.
                column = column.cast(type_, safe=False)
            columns[name] = column
        others = {n: c for n, c in block.columns.items() if n not in columns}
        return replace(block, columns={**columns, **others})


def _common(one: pa.DataType | None, other: pa.DataType | None) -> pa.DataType | None:
    """The type of a column that is of these types in different places."""
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


def join(blocks: Sequence[Block]) -> Block:
    """Blocks one after the other; a column that one lacks is null there."""
    schema = Schema.of(blocks)
    aligned = [schema.align(block) for block in blocks]
    columns: dict[str, Column] = {}
    for name, type_ in schema.types.items():
        parts = [block.columns[name] for block in aligned]
        if type_ is None:
            columns[name] = [value for part in parts for value in part]
        else:
            columns[name] = pa.concat_arrays(parts)
    lost = sum((block.values_set_to_null for block in blocks), Counter[str]())
    return Block(columns, sum(block.rows for block in blocks), lost)


def _values(column: Column) -> list[Any]:
    return column.to_pylist() if isinstance(column, pa.Array) else column
