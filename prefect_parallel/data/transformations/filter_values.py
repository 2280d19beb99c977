"""Vectorised values and operations of filter expressions."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from prefect_parallel.data.columns.kinds import INT64, TIMESTAMP, to_double

# Order of values of different kinds, as in Azure's mltable 1.7.
_RANKS = ("boolean", "number", "text", "datetime", "other")


@dataclass(frozen=True)
class Value:
    """A value for each row, or one for all rows.

    Attributes:
        kind: `boolean`, `number`, `text`, `datetime` or `other`; `null` if all values are null.
        data: Arrow array, or a scalar for all rows.
        errors: Boolean array or scalar: rows for which the value cannot be computed.
        reason: Why it cannot be computed.
    """

    kind: str
    data: Any
    errors: Any = None
    reason: str = ""

    def take(self, rows: Sequence[int]) -> Value:
        """The values of some rows."""
        return (
            self if isinstance(self.data, pa.Scalar) else replace(self, data=self.data.take(rows))
        )

    @property
    def valid(self) -> Any:
        return pc.is_valid(self.data)


_NULL = Value("null", pa.scalar(None, pa.bool_()))


def literal(value: Any) -> Value:
    """A constant."""
    if value is None:
        return _NULL
    if isinstance(value, datetime.datetime):
        # Via text: Arrow would apply the local time zone.
        return Value("datetime", pa.scalar(value.isoformat()).cast(TIMESTAMP))
    return Value(_kind(pa.scalar(value).type), pa.scalar(value))


def of_array(array: pa.Array[Any]) -> Value:
    """A column."""
    kind = _kind(array.type)
    if kind == "null":
        return _NULL
    if kind == "datetime":
        array = array.cast(TIMESTAMP, safe=False)
    if kind == "text" and not pa.types.is_string(array.type):
        array = array.cast(pa.string())
    if pa.types.is_decimal(array.type):
        array = array.cast(pa.float64())
    return Value(kind, array)


def of_objects(values: list[Any]) -> Value:
    """A column of values of one Python type."""
    if isinstance(values[0], (list, dict)):
        return Value("other", pa.repeat(pa.scalar(True), len(values)))
    if type(values[0]) is int and not all(value in INT64 for value in values):
        values = [to_double(value) for value in values]
    return of_array(pa.array(values))


def _kind(type_: pa.DataType) -> str:
    if pa.types.is_null(type_):
        return "null"
    if pa.types.is_boolean(type_):
        return "boolean"
    if pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_decimal(type_):
        return "number"
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return "text"
    if pa.types.is_timestamp(type_) or pa.types.is_date(type_):
        return "datetime"
    return "other"


def compare(name: str, left: Value, right: Value) -> Value:
    """A comparison by the Arrow function `name`."""
    errors = _errors(left, right)
    if "null" in (left.kind, right.kind):
        return _with(errors, _NULL)
    if left.kind == right.kind == "other":
        both = pc.and_(left.valid, right.valid)
        return _with(errors, _failing(both, "lists and objects cannot be compared"))
    if left.kind == right.kind:
        pair = [left.data, right.data]
        if any(pa.types.is_floating(data.type) for data in pair):
            pair = [_float(data) for data in pair]
        return _with(errors, Value("boolean", pc.call_function(name, pair)))
    ranks = pa.scalar(_RANKS.index(left.kind)), pa.scalar(_RANKS.index(right.kind))
    answer = pc.call_function(name, list(ranks))
    if name not in ("equal", "not_equal"):
        answer = pc.and_(answer, pc.and_(_ordered(left), _ordered(right)))
    both = pc.and_(left.valid, right.valid)
    return _with(errors, Value("boolean", pc.if_else(both, answer, pa.scalar(None, pa.bool_()))))


def _ordered(value: Value) -> Any:
    """Whether a value can be ordered: NaN cannot."""
    return pc.equal(value.data, value.data) if value.kind == "number" else pa.scalar(True)


def arithmetic(name: str, left: Value, right: Value) -> Value:
    """`+`, `-`, `*`, `/`, `//`, `%`, `**`."""
    errors = _errors(left, right)
    if "null" in (left.kind, right.kind):
        return _with(errors, _NULL)
    if name == "+" and left.kind == right.kind == "text":
        joined = pc.binary_join_element_wise(left.data, right.data, "")
        return _with(errors, Value("text", joined))
    both = pc.and_(left.valid, right.valid)
    if left.kind != "number" or right.kind != "number":
        return _with(errors, _failing(both, f"{name} needs numbers"))
    if name in ("/", "//", "%"):
        zero = pc.and_(both, pc.equal(right.data, 0))
        divisor = pc.if_else(zero, pa.scalar(1, right.data.type), right.data)
        result = Value("number", _divide(name, left.data, divisor), zero, "division by zero")
        return _with(errors, result)
    return _with(errors, Value("number", _compute(name, left.data, right.data)))


def _compute(name: str, left: Any, right: Any) -> Any:
    if name != "**":
        function = {"+": "add_checked", "-": "subtract_checked", "*": "multiply_checked"}[name]
        try:
            return pc.call_function(function, [left, right])
        except pa.ArrowInvalid:  # The result exceeds 64 bits.
            return pc.call_function(function, [_float(left), _float(right)])
    return pc.power(_float(left), _float(right))


def _divide(name: str, left: Any, right: Any) -> Any:
    if name == "/":
        return pc.divide(_float(left), _float(right))
    integers = pa.types.is_integer(left.type) and pa.types.is_integer(right.type)
    if integers:
        # Truncates, as in Azure's mltable 1.7.
        return pc.divide(left, right) if name == "//" else _remainder(left, right)
    left, right = _float(left), _float(right)
    quotient = pc.floor(pc.divide(left, right))
    return quotient if name == "//" else pc.subtract(left, pc.multiply(quotient, right))


def _remainder(left: Any, right: Any) -> Any:
    """`%` of integers: it has the sign of the divisor, as in Python."""
    # The quotient of the smallest integer and -1 exceeds 64 bits.
    right = pc.if_else(pc.equal(right, -1), pa.scalar(1, right.type), right)
    rest = pc.subtract(left, pc.multiply(pc.divide(left, right), right))
    signs_differ = pc.xor(pc.less(rest, 0), pc.less(right, 0))
    return pc.if_else(pc.and_(signs_differ, pc.not_equal(rest, 0)), pc.add(rest, right), rest)


def _float(data: Any) -> Any:
    return data.cast(pa.float64(), safe=False)


def sign(value: Value, minus: bool) -> Value:
    """`-x` or `+x`."""
    zero = literal(0)
    return arithmetic("-" if minus else "+", zero, value)


def negate(value: Value) -> Value:
    """`not x`."""
    if value.kind == "null":
        return value
    if value.kind != "boolean":
        return _with(_errors(value, value), _failing(value.valid, "`not` needs a boolean"))
    return replace(value, data=pc.invert(value.data))


def logic(name: str, left: Value, right: Value) -> Value:
    """`and` and `or`; if one side decides, errors of the other are ignored.

    As in Azure's mltable 1.7, either side of `or` can decide, but only the left one of `and`: null
    and False is null.
    """
    left, right = _condition(name, left), _condition(name, right)
    if name == "or":
        data = pc.or_kleene(left.data, right.data)
    else:
        data = pc.if_else(left.valid, pc.and_kleene(left.data, right.data), _NULL.data)
    result = Value("boolean", data)
    right_errors = _unless(right.errors, left, name == "or")
    left_errors = _unless(left.errors, right, True) if name == "or" else left.errors
    errors = _errors(replace(left, errors=left_errors), replace(right, errors=right_errors))
    return _with(errors, result)


def _unless(errors: Any, other: Value, decisive: bool) -> Any:
    """Errors of rows for which the other side is not the decisive value."""
    if errors is None:
        return None
    decided = pc.fill_null(pc.equal(other.data, pa.scalar(decisive)), False)
    return pc.and_(errors, pc.invert(decided))


def _condition(name: str, value: Value) -> Value:
    if value.kind in ("boolean", "null"):
        return value
    return _with(_errors(value, value), _failing(value.valid, f"`{name}` needs booleans"))


def choose(test: Value, then: Value, otherwise: Value) -> Value:
    """`then if test else otherwise`; null counts as false."""
    test = _condition("if", test)
    kinds = {then.kind, otherwise.kind} - {"null"}
    if len(kinds) > 1:
        raise ValueError("both sides of `if ... else` must have the same type")
    if not kinds:
        return _with(_errors(test, test), _NULL)
    type_ = (otherwise if then.kind == "null" else then).data.type
    branches = [pa.scalar(None, type_) if v.kind == "null" else v.data for v in (then, otherwise)]
    chosen = pc.fill_null(test.data, False)
    refused = pc.invert(chosen)
    result = Value(kinds.pop(), pc.if_else(chosen, *branches))
    parts = [
        (test.errors, test.reason),
        (None if then.errors is None else pc.and_(then.errors, chosen), then.reason),
        (
            None if otherwise.errors is None else pc.and_(otherwise.errors, refused),
            otherwise.reason,
        ),
    ]
    return _with(_join_errors(parts), result)


def starts_with(value: Value, prefix: str) -> Value:
    """`x.startswith(prefix)`; an error for nulls."""
    if value.kind != "text":
        everywhere = pa.scalar(True)
        return Value("boolean", _NULL.data, everywhere, "startswith needs text")
    nulls = pc.is_null(value.data)
    result = Value(
        "boolean",
        pc.starts_with(value.data, pattern=prefix),
        nulls,
        "startswith of a null value",
    )
    return _with(_errors(value, value), result)


def _failing(rows: Any, reason: str) -> Value:
    return Value("boolean", _NULL.data, rows, reason)


def _errors(left: Value, right: Value) -> tuple[Any, str]:
    return _join_errors([(left.errors, left.reason), (right.errors, right.reason)])


def _join_errors(parts: list[tuple[Any, str]]) -> tuple[Any, str]:
    errors, reason = None, ""
    for more, why in parts:
        if more is not None:
            errors = more if errors is None else pc.or_(errors, more)
            reason = reason or why
    return errors, reason


def _with(errors: tuple[Any, str], value: Value) -> Value:
    joined, reason = _join_errors([errors, (value.errors, value.reason)])
    return replace(value, errors=joined, reason=reason)
