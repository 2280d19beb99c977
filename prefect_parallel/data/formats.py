"""Datetimes by formats such as `%d.%m.%Y`, as `convert_column_types` has them."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence

from prefect_parallel.data.datetimes import MONTHS, in_range, nanoseconds

_LONG_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august"),
    *("september", "october", "november", "december"),
)
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_ONE_OR_TWO = r"[0-9]{1,2}"
# The part of a moment that a directive stands for, and what it looks like.
_DIRECTIVES: dict[str, tuple[str, str]] = {
    "Y": ("year", "[0-9]{4}"),
    "y": ("short_year", "[0-9]{2}"),
    "m": ("month", _ONE_OR_TWO),
    "B": ("month_name", "|".join(_LONG_MONTHS + MONTHS)),
    "b": ("month_name", "|".join(MONTHS)),
    "d": ("day", _ONE_OR_TWO),
    "H": ("hour", _ONE_OR_TWO),
    "I": ("hour12", _ONE_OR_TWO),
    "M": ("minute", _ONE_OR_TWO),
    "S": ("second", _ONE_OR_TWO),
    "f": ("fraction", "[0-9]{0,9}"),
    "p": ("half", "am|pm"),
    "z": ("offset", r"z|[+-][0-9]{2}:?[0-9]{2}"),
    "A": ("weekday", "|".join(_WEEKDAYS)),
    "a": ("weekday", "|".join(day[:3] for day in _WEEKDAYS)),
}
_SYNONYMS = {"e": "d", "k": "H", "l": "I", "P": "p", "h": "b"}
_SHORTHANDS = {"%F": "%Y-%m-%d", "%D": "%m/%d/%y", "%T": "%H:%M:%S", "%R": "%H:%M"}
_TOKEN = re.compile(r"\.%f|%\.f|%(.?)|(\s+)|([^%\s]+?(?=\.%f|%|\s|$))", re.DOTALL)


def parser(formats: Sequence[str], date_constant: str | None) -> Callable[[str], int | None]:
    """A function from text to nanoseconds since the epoch, or None.

    Args:
        formats: Tried in order. The first that a value has the shape of decides, even if the value
            then has an impossible part.
        date_constant: Put in front of each value.

    Raises:
        ValueError: A format has no year, or a directive that is not known.
    """
    shapes = [_shape(format_) for format_ in formats]

    def parse(text: str) -> int | None:
        text = (date_constant or "") + text.strip()
        match = next((m for shape in shapes if (m := shape.fullmatch(text))), None)
        return in_range(_moment(match)) if match else None

    return parse


@functools.cache
def _shape(format_: str) -> re.Pattern[str]:
    for short, long in _SHORTHANDS.items():
        format_ = format_.replace(short, long)
    seen: set[str] = set()
    text = ""
    for match in _TOKEN.finditer(format_):
        part = match[0]
        if part in (".%f", "%.f"):
            text += rf"(?:\.{_group('f', seen)})?"
        elif part == "%%":
            text += "%"
        elif part.startswith("%"):
            letter = _SYNONYMS.get(part[1:], part[1:])
            if letter not in _DIRECTIVES:
                raise ValueError(f"the format {format_!r} has the unknown directive {part!r}")
            text += _group(letter, seen)
        elif part.isspace():
            text += r"\s*"
        else:
            text += re.escape(part)
    if not seen & {"year", "short_year"}:
        raise ValueError(f"the format {format_!r} has no date: it needs %Y or %y")
    return re.compile(text, re.IGNORECASE)


def _group(letter: str, seen: set[str]) -> str:
    """A directive as a group, named the first time that its part occurs."""
    part, looks = _DIRECTIVES[letter]
    if part in seen:
        return f"(?:{looks})"
    seen.add(part)
    return f"(?P<{part}>{looks})"


def _moment(match: re.Match[str]) -> int | None:
    parts = match.groupdict()

    def number(part: str, default: int) -> int:
        return int(parts[part]) if parts.get(part) else default

    year = number("year", -1)
    if year < 0:
        year = number("short_year", 0)
        year += 2000 if year < 70 else 1900
    month = number("month", 1)
    if name := parts.get("month_name"):
        month = MONTHS.index(name[:3].lower()) + 1
    hour = number("hour", 0)
    if parts.get("hour12"):
        hour = number("hour12", 12)
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + 12 * ((parts.get("half") or "").lower() == "pm")
    return nanoseconds(
        year,
        month,
        number("day", 1),
        hour,
        number("minute", 0),
        number("second", 0),
        parts.get("fraction"),
        parts.get("offset"),
    )
