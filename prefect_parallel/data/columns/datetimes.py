"""Datetimes as nanoseconds since the epoch, in UTC."""

from __future__ import annotations

import datetime

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_EPOCH = datetime.datetime(1970, 1, 1)
_INT64 = range(-(2**63), 2**63)
# The Gregorian calendar repeats after 400 years.
_CYCLE_YEARS = 400
_CYCLE_DAYS = 146_097


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
    """Nanoseconds since the epoch; None for an impossible date or time.

    Args:
        second: 0 to 60, for leap seconds.
        fraction: Decimals of the second; those after the ninth are cut off.
        offset: Offset from UTC: `Z`, `UTC`, `+02:00` or `+0200`.
    """
    cycles, year_of_cycle = divmod(year, _CYCLE_YEARS)
    leap = second == 60
    try:
        moment = datetime.datetime(
            year_of_cycle + _CYCLE_YEARS, month, day, hour, minute, second - leap
        )
    except ValueError:
        return None
    since = moment - _EPOCH
    seconds = (since.days + (cycles - 1) * _CYCLE_DAYS) * 86_400 + since.seconds + leap
    if offset and offset[0] in "+-":
        hours, minutes = int(offset[1:3]), int(offset[-2:])
        seconds -= (hours * 3600 + minutes * 60) * (-1 if offset[0] == "-" else 1)
    return seconds * 10**9 + int(f"{fraction or '':0<9.9}")


def weekday(nanoseconds: int) -> int:
    """The day of the week, from 0 for Monday."""
    return (nanoseconds // 10**9 // 86_400 + _EPOCH.weekday()) % 7


def isoformat(seconds: int) -> str:
    """ISO 8601 of any number of seconds after the epoch, in any year."""
    cycles, rest = divmod(seconds, _CYCLE_DAYS * 86_400)
    moment = _EPOCH + datetime.timedelta(seconds=rest)
    return f"{moment.year + cycles * _CYCLE_YEARS:04d}{moment.isoformat()[4:]}"


def in_range(nanoseconds: int | None) -> int | None:
    """The same number; None if it exceeds 64 bits (the years 1677 to 2262)."""
    return nanoseconds if nanoseconds is not None and nanoseconds in _INT64 else None
