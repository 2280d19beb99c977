"""Dates and times in text: those that inference knows.

All become nanoseconds since the epoch, in UTC where the text has an offset.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_EPOCH = datetime.datetime(1970, 1, 1)
_INT64 = range(-(2**63), 2**63)
ORDERS = frozenset(["dmy", "mdy"])

_DATE = (
    r"(?:(?P<y>\d{4})(?P<sep>[-/])(?P<m>\d{1,2})(?P=sep)(?P<d>\d{1,2})"
    r"|(?P<first>\d{1,2})(?P<sep2>[-/])(?:(?P<second>\d{1,2})|(?P<name>[A-Za-z]{3}))(?P=sep2)(?P<y2>\d{4}))"
)
_TIME = (
    r"(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:\.(?P<f>\d+))?)?"
    r" *(?P<p>[AaPp][Mm])? *(?P<z>[Zz]|UTC|[+-]\d{2}:?\d{2})?"
)
_KNOWN = re.compile(rf"{_DATE}(?:(?:T| +){_TIME})?", re.ASCII)

# What Arrow's own parser reads as `parse` does.
_ISO = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?)?$"


def from_iso(values: pa.Array[Any]) -> pa.Array[Any] | None:
    """The fast way for `2024-01-31` and `2024-01-31T00:00:00.5`; None if a value is not such."""
    if not pc.all(pc.match_substring_regex(values, _ISO), skip_nulls=True).as_py():
        return None
    try:
        return values.cast(pa.timestamp("ns"))
    except pa.ArrowInvalid:
        return None


def common_orders(values: Iterable[str]) -> set[str]:
    """The orders of day and month in which all values are datetimes; none: not datetimes."""
    orders = set(ORDERS)
    for value in values:
        orders &= {order for order in ORDERS if _parts(value, order) is not None}
        if not orders:
            break
    return orders


def parse(text: str, order: str | None) -> int | None:
    """A datetime of the forms that inference knows; None if it is none."""
    if order is None and (match := _KNOWN.fullmatch(text)) and match["second"]:
        return None
    return in_range(_parts(text, order or "dmy"))


def _parts(text: str, order: str) -> int | None:
    match = _KNOWN.fullmatch(text)
    if match is None:
        return None
    slashes = (match["sep"] or match["sep2"]) == "/"
    if match["H"] and not slashes and (match["S"] is None or match["p"]):
        return None
    if match["y"]:
        year, month, day = int(match["y"]), int(match["m"]), int(match["d"])
    elif match["name"]:
        if match["name"].lower() not in MONTHS:
            return None
        month = MONTHS.index(match["name"].lower()) + 1
        year, day = int(match["y2"]), int(match["first"])
    else:
        first, second = int(match["first"]), int(match["second"])
        day, month = (first, second) if order == "dmy" else (second, first)
        year = int(match["y2"])
    hour = int(match["H"] or 0)
    if match["p"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + 12 * (match["p"].lower() == "pm")
    return nanoseconds(
        year, month, day, hour, int(match["M"] or 0), int(match["S"] or 0), match["f"], match["z"]
    )


def nanoseconds(
    year: int,
    month: int = 1,
    day: int = 1,
    hour: int = 0,
    minute: int = 0,
    second: int = 0,
    fraction: str | None = None,
    offset: str | None = None,
) -> int | None:
    """Nanoseconds since the epoch; None if there is no such moment.

    Args:
        year: And so on: the parts.
        month: From 1.
        day: From 1.
        hour: Up to 23.
        minute: Up to 59.
        second: Up to 59.
        fraction: Decimals of the second; those behind the ninth are cut.
        offset: From UTC: `Z`, `UTC`, `+02:00` or `+0200`.
    """
    try:
        moment = datetime.datetime(year, month, day, hour, minute, second)
    except ValueError:
        return None
    since = moment - _EPOCH
    seconds = since.days * 86_400 + since.seconds
    if offset and offset[0] in "+-":
        hours, minutes = int(offset[1:3]), int(offset[-2:])
        seconds -= (hours * 3600 + minutes * 60) * (-1 if offset[0] == "-" else 1)
    return seconds * 10**9 + int(f"{fraction or '':0<9.9}")


def moment(seconds: int) -> datetime.datetime:
    """The datetime so many seconds after the epoch."""
    return _EPOCH + datetime.timedelta(seconds=seconds)


def in_range(nanoseconds: int | None) -> int | None:
    """The moment; None if 64-bit nanoseconds do not reach to it (1677 to 2262)."""
    return nanoseconds if nanoseconds is not None and nanoseconds in _INT64 else None
