"""Names of time zones: IANA names, and Windows names, which Azure's schedules use."""

from __future__ import annotations

from zoneinfo import available_timezones

from tzlocal.windows_tz import win_tz

from prefect_parallel.errors import did_you_mean

WINDOWS_ZONES = {
    **win_tz,
    # Listed by Azure, but no longer by Unicode's table.
    "Mid-Atlantic Standard Time": "Etc/GMT+2",
    "Kamchatka Standard Time": "Asia/Kamchatka",
}


def iana_zone(name: str) -> str | None:
    """The IANA name of a time zone; None if there is no such zone."""
    if name in WINDOWS_ZONES:
        return WINDOWS_ZONES[name]
    return name if name in available_timezones() else None


def nearest_zone(name: str) -> str | None:
    """A hint with the zone that was probably meant."""
    return did_you_mean(name, [*WINDOWS_ZONES, *available_timezones()])
