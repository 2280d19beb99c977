"""Expressions of `filter`: parsed with `ast`, computed by Arrow, never run as code.

Nulls follow three-valued logic, as in SQL. Values are never converted.
"""

from __future__ import annotations

import ast
import datetime
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from prefect_parallel.data.columns.kinds import INT64, to_double
from prefect_parallel.data.columns.row_batch import RowBatch
from prefect_parallel.data.transformations.filter_values import (
    Value,
    arithmetic,
    choose,
    compare,
    literal,
    logic,
    negate,
    of_array,
    of_objects,
    sign,
    starts_with,
)

# The name of a column, then fields of nested objects.
Reference: TypeAlias = tuple[str, ...]
_Environment: TypeAlias = Mapping[Reference, Value]
_Node: TypeAlias = Callable[[_Environment], Value]

_COMPARISONS = {
    ast.Eq: "equal",
    ast.NotEq: "not_equal",
    ast.Lt: "less",
    ast.LtE: "less_equal",
    ast.Gt: "greater",
    ast.GtE: "greater_equal",
}
_ARITHMETIC = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
}
LANGUAGE = {
    "column names": "A column; with dots, fields of its objects. Null if missing.",
    'col("any name")': "A column whose name is not an identifier.",
    "numbers, text, True, False, None": "Literals; `None` is null.",
    "datetime(y, m, d, ...)": "A datetime; `h, m, s, microsecond` may follow.",
    'x.startswith("p")': "Whether a text starts with `p`; an error for a null.",
    "== != < <= > >=": "Comparison; null if a side is null.",
    "+ - * / // % **": "Arithmetic, and `+` of texts; null if a side is null.",
    "and, or, not": "Three-valued logic as in SQL, except that `None and False` is null.",
    "x if y else z": "`z` if `y` is null.",
}
"""The expression language, for the reference."""
_MAX_DEPTH = 200


