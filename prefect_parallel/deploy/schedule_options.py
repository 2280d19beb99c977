"""Schedules from the command line: `--cron`, `--interval` and `--timezone`."""

from __future__ import annotations

from datetime import timedelta

from prefect.client.schemas.schedules import SCHEDULE_TYPES, CronSchedule, IntervalSchedule
from pydantic import ValidationError

from prefect_parallel.deploy.schedule_file import InvalidSchedule
from prefect_parallel.deploy.time_zone import iana_zone, nearest_zone
from prefect_parallel.errors import Problem


def schedule_of(
    cron: str | None, interval: timedelta | int | None, time_zone: str | None
) -> SCHEDULE_TYPES | None:
    """The schedule that these options make; None without any.

    Args:
        cron: As crontab(5) has it: of the days of the month and of the week, one must fit.
        interval: A plain number is of seconds.
        time_zone: By Windows's or IANA's name; UTC without one.

    Raises:
        InvalidSchedule: They do not go together, or one cannot be read.
    """
    zone = _zone(time_zone)
    if cron is not None and interval is not None:
        raise _wrong(f"--cron {cron}", "there is an --interval, too", allowed="one of them")
    if cron is not None:
        try:
            return CronSchedule(cron=cron, timezone=zone)
        except ValidationError:
            allowed = 'five fields, as "0 6 * * 1-5": 6 in the morning, Monday to Friday'
            raise _wrong(f"--cron {cron}", "not a cron expression", allowed=allowed) from None
    if interval is not None:
        length = interval if isinstance(interval, timedelta) else timedelta(seconds=interval)
        if length <= timedelta(0):
            raise _wrong(f"--interval {interval}", "not a time span", allowed="90, 15m, 1h30m, 1d")
        return IntervalSchedule(interval=length, timezone=zone)
    if time_zone is not None:
        allowed = "with --cron or --interval; a schedule file has time_zone"
        raise _wrong(f"--timezone {time_zone}", "there is no such schedule", allowed=allowed)
    return None


def _zone(name: str | None) -> str:
    if name is None:
        return "UTC"
    zone = iana_zone(name)
    if zone is None:
        raise _wrong(
            f"--timezone {name}",
            "there is no such time zone",
            allowed="a name as Europe/Berlin or Pacific Standard Time",
            hint=nearest_zone(name),
        )
    return zone


def _wrong(
    option: str, message: str, *, allowed: str | None = None, hint: str | None = None
) -> InvalidSchedule:
    return InvalidSchedule([Problem(message, option, allowed=allowed, hint=hint)])
