"""Exact text of values of any type, such as partition keys have."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from prefect_parallel.data.columns.datetimes import isoformat
from prefect_parallel.data.columns.kinds import (
    TEXT,
    TIMESTAMP,
    Kind,
    by_value,
    from_text,
    wider,
)

_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_SECONDS_PER_DAY = 86_400


def texts_of(column: pa.Array[Any] | list[Any]) -> pa.Array[Any]:
    """Text of each value of a column; different values have different texts, and 0 is -0.

    Timestamps, dates and times are ISO 8601. Binary values are their UTF-8 text, or `0x` and
    hexadecimal digits. Durations, periods and intervals look as in pandas, lists and objects are
    JSON.
    """
    if isinstance(column, list):
        return pa.array([None if v is None else _unsigned_text(v) for v in column], pa.string())
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    type_ = column.type
    if (
        pa.types.is_timestamp(type_)
        or pa.types.is_time(type_)
        or pa.types.is_duration(type_)
        or pa.types.is_date(type_)
    ):
        counts = column.cast(pa.int32() if type_.bit_width == 32 else pa.int64())
        return by_value(counts, _counter_text(type_), pa.string())
    if pa.types.is_union(type_):
        texts = [texts_of(column.field(code)) for code in range(type_.num_fields)]
        starts = np.cumsum([0, *map(len, texts)])[column.type_codes.to_numpy()]
        return pa.concat_arrays(texts).take(pa.array(starts + column.offsets.to_numpy()))
    if isinstance(type_, pa.BaseExtensionType):
        if not type_.extension_name.startswith("pandas."):
            return texts_of(column.storage)
        values = column.to_pandas()
        pairs = zip(values, values.isna(), strict=True)
        return texts_of([None if missing else str(value) for value, missing in pairs])
    if pa.types.is_nested(type_):
        return texts_of(column.to_pylist())
    return by_value(column, _unsigned_text, pa.string())


def texts_of_kind(column: pa.Array[Any] | list[Any], kind: Kind) -> pa.Array[Any]:
    """Texts of a column of this kind of which a part may be text or of a wider kind.

    A value that is text there, because of other values, has the same text as elsewhere.
    """
    texts = texts_of(column)
    if kind == TEXT:
        return texts
    if isinstance(column, list) or pa.types.is_union(column.type):
        values = column if isinstance(column, list) else column.to_pylist()
        moments = [value if isinstance(value, datetime.datetime) else None for value in values]
        texts = pc.coalesce(texts_of(pa.array(moments, TIMESTAMP)), texts)
        column = pa.array(
            [value if isinstance(value, str) else None for value in values], pa.string()
        )
    if not pa.types.is_string(column.type):
        return texts
    made = [from_text(column, each, exact=True) for each in (kind, *wider(kind))]
    return pc.coalesce(*map(texts_of, made), texts)


def _unsigned_text(value: Any) -> str:
    """Text of a Python value, without the sign of zero."""
    return to_text(value + 0.0 if isinstance(value, float) else value)


def to_text(value: Any) -> str:
    """Text of a Python value."""
    if isinstance(value, (bool, int, str)):
        return str(value)
    if isinstance(value, float):
        return _float_text(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, bytes):
        return _binary_text(value)
    if isinstance(value, (list, dict)):
        return json.dumps(value, ensure_ascii=False, sort_keys=True, default=to_text)
    return str(value)


def timestamp_text(nanoseconds: int) -> str:
    """ISO 8601 in UTC."""
    return _timestamp_text(nanoseconds, 10**9)


def _counter_text(type_: pa.DataType) -> Callable[[int], str]:
    """A function from the integers that represent values of a type to their texts."""
    if pa.types.is_date(type_):
        return lambda days: isoformat(days * _SECONDS_PER_DAY)[:-9]
    per_second = _UNITS[type_.unit]
    if pa.types.is_timestamp(type_):
        return lambda count: _timestamp_text(count, per_second)
    if pa.types.is_time(type_):
        return lambda count: _time_text(count, per_second)
    return lambda count: _duration_text(count, per_second)


def _timestamp_text(count: int, per_second: int) -> str:
    seconds, rest = divmod(count, per_second)
    return f"{isoformat(seconds)}{_fraction(rest, per_second)}+00:00"


def _time_text(count: int, per_second: int) -> str:
    seconds, rest = divmod(count, per_second)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return clock + _fraction(rest, per_second)


def _duration_text(count: int, per_second: int) -> str:
    days, rest = divmod(count, _SECONDS_PER_DAY * per_second)
    return f"{days} days {'+' if days < 0 else ''}{_time_text(rest, per_second)}"


def _fraction(rest: int, per_second: int) -> str:
    """Decimals of a second, as many as needed: none, 3, 6 or 9."""
    digits = f"{rest * (10**9 // per_second):09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f".{digits}" if digits else ""


def _float_text(value: float) -> str:
    """The shortest decimal without an exponent that reads back as the same number."""
    if value != value:
        return "NaN"
    text = repr(value)
    if "e" in text:
        text = f"{Decimal(text):f}"
    return text.removesuffix(".0")


def _binary_text(value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return "0x" + value.hex()
    return "0x" + value.hex() if text.startswith("0x") else text
