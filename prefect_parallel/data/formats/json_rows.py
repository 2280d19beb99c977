"""Parsing of JSON lines to rows, or directly to columns.

The rules of Azure's mltable 1.7: one object per line; empty lines are skipped; text after the
object is ignored; keys of an object are unique.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json as arrow_json

from prefect_parallel.gc_pause import gc_paused

EMPTY_LINES = ("", "\r")
"""Lines without their LF that are skipped."""

_BLANKS = re.compile(r"[ \t\r]*")
_BLANK_CODES = np.frombuffer(b" \t\r", np.uint8)
# A number does not begin after these.
_NO_NUMBER_AFTER = np.frombuffer(b'0123456789."', np.uint8)


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
        if line in EMPTY_LINES:
            continue
        try:
            row, _ = _scan(line, 0 if line[0] == "{" else _end_of_blanks(line))
        except StopIteration:
            yield number, _wrong(line, "invalid JSON")
        except (ValueError, RecursionError) as error:
            yield number, _wrong(line, str(error))
        else:
            yield number, row if type(row) is dict else _wrong(line, "not an object")


@gc_paused()
def parse_rows(data: bytes) -> list[dict[str, Any]] | None:
    """Parses all lines by orjson.

    Args:
        data: Complete lines in UTF-8.

    Returns:
        None if the result may differ from `read_rows`: an invalid line, text after an object, a
        duplicate key, an integer of more than 64 bits.
    """
    if _has_long_integer(data):  # orjson converts it to a float.
        return None
    try:
        rows = [orjson.loads(line) for line in data.split(b"\n") if line and line != b"\r"]
    except orjson.JSONDecodeError:
        return None
    if not all(type(row) is dict for row in rows):
        return None
    # orjson keeps the last of several values with the same key.
    return rows if _key_count(rows, data.count(b"{")) == _max_key_count(data) else None


def _has_long_integer(data: bytes) -> bool:
    """Whether a number may begin with 19 digits."""
    codes = np.frombuffer(data, np.uint8)
    run = codes - ord("0") < 10
    for step in (1, 2, 4, 8, 3):  # Runs of 2, 4, 8, 16, 19 digits.
        run = run[:-step] & run[step:]
    before = codes[np.flatnonzero(run) - 1]
    return not np.isin(before, _NO_NUMBER_AFTER).all()


def _key_count(rows: list[dict[str, Any]], max_objects: int) -> int:
    """The number of keys of all objects in some rows.

    Args:
        rows: The rows.
        max_objects: Upper bound of the number of objects; the search ends when it is reached.
    """
    count = 0
    level: Iterable[Any] = rows
    while max_objects and (values := list(level)):
        objects = [value for value in values if type(value) is dict]
        lists = [value for value in values if type(value) is list]
        count += sum(map(len, objects))
        max_objects -= len(objects)
        level = itertools.chain.from_iterable((*map(dict.values, objects), *lists))
    return count


def _max_key_count(data: bytes) -> int:
    """The number of colons after a quote: at least the number of keys."""
    codes = np.frombuffer(data, np.uint8)
    colons = np.flatnonzero(codes == ord(":"))
    return int(np.count_nonzero(codes[_before_blanks(codes, colons - 1)] == ord('"')))


def parse(data: bytes, types: Mapping[str, pa.DataType]) -> pa.Table | None:
    """Parses complete lines in UTF-8 by Arrow, which converts integers in columns of floats.

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
    return table if len(table) == lines else None


def _object_lines(data: bytes) -> int:
    """The number of lines that are not empty if each begins with {, otherwise 0.

    With that, no line continues an object of the line before, and none is null, which can crash
    Arrow.
    """
    codes = np.frombuffer(data, np.uint8)
    starts = np.append(0, np.flatnonzero(codes == ord("\n")) + 1)
    first = codes[starts[starts < len(codes)]]
    first = first[first != ord("\n")]
    return len(first) if (first == ord("{")).all() else 0


def _before_blanks(codes: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The positions of the characters at these positions, or of those before blanks there."""
    while (blank := np.isin(codes[at], _BLANK_CODES)).any():
        at = at - blank
    return at


def has_whole(column: pa.ChunkedArray[Any]) -> bool:
    """Whether some of these floats may be integers."""
    return bool(pc.any(pc.equal(column, pc.trunc(column))).as_py())


@functools.cache
def _parse_options(types: tuple[tuple[str, pa.DataType], ...]) -> arrow_json.ParseOptions:
    return arrow_json.ParseOptions(
        explicit_schema=pa.schema(types), unexpected_field_behavior="error"
    )


def _end_of_blanks(line: str) -> int:
    match = _BLANKS.match(line)
    return match.end() if match else 0


def _wrong(line: str, why: str) -> str:
    shown = line if len(line) <= 40 else line[:40] + "..."
    return f"is not a JSON object: {shown!r}: {why}"
