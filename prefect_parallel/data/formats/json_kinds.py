"""Kinds of columns of JSON lines: inferring them, and giving a column one type."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from prefect_parallel.data.columns.kinds import INT64, to_double
from prefect_parallel.data.columns.row_batch import Column

_KINDS: dict[type, str] = {
    bool: "boolean",
    int: "int",
    float: "float",
    str: "text",
    list: "list",
    dict: "object",
}
ARROW_TYPES = {
    "boolean": pa.bool_(),
    "int": pa.int64(),
    "float": pa.float64(),
    "number": pa.float64(),
    "text": pa.string(),
}
# Kinds of columns with values of different kinds: int and float, or others.
NUMBER = "number"
MIXED = "mixed"
_TYPES = {**{kind: type_ for type_, kind in _KINDS.items()}, NUMBER: float, MIXED: object}


def first_kind(column: Iterable[Any]) -> str | None:
    """The kind of the first value that is not null."""
    first = next((value for value in column if value is not None), None)
    return None if first is None else _kind(first)


def _kind(value: Any) -> str:
    # JSON integers are unlimited, those of a column have 64 bits.
    return "float" if type(value) is int and value not in INT64 else _KINDS[type(value)]


def common(one: str, other: str) -> str:
    """The kind of a column that has these kinds in different files."""
    if one == other:
        return one
    return NUMBER if {one, other} <= {"int", "float", NUMBER} else MIXED


def of_kind(column: list[Any], kind: str | None) -> tuple[Column, int]:
    """Sets values of other kinds to null, and counts them."""
    if kind is None:
        return pa.nulls(len(column)), 0
    if {_KINDS.get(type_, kind) for type_ in set(map(type, column))} == {kind}:
        if kind not in ARROW_TYPES:
            return column, 0
        try:
            return pa.array(column, ARROW_TYPES[kind]), 0
        except OverflowError:
            pass  # An integer exceeds 64 bits.
    fitting = {"int", "float"} if kind == NUMBER else {kind}
    kept = [value if value is not None and _kind(value) in fitting else None for value in column]
    lost = kept.count(None) - column.count(None)
    if kind not in ARROW_TYPES:
        return kept, lost
    if kind in ("float", NUMBER):
        kept = [None if value is None else to_double(value) for value in kept]
    return pa.array(kept, ARROW_TYPES[kind]), lost


def widened(kind: str | None, values: list[Any]) -> str | None:
    """The kind of a column so far, or a wider one that all these values fit.

    No value is rounded: integers beside floats are a number only if all of them are doubles, and
    those of more than 64 bits are mixed.

    Returns:
        None if all values so far are null.
    """
    types = {type(value) for value in values if value is not None}
    if kind is not None:
        types.add(_TYPES[kind])
    if not types:
        return None
    if types <= {int, float}:
        rounds = float in types
        for value in values:
            if type(value) is int and (value not in INT64 or (rounds and value != float(value))):
                return MIXED
        return NUMBER if rounds else "int"
    return _KINDS.get(types.pop(), MIXED) if len(types) == 1 else MIXED


def exact(column: list[Any], kind: str | None) -> Column:
    """Gives a column its kind, or a wider one that all its values fit."""
    kind = widened(kind, column)
    if kind is None:
        return pa.nulls(len(column))
    if kind == NUMBER:
        column = [None if value is None else float(value) for value in column]
    return pa.array(column, ARROW_TYPES[kind]) if kind in ARROW_TYPES else column
