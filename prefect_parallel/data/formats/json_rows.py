"""Parsing of JSON lines to rows, or directly to columns.

The rules of Azure's mltable 1.7: one object per line; empty lines are skipped; text after the
object is ignored; keys of an object are unique.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pyarrow as pa
from pyarrow import json as arrow_json

from prefect_parallel.data.formats.delimited_text import line_count

_BLANKS = re.compile(r"[ \t\r]*")
# Arrow accepts null instead of an object as a row, and crashes if it is the first one.
_NO_OBJECT = re.compile(rb"(?:\A|\n)[^{\n]")
_INTEGER_VALUE = rb":[ \t]*-?[0-9]+[ \t\r]*[,}]"


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
    if not data or not types or _NO_OBJECT.search(data) or _has_integer(data, floats):
        return None
    try:
        table = arrow_json.read_json(
            pa.BufferReader(data),
            read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(data) + 1),
            parse_options=_parse_options(tuple(types.items())),
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    # Arrow accepts several objects in a line, and blank lines.
    return table if len(table) == line_count(data) else None


@functools.cache
def _parse_options(types: tuple[tuple[str, pa.DataType], ...]) -> arrow_json.ParseOptions:
    return arrow_json.ParseOptions(
        explicit_schema=pa.schema(types), unexpected_field_behavior="error"
    )


def _has_integer(data: bytes, names: frozenset[str]) -> bool:
    """Whether one of the columns may contain an integer."""
    if not names or not re.search(_INTEGER_VALUE, data):
        return False
    if b"\\u" in data or b"\\/" in data:  # Names may be escaped with these.
        return True
    keys = (re.escape(json.dumps(name, ensure_ascii=False).encode()) for name in names)
    return any(re.search(key + rb"[ \t]*" + _INTEGER_VALUE, data) for key in keys)


def _end_of_blanks(line: str) -> int:
    match = _BLANKS.match(line)
    return match.end() if match else 0


def _wrong(line: str, why: str) -> str:
    shown = line if len(line) <= 40 else line[:40] + "..."
    return f"is not a JSON object: {shown!r}: {why}"
