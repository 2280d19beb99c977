"""Dates and times that inference knows.

As in the reference, a column has the formats that are found among its first values; text in
another one, further down, is no datetime there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from prefect_parallel.data.columns.datetime_formats import moment_in

_ISO_TIMES = [f"{between}%H:%M:%S{end}" for between in "T " for end in ("", "%.f", "%z", "%.f%z")]
_TIMES = [" %H:%M", " %H:%M:%S"]
# In each line formats that differ in the order of day and month alone. The first line that a value
# fits counts, so that a fraction and a year's century are not taken for granted.
_ALTERNATIVES: list[tuple[str, ...]] = [
    *((date + time,) for date in ("%Y-%m-%d", "%Y/%m/%d") for time in ("", *_ISO_TIMES)),
    *(
        (f"%d{mark}%m{mark}{year}{time}", f"%m{mark}%d{mark}{year}{time}")
        for year in ("%y", "%Y")
        for mark in "-/"
        for time in ("", *_TIMES, " %I:%M:%S %p", " %I:%M %p")
    ),
    *(
        (f"%d{mark}%b{mark}{year}{time}",)
        for year in ("%y", "%Y")
        for mark in "-/"
        for time in ("", *_TIMES, " %H:%M:%S%.f")
    ),
]

# What Arrow's own parser reads in the same way.
_ARROW = {
    "%Y-%m-%d": r"\d{4}-\d{2}-\d{2}",
    "%Y-%m-%d %H:%M:%S": r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}",
    "%Y-%m-%dT%H:%M:%S": r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}",
}


def formats_of(values: Iterable[str]) -> list[str] | None:
    """The formats of dates and times that all values have.

    Returns:
        None if a value is no datetime, or values contradict each other about the order of day and
        month. A format is left out where nothing settles that order: its values are null.
    """
    found: dict[tuple[str, ...], set[str]] = {}
    for value in values:
        for alternatives in _ALTERNATIVES:
            fitting = {format_ for format_ in alternatives if moment_in(format_, value) is not None}
            if fitting:
                found[alternatives] = found.get(alternatives, fitting) & fitting
                break
        else:
            return None
    if not all(found.values()):
        return None
    return [formats.pop() for formats in found.values() if len(formats) == 1]


def by_arrow(values: pa.Array[Any], formats: Sequence[str]) -> pa.Array[Any] | None:
    """The fast way for ISO 8601; None if a value is not such."""
    patterns = [_ARROW[format_] for format_ in formats if format_ in _ARROW]
    if not patterns:
        return None
    pattern = f"^({'|'.join(patterns)})$"
    if not pc.all(pc.match_substring_regex(values, pattern), skip_nulls=True).as_py():
        return None
    try:
        # By way of seconds: from text to nanoseconds, Arrow before 23 wraps what is out of range.
        return values.cast(pa.timestamp("s")).cast(pa.timestamp("ns"))
    except pa.ArrowInvalid:
        return None
