"""Schedules from the command line: `--cron`, `--interval` and `--timezone`."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from prefect.client.schemas.schedules import SCHEDULE_TYPES, CronSchedule, IntervalSchedule
from pydantic import ValidationError

from prefect_parallel.deploy.deployment import SHOWN_TIMES, next_times
from prefect_parallel.deploy.schedule_file import InvalidSchedule
from prefect_parallel.deploy.time_zone import iana_zone, nearest_zone
from prefect_parallel.errors import Problem

CRON_FIELDS = 5


def schedule_of(
    cron: str | None, interval: timedelta | int | None, time_zone: str | None
) -> SCHEDULE_TYPES | None:
    """The schedule of the command's options; None if none of them is given.

    Args:
        cron: A cron expression, as in crontab(5): if both days are restricted, one must match.
        interval: A time span; a plain number is in seconds.
        time_zone: An IANA or Windows name; by default UTC.

    Raises:
        InvalidSchedule: An option is invalid, or two options exclude each other.
    """
    zone = _zone(time_zone)
    if cron is not None and interval is not None:
        raise _wrong(f"--cron {cron}", "cannot be combined with --interval", allowed="one of them")
    if cron is not None:
        allowed = 'five fields, e.g. "0 6 * * 1-5": 6 in the morning, Monday to Friday'
        not_cron = _wrong(f"--cron {cron}", "not a cron expression", allowed=allowed)
        # Prefect takes a sixth one, the seconds.
        if len(cron.split()) != CRON_FIELDS and not cron.startswith("@"):
            raise not_cron
        try:
            schedule = CronSchedule(cron=cron, timezone=zone)
            next_times(schedule)
        except ValidationError:
            raise not_cron from None
        except ValueError:
            raise _wrong(f"--cron {cron}", "no date matches this expression") from None
        return schedule
    if interval is not None:
        try:
            length = interval if isinstance(interval, timedelta) else timedelta(seconds=interval)
            datetime.now(timezone.utc) + SHOWN_TIMES * length
        except OverflowError:
            raise _wrong(f"--interval {interval}", "the next runs would never start") from None
        if length <= timedelta(0):
            raise _wrong(
                f"--interval {interval}",
                "must be a positive time span",
                allowed="90, 15m, 1h30m, 1d",
            )
        return IntervalSchedule(interval=length, timezone=zone)
    if time_zone is not None:
        allowed = "only with --cron or --interval; in a schedule file, use time_zone"
        raise _wrong(f"--timezone {time_zone}", "no schedule uses this time zone", allowed=allowed)
    return None


def _zone(name: str | None) -> str:
    if name is None:
        return "UTC"
    zone = iana_zone(name)
    if zone is None:
        raise _wrong(
            f"--timezone {name}",
            "unknown time zone",
            allowed="an IANA or Windows name, e.g. Europe/Berlin or Pacific Standard Time",
            hint=nearest_zone(name),
        )
    return zone


def _wrong(
    option: str, message: str, *, allowed: str | None = None, hint: str | None = None
) -> InvalidSchedule:
    return InvalidSchedule([Problem(message, option, allowed=allowed, hint=hint)])
