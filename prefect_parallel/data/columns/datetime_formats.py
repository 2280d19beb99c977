"""Parsing datetimes by formats such as `%d.%m.%Y`, for `convert_column_types`."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence

from prefect_parallel.data.columns.datetimes import MONTHS, in_range, nanoseconds, weekday

_LONG_MONTHS = (
    *("january", "february", "march", "april", "may", "june", "july", "august"),
    *("september", "october", "november", "december"),
)
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_ONE_OR_TWO = r"\s*[0-9]{1,2}"
_FRACTION = r"\.[0-9]+"
# Directive -> the part of a datetime that it matches, and its pattern.
DIRECTIVES: dict[str, tuple[str, str]] = {
    "Y": ("year", r"\s*(?:[0-9]{1,4}|[+-][0-9]+)"),
    "y": ("short_year", _ONE_OR_TWO),
    "m": ("month", _ONE_OR_TWO),
    "B": ("month_name", "(?i:" + "|".join(_LONG_MONTHS + MONTHS) + ")"),
    "b": ("month_name", "(?i:" + "|".join(MONTHS) + ")"),
    "d": ("day", _ONE_OR_TWO),
    "H": ("hour", _ONE_OR_TWO),
    "I": ("hour12", _ONE_OR_TWO),
    "M": ("minute", _ONE_OR_TWO),
    "S": ("second", _ONE_OR_TWO),
    "f": ("fraction", "[0-9]+"),
    "p": ("half", "(?i:am|pm)"),
    "z": ("offset", r"\s*(?i:z|utc|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])"),
    "A": ("weekday", "(?i:" + "|".join(_WEEKDAYS) + ")"),
    "a": ("weekday", "(?i:" + "|".join(day[:3] for day in _WEEKDAYS) + ")"),
}
SYNONYMS = {"e": "d", "k": "H", "l": "I", "P": "p", "h": "b", "n": " ", "t": " "}
SHORTHANDS = {
    "%F": "%Y-%m-%d",
    "%D": "%m/%d/%y",
    "%T": "%H:%M:%S",
    "%R": "%H:%M",
    "%r": "%I:%M:%S %p",
    "%v": "%e-%b-%Y",
    "%:z": "%z",
    "%#z": "%z",
}
# A padding mark before the letter is ignored in parsing.
_TOKEN = re.compile(r"\.%f|%\.[369]?f|%[-_0]?(.?)|(\s+)|([^%\s]+?(?=\.%f|%|\s|$))", re.DOTALL)


def parser(formats: Sequence[str], date_constant: str | None = None) -> Callable[[str], int | None]:
    """Makes a function from text to nanoseconds since the epoch, or None.

    Args:
        formats: Tried in order. The first whose pattern matches decides, even if the value then
            is not a possible datetime.
        date_constant: Prefix of each value.

    Raises:
        ValueError: A format has no year, `%I` without `%p`, or an unknown directive.
    """
    shapes = [_shape(format_) for format_ in formats]

    def parse(text: str) -> int | None:
        text = (date_constant or "") + text.strip()
        match = next((m for shape in shapes if (m := shape.fullmatch(text))), None)
        return in_range(_moment(match)) if match else None

    return parse


def moment_in(format_: str, text: str) -> int | None:
    """Nanoseconds since the epoch, of any size, if the whole text has this format."""
    match = _shape(format_).fullmatch(text)
    return _moment(match) if match else None


@functools.cache
def _shape(format_: str) -> re.Pattern[str]:
    long = format_
    for short, meant in SHORTHANDS.items():
        long = long.replace(short, meant)
    seen: set[str] = set()
    text = ""
    for match in _TOKEN.finditer(long):
        part = match[0]
        letter = SYNONYMS.get(match[1], match[1]) if match[1] else None
        if part.endswith("f") and "." in part and part[0] in ".%":
            text += f"(?:{_group('fraction', _FRACTION, seen)})?"
        elif part == "%%":
            text += "%"
        elif letter in DIRECTIVES:
            text += _group(*DIRECTIVES[letter], seen)
        elif letter == " " or part.isspace():
            text += r"\s*"
        elif part.startswith("%"):
            raise ValueError(f"unknown directive {part!r} in the format {format_!r}")
        else:
            text += re.escape(part)
    if not seen & {"year", "short_year"}:
        raise ValueError(f"the format {format_!r} has no year: add %Y or %y")
    if "hour12" in seen and "half" not in seen:
        raise ValueError(f"the format {format_!r} has %I without %p: add %p, or use %H")
    return re.compile(text)


def _group(part: str, looks: str, seen: set[str]) -> str:
    """A possessive group for a part; a back reference if the part occurs again."""
    if part in seen:
        return f"(?P={part})"
    seen.add(part)
    # As a lookahead, so that the group does not backtrack to a shorter match.
    return f"(?=(?P<{part}>{looks}))(?P={part})"


def _moment(match: re.Match[str]) -> int | None:
    parts = match.groupdict()

    def number(part: str, default: int) -> int:
        return int(parts[part]) if parts.get(part) else default

    if parts.get("year"):
        year = number("year", 0)
    else:
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
        hour = hour % 12 + 12 * (parts["half"].lower() == "pm")
    moment = nanoseconds(
        year,
        month,
        number("day", 1),
        hour,
        number("minute", 0),
        number("second", 0),
        (parts.get("fraction") or "").removeprefix("."),
        (parts.get("offset") or "").strip(),
    )
    day = parts.get("weekday")
    if moment is None or (day and _WEEKDAYS[weekday(moment)][:3] != day[:3].lower()):
        return None
    return moment
