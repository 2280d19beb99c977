"""Inference of date and time formats.

As in Azure's mltable 1.7, a column has the formats that its first values have; later values in
other formats become null.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from prefect_parallel.data.columns.datetime_formats import moment_in

_ISO_TIMES = [f"{between}%H:%M:%S{end}" for between in "T " for end in ("", "%.f", "%z", "%.f%z")]
_TIMES = [" %H:%M", " %H:%M:%S"]
YEAR_FIRST = [date + time for date in ("%Y-%m-%d", "%Y/%m/%d") for time in ("", *_ISO_TIMES)]
"""Formats in which the day cannot be mistaken for the month."""
# Each tuple has formats that differ only in the order of day and month. The first tuple that a
# value fits decides, so those without fractions and with two-digit years come first.
_ALTERNATIVES: list[tuple[str, ...]] = [
    *((format_,) for format_ in YEAR_FIRST),
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

# Formats that Arrow's own parser reads in the same way.
_ARROW = {
    "%Y-%m-%d": r"\d{4}-\d{2}-\d{2}",
    "%Y-%m-%d %H:%M:%S": r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}",
    "%Y-%m-%dT%H:%M:%S": r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}",
}


def formats_of(values: Iterable[str]) -> list[str] | None:
    """Finds the date and time formats of all values.

    Returns:
        None if a value is not a datetime, or if values disagree about the order of day and month. A
        format for which no value decides that order is left out: its values become null.
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
    """Parses ISO 8601 quickly; None if a value has another format."""
    patterns = [_ARROW[format_] for format_ in formats if format_ in _ARROW]
    if not patterns:
        return None
    pattern = f"^({'|'.join(patterns)})$"
    if not pc.all(pc.match_substring_regex(values, pattern), skip_nulls=True).as_py():
        return None
    try:
        # Via seconds: Arrow before 23 wraps out-of-range values when it casts text to nanoseconds.
        return values.cast(pa.timestamp("s")).cast(pa.timestamp("ns"))
    except pa.ArrowInvalid:
        return None
