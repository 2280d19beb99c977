"""`convert_column_types`: conversion of values to other types."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from prefect_parallel.data.columns import kinds
from prefect_parallel.data.columns.datetime_formats import parser
from prefect_parallel.data.columns.kinds import FALSE_WORDS, TRUE_WORDS, by_value
from prefect_parallel.data.columns.row_batch import Column
from prefect_parallel.data.columns.texts import timestamp_text, to_text


class Conversion:
    """Conversion of columns to one type.

    A value that cannot be converted becomes null. Datetimes are converted only from text, numbers
    only from numbers and text.
    """

    def __init__(self, column_type: str | dict[str, Any]) -> None:
        """Prepares the conversion to a type as in an MLTable file.

        Raises:
            ValueError: Its options contradict each other.
        """
        name, options = (
            (column_type, {}) if isinstance(column_type, str) else next(iter(column_type.items()))
        )
        self._name = name
        if not isinstance(column_type, str) and len(column_type) != 1:
            raise ValueError("column_type is both boolean and datetime: choose one")
        if name == "datetime":
            if not options["formats"]:
                raise ValueError("formats is empty: give at least one")
            self._parse = parser(options["formats"], options.get("date_constant"))
        if name == "boolean":
            self._words, self._mismatch = _words(options)

    def convert(self, column: Column) -> tuple[Column, int]:
        """Converts a column, and counts the values that became null."""
        made = self._convert(column)
        return made, kinds.count_nulls(made) - kinds.count_nulls(column)

    def _convert(self, column: Column) -> Column:
        if self._name == "stream_info":
            return column
        type_ = {
            "int": pa.int64(),
            "float": pa.float64(),
            "string": pa.string(),
            "boolean": pa.bool_(),
            "datetime": kinds.TIMESTAMP,
        }[self._name]
        if isinstance(column, pa.Array) and pa.types.is_nested(column.type):
            column = column.to_pylist()
        if isinstance(column, list):
            return pa.array([None if v is None else self._value(v) for v in column], type_)
        if column.type == type_:
            return column
        if pa.types.is_null(column.type):
            return pa.nulls(len(column), type_)
        if pa.types.is_timestamp(column.type):
            if self._name != "string":
                return pa.nulls(len(column), type_)
            moments = column.cast(pa.timestamp("ns")).cast(pa.int64())
            return by_value(moments, timestamp_text, type_)
        return by_value(column, self._value, type_)

    def _value(self, value: Any) -> Any:
        if self._name == "int":
            return _to_int(value)
        if self._name == "float":
            return _to_float(value)
        if self._name == "string":
            return to_text(value) if isinstance(value, (bool, int, float, str)) else None
        if self._name == "boolean":
            return self._to_boolean(value)
        return self._parse(value) if isinstance(value, str) else None

    def _to_boolean(self, value: Any) -> bool | None:
        if isinstance(value, (bool, int, float)):
            return value != 0
        if not isinstance(value, str):
            return None
        return self._words.get(value.strip(), self._mismatch)


def _words(options: dict[str, Any]) -> tuple[dict[str, bool], bool | None]:
    given = [key for key in ("true_values", "false_values") if key in options]
    if len(given) == 1:
        raise ValueError("true_values and false_values must be given together")
    true = options.get("true_values", TRUE_WORDS)
    false = options.get("false_values", FALSE_WORDS)
    both = set(true) & set(false)
    if both:
        raise ValueError(f"{min(both)!r} is both a true and a false value")
    mismatch = {"true": True, "false": False}.get(options.get("mismatch_as", "error"))
    return {**dict.fromkeys(true, True), **dict.fromkeys(false, False)}, mismatch


def _to_int(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if value in kinds.INT64 else None
    if isinstance(value, float):
        return kinds.cut(value)
    return kinds.to_int(value) if isinstance(value, str) else None


def _to_float(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return kinds.to_double(value)
    return kinds.to_float(value) if isinstance(value, str) else None
