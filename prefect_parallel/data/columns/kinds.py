"""Kinds of text columns: inferring them, and converting text to them.

A kind is a JSON object such as `{"kind": "int"}`. A datetime also has `formats`, an empty list if
no value decides whether day or month comes first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from prefect_parallel.data.columns.date_inference import YEAR_FIRST, by_arrow, formats_of
from prefect_parallel.data.columns.datetime_formats import parser

Kind = dict[str, Any]

TEXT: Kind = {"kind": "text"}
# A column that has only nulls.
NOTHING: Kind = {"kind": "null"}

TIMESTAMP = pa.timestamp("ns")
ARROW_TYPES: dict[str, pa.DataType] = {
    "text": pa.string(),
    "int": pa.int64(),
    "float": pa.float64(),
    "boolean": pa.bool_(),
    "datetime": TIMESTAMP,
    "null": pa.null(),
}

_INTEGER = re.compile(r"[+-]?[0-9]+")
_FLOAT = re.compile(
    r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|nan|inf|infinity)", re.IGNORECASE
)
INT64 = range(-(2**63), 2**63)
TRUE_WORDS = ("true", "True", "TRUE", "t", "T", "Yes", "YES", "Y", "1")
FALSE_WORDS = ("false", "False", "FALSE", "f", "F", "No", "NO", "N", "0")
BOOLEANS = {**dict.fromkeys(TRUE_WORDS, True), **dict.fromkeys(FALSE_WORDS, False)}
# The words that pandas takes for booleans.
PANDAS_BOOLEANS = {word: BOOLEANS[word] for word in BOOLEANS if word.lower() in ("true", "false")}

# Doubles from here on may be rounded integers.
_ROUNDED = 2.0**53
_LONG_INTEGER = r"^\s*[+-]?[0-9]{16,}\s*$"


def infer(values: Sequence[str | None], *, exact: bool = False) -> Kind:
    """The first kind that fits all values: boolean, int, float, datetime, text.

    Args:
        exact: Whether it is text if another kind would lose or change a value.
    """
    kind = _first_fitting(values, PANDAS_BOOLEANS if exact else BOOLEANS)
    if exact:
        column = pa.array(values, pa.string())
        if from_text(column, kind, exact=True).null_count > column.null_count:
            return TEXT
    return kind


def wider(kind: Kind) -> list[Kind]:
    """The kinds that a column of this kind may have if a value does not fit; the last is text."""
    if kind["kind"] == "int":
        return [{"kind": "float"}, TEXT]
    if kind["kind"] == "datetime":
        return [{**kind, "formats": [*kind["formats"], *YEAR_FIRST]}, TEXT]
    return [TEXT]


def _first_fitting(values: Sequence[str | None], booleans: Mapping[str, bool]) -> Kind:
    given = dict.fromkeys(value for value in values if value is not None)
    if not given:
        return NOTHING
    trimmed = [value.strip() for value in given]
    if all(value in booleans for value in trimmed):
        return {"kind": "boolean"}
    if all(_INTEGER.fullmatch(value) and _in_int64(value) for value in trimmed):
        return {"kind": "int"}
    if all(_FLOAT.fullmatch(value) for value in trimmed):
        return {"kind": "float"}
    formats = formats_of(given)
    return TEXT if formats is None else {"kind": "datetime", "formats": formats}


def from_text(values: pa.Array[Any], kind: Kind, *, exact: bool = False) -> pa.Array[Any]:
    """Converts text to a kind; values that do not fit become null.

    Args:
        exact: Whether fractions do not fit a column of integers, long integers one of floats, and
            words other than true and false one of booleans.
    """
    name = kind["kind"]
    if name == "text":
        return values
    if name == "null":
        return values if values.null_count < len(values) else pa.nulls(len(values))
    if name == "datetime":
        fast = by_arrow(values, kind["formats"])
        return fast if fast is not None else by_value(values, parser(kind["formats"]), TIMESTAMP)
    words = PANDAS_BOOLEANS if exact else BOOLEANS
    convert: Callable[[str], Any] = {
        "int": to_whole if exact else to_int,
        "float": to_exact_float if exact else to_float,
        "boolean": lambda text: words.get(text.strip()),
    }[name]
    return by_value(values, convert, ARROW_TYPES[name])


def to_double(number: float) -> float:
    """The nearest 64-bit float; an infinity for an integer beyond its range."""
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def by_value(
    values: pa.Array[Any], convert: Callable[[Any], Any], type_: pa.DataType
) -> pa.Array[Any]:
    """Converts each distinct value once; `convert` returns None for one that does not fit."""
    encoded = values.dictionary_encode()
    made = [None if value is None else convert(value) for value in encoded.dictionary.to_pylist()]
    return pa.array(made, type_).take(encoded.indices)


def to_int(text: str) -> int | None:
    """An integer, or a float truncated towards zero."""
    trimmed = text.strip()
    if _INTEGER.fullmatch(trimmed) and _in_int64(trimmed):
        return int(trimmed)
    number = to_float(trimmed)
    return None if number is None else cut(number)


def to_whole(text: str) -> int | None:
    """An integer, or a float without a fraction."""
    number = to_int(text)
    is_whole = _INTEGER.fullmatch(text.strip()) or to_float(text) == number
    return number if is_whole else None


def cut(number: float) -> int | None:
    """Truncates towards zero; None if the result does not fit into 64 bits."""
    if number != number or number in (float("inf"), float("-inf")):
        return None
    return int(number) if int(number) in INT64 else None


def to_float(text: str) -> float | None:
    trimmed = text.strip()
    return float(trimmed) if _FLOAT.fullmatch(trimmed) else None


def to_exact_float(text: str) -> float | None:
    """A float; None for an integer that exceeds 64 bits or that a float would round."""
    trimmed = text.strip()
    number = to_float(trimmed)
    is_rounded = _INTEGER.fullmatch(trimmed) and (not _in_int64(trimmed) or int(trimmed) != number)
    return None if is_rounded else number


def may_be_rounded(floats: pa.ChunkedArray[Any]) -> bool:
    """Whether some of these floats are so large that they may be rounded integers."""
    extremes = pc.min_max(floats).as_py()
    return any(abs(end) >= _ROUNDED for end in extremes.values() if end is not None)


def has_long_integer(texts: pa.ChunkedArray[Any]) -> bool:
    """Whether a text is an integer that a float may round."""
    return bool(pc.any(pc.match_substring_regex(texts, _LONG_INTEGER)).as_py())


def _in_int64(digits: str) -> bool:
    significant = digits.lstrip("+-").lstrip("0")
    return len(significant) <= 19 and int(significant or "0") <= 2**63 - (digits[0] != "-")


def count_nulls(column: Any) -> int:
    if isinstance(column, pa.Array):
        return int(column.null_count)
    return sum(value is None for value in column)
