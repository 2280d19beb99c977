"""Parsing of JSON lines to rows, or directly to columns.

The rules of Azure's mltable 1.7: one object per line; empty lines are skipped; text after the
object is ignored; keys of an object are unique.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json as arrow_json

_BLANKS = re.compile(r"[ \t\r]*")
_BLANK_CODES = np.frombuffer(b" \t\r", np.uint8)
_INTEGER_VALUE = rb":[ \t]*-?[0-9]+[ \t\r]*[,}]"
# The name of a field may be spelled with these escapes.
_ESCAPED_NAME = re.compile(rb'\\[u/](?:[^"\\]|\\.)*"[ \t]*:')


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("duplicate key in an object")
    return made


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


# What JSONDecoder.raw_decode() calls; also returns where a value ends.
_scan: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant
).scan_once  # type: ignore[attr-defined]


def read_rows(text: str) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Parses the lines that are not empty.

    Yields:
        The line number from 1, and the object, or a text that says why it is invalid.
    """
    for number, line in enumerate(text.split("\n"), 1):
        if not line:
            continue
        try:
            row, _ = _scan(line, 0 if line[0] == "{" else _end_of_blanks(line))
        except StopIteration:
            yield number, _wrong(line, "invalid JSON")
        except (ValueError, RecursionError) as error:
            yield number, _wrong(line, str(error))
        else:
            yield number, row if type(row) is dict else _wrong(line, "not an object")


def parse(data: bytes, types: Mapping[str, pa.DataType], floats: frozenset[str]) -> pa.Table | None:
    """Parses all lines by Arrow.

    Args:
        data: Complete lines in UTF-8.
        types: The columns.
        floats: Columns in which integers would become null.

    Returns:
        None if the result would differ from `read_rows`: another column, a value of another type,
        an invalid line.
    """
    lines = _object_lines(data)
    if not types or not lines:
        return None
    try:
        table = arrow_json.read_json(
            pa.BufferReader(data),
            read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(data) + 1),
            parse_options=_parse_options(tuple(types.items())),
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    # Arrow accepts several objects in a line.
    if len(table) != lines:
        return None
    # It also converts an integer to a whole float.
    whole = [name for name in floats if _has_whole(table[name])]
    return None if _has_integer(data, whole) else table


def _object_lines(data: bytes) -> int:
    """The number of lines that are not empty if each begins with { and ends with }, otherwise 0.

    No such line can then be a part of an object, nor null, on which Arrow can crash.
    """
    codes = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(codes == ord("\n"))
    if not data.endswith(b"\n"):
        ends = np.append(ends, len(data))
    starts = np.concatenate(([0], ends[:-1] + 1))
    filled = starts < ends
    starts, last = starts[filled], ends[filled] - 1
    if not (codes[starts] == ord("{")).all():
        return 0
    while (blank := np.isin(codes[last], _BLANK_CODES)).any():
        last = last - blank
    return len(starts) if (codes[last] == ord("}")).all() else 0


def _has_whole(column: pa.ChunkedArray[Any]) -> bool:
    return bool(pc.any(pc.equal(column, pc.trunc(column))).as_py())


@functools.cache
def _parse_options(types: tuple[tuple[str, pa.DataType], ...]) -> arrow_json.ParseOptions:
    return arrow_json.ParseOptions(
        explicit_schema=pa.schema(types), unexpected_field_behavior="error"
    )


def _has_integer(data: bytes, names: Collection[str]) -> bool:
    """Whether one of the columns may contain an integer."""
    if not names or not re.search(_INTEGER_VALUE, data):
        return False
    if _ESCAPED_NAME.search(data):
        return True
    keys = (re.escape(json.dumps(name, ensure_ascii=False).encode()) for name in names)
    return any(re.search(key + rb"[ \t]*" + _INTEGER_VALUE, data) for key in keys)


def _end_of_blanks(line: str) -> int:
    match = _BLANKS.match(line)
    return match.end() if match else 0


def _wrong(line: str, why: str) -> str:
    shown = line if len(line) <= 40 else line[:40] + "..."
    return f"is not a JSON object: {shown!r}: {why}"