class Expression:
    """A condition on rows."""

    def __init__(self, text: str) -> None:
        """Parses the expression.

        Raises:
            ValueError: The expression is invalid or unsupported.
        """
        self.text = text
        self._references: set[Reference] = set()
        try:
            tree = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            reason = error.msg if isinstance(error, SyntaxError) else error
            raise ValueError(f"invalid filter {text!r}: {reason}") from error
        self._node = self._build(tree, 0)

    def true_rows(self, batch: RowBatch) -> pa.Array[Any]:
        """Evaluates the condition for each row; null counts as false.

        Raises:
            ValueError: It cannot be evaluated for a row.
        """
        loose = [r for r in self._references if isinstance(batch.columns.get(r[0]), list)]
        if not loose:
            environment = {r: _of_column(batch, r) for r in self._references}
            return self._true(environment, batch.rows)
        return self._true_by_kind(batch, loose)

    def _true_by_kind(self, batch: RowBatch, loose: list[Reference]) -> pa.Array[Any]:
        """Evaluates each combination of types separately, for columns of mixed types."""
        values = {
            reference: _dig(batch.columns[reference[0]], reference[1:]) for reference in loose
        }
        rows_of: dict[tuple[type, ...], list[int]] = {}
        for row, kinds in enumerate(zip(*(map(type, c) for c in values.values()), strict=True)):
            rows_of.setdefault(kinds, []).append(row)
        result = [False] * batch.rows
        for rows in rows_of.values():
            environment = {r: of_objects([values[r][row] for row in rows]) for r in loose}
            for reference in self._references - set(loose):
                whole = _of_column(batch, reference)
                environment[reference] = whole.take(rows)
            flags = self._true(environment, len(rows)).to_pylist()
            for row, flag in zip(rows, flags, strict=True):
                result[row] = flag
        return pa.array(result, pa.bool_())

    def _true(self, environment: _Environment, rows: int) -> pa.Array[Any]:
        value = self._node(environment)
        if rows and value.errors is not None and _any(value.errors):
            raise ValueError(f"the filter {self.text!r} fails: {value.reason}")
        if value.kind == "null":
            return pa.repeat(pa.scalar(False), rows)
        if value.kind != "boolean":
            raise ValueError(
                f"the filter {self.text!r} must evaluate to a boolean, got a {value.kind}"
            )
        data = value.data
        if isinstance(data, pa.Scalar):
            return pa.repeat(pa.scalar(bool(data.as_py())), rows)
        return pc.fill_null(data, False)

    def _build(self, node: ast.expr, depth: int) -> _Node:
        if depth > _MAX_DEPTH:
            raise ValueError(f"the filter {self.text!r} is nested too deeply")

        def build(child: ast.expr) -> _Node:
            return self._build(child, depth + 1)

        reference = self._reference(node)
        if reference is not None:
            self._references.add(reference)
            return lambda environment: environment[reference]
        if isinstance(node, ast.Constant):
            return self._constant(node)
        if isinstance(node, ast.Call):
            return self._call(node, build)
        if isinstance(node, ast.IfExp):
            self._check_nesting(node)
            test, body, orelse = build(node.test), build(node.body), build(node.orelse)
            return lambda e: choose(test(e), body(e), orelse(e))
        if isinstance(node, ast.UnaryOp) and not isinstance(node.op, ast.Invert):
            operand = build(node.operand)
            if isinstance(node.op, ast.Not):
                return lambda e: negate(operand(e))
            minus = isinstance(node.op, ast.USub)
            return lambda e: sign(operand(e), minus)
        if isinstance(node, ast.BoolOp):
            name = "and" if isinstance(node.op, ast.And) else "or"
            return _fold([(name, build(child)) for child in node.values], logic)
        if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
            name = _ARITHMETIC[type(node.op)]
            return _fold([(name, build(node.left)), (name, build(node.right))], arithmetic)
        if isinstance(node, ast.Compare) and all(type(op) in _COMPARISONS for op in node.ops):
            # As in Azure's mltable 1.7, 1 < x < 4 compares the result of 1 < x with 4.
            rest = zip(node.ops, node.comparators, strict=True)
            parts = [(_COMPARISONS[type(op)], build(child)) for op, child in rest]
            return _fold([("", build(node.left)), *parts], compare)
        raise self._unknown(node)

    def _reference(self, node: ast.expr) -> Reference | None:
        if isinstance(node, ast.Name) and node.id.isascii():
            return (node.id,)
        if isinstance(node, ast.Attribute):
            inner = self._reference(node.value)
            return None if inner is None else (*inner, node.attr)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "col":
            if len(node.args) == 1 and not node.keywords and isinstance(node.args[0], ast.Constant):
                name = node.args[0].value
                if isinstance(name, str):
                    return (name,)
            raise self._unknown(node)
        return None

    def _constant(self, node: ast.Constant) -> _Node:
        if node.value == "" or not (
            node.value is None or isinstance(node.value, (bool, int, float, str))
        ):
            raise self._unknown(node)
        beyond = type(node.value) is int and node.value not in INT64
        value = literal(to_double(node.value) if beyond else node.value)  # type: ignore[arg-type]
        return lambda environment: value

    def _call(self, node: ast.Call, build: Callable[[ast.expr], _Node]) -> _Node:
        if node.keywords:
            raise self._unknown(node)
        function, args = node.func, node.args
        if isinstance(function, ast.Attribute) and function.attr == "startswith":
            args = [function.value, *args]
        elif not isinstance(function, ast.Name) or function.id not in ("startswith", "datetime"):
            raise self._unknown(node)
        elif function.id == "datetime":
            return self._datetime(node)
        if len(args) != 2 or not isinstance(args[1], ast.Constant):
            raise self._unknown(node)
        prefix = args[1].value
        if not isinstance(prefix, str) or not prefix:
            raise self._unknown(node)
        text = build(args[0])
        return lambda environment: starts_with(text(environment), prefix)

    def _datetime(self, node: ast.Call) -> _Node:
        parts = [arg.value for arg in node.args if isinstance(arg, ast.Constant)]
        numbers = [part for part in parts if type(part) is int]
        if len(numbers) != len(node.args) or not 1 <= len(numbers) <= 7:
            raise self._unknown(node)
        year, month, day = [*numbers, 1, 1][:3]
        hour, minute, second, fraction = [*numbers[3:], 0, 0, 0, 0][:4]
        try:
            moment = datetime.datetime(year, month, day, hour, minute, second, fraction)
            value = literal(moment)
        except ValueError as error:
            raise ValueError(f"in the filter {self.text!r}: {error}") from error
        return lambda environment: value

    def _check_nesting(self, node: ast.IfExp) -> None:
        """Refuses `a if b else c if d else e` without parentheses, as Azure's mltable 1.7 does."""
        inner = node.orelse
        if not isinstance(inner, ast.IfExp):
            return
        lines = [line.encode() for line in self.text.strip().splitlines(keepends=True)]
        before = b"".join([*lines[: inner.lineno - 1], lines[inner.lineno - 1][: inner.col_offset]])
        if not before.rstrip().endswith(b"("):
            raise ValueError(
                f"the filter {self.text!r} has nested `if` expressions:"
                " put the inner one in parentheses"
            )

    def _unknown(self, node: ast.expr) -> ValueError:
        part = ast.get_source_segment(self.text.strip(), node) or self.text
        return ValueError(
            f"the filter {self.text!r} has the unsupported expression {part!r}; supported: "
            + ", ".join(LANGUAGE)
        )


def _any(flags: Any) -> bool:
    found = flags if isinstance(flags, pa.Scalar) else pc.any(flags)
    return bool(found.as_py())


def _fold(parts: list[tuple[str, _Node]], combine: Callable[[str, Value, Value], Value]) -> _Node:
    """Combines operands from left to right; the operator of the first is ignored."""

    def node(environment: _Environment) -> Value:
        result = parts[0][1](environment)
        for name, operand in parts[1:]:
            result = combine(name, result, operand(environment))
        return result

    return node


def _of_column(batch: RowBatch, reference: Reference) -> Value:
    column: Any = batch.columns.get(reference[0])
    for field in reference[1:]:
        if column is None or not pa.types.is_struct(column.type):
            return literal(None)
        found = [at for at in range(column.type.num_fields) if column.type.field(at).name == field]
        column = pc.struct_field(column, found[:1]) if found else None
    return literal(None) if column is None else of_array(column)


def _dig(values: Any, fields: Reference) -> list[Any]:
    for field in fields:
        values = [value.get(field) if isinstance(value, dict) else None for value in values]
    return list(values)
