"""Convert the trigger of an Azure ML schedule to a Prefect schedule."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from cronsim import CronSim
from prefect.client.schemas.schedules import SCHEDULE_TYPES, CronSchedule, RRuleSchedule

from prefect_parallel.deploy.trigger import (
    FREQUENCIES,
    WEEK_DAYS,
    WITHOUT_PATTERN,
    Pattern,
    Trigger,
)

MINUTES = {"minute": 1, "hour": 60}
CRON_WEEK_DAYS = ("SU", "MO", "TU", "WE", "TH", "FR", "SA", "SU")


def prefect_schedule(trigger: Trigger, now: datetime) -> SCHEDULE_TYPES:
    """The Prefect schedule with the same times as a trigger; without a start, it begins now."""
    if trigger.type == "recurrence":
        return _recurrence(trigger, now)
    assert trigger.expression is not None, "checked when it was read"
    if trigger.start_time is None and trigger.end_time is None:
        # Azure uses NCrontab: the day of the month and of the week must both match.
        return CronSchedule(cron=trigger.expression, timezone=trigger.time_zone, day_or=False)
    # A Prefect cron schedule has neither start nor end.
    start = trigger.local(trigger.start_time) or _clock(now, trigger.time_zone)
    return _rule(_cron_parts(trigger.expression), start, trigger)


def _recurrence(trigger: Trigger, now: datetime) -> RRuleSchedule:
    assert trigger.frequency is not None
    assert trigger.interval is not None
    start = trigger.local(trigger.start_time) or _clock(now, trigger.time_zone)
    parts = {"FREQ": FREQUENCIES[trigger.frequency], "INTERVAL": str(trigger.interval)}
    if trigger.frequency in WITHOUT_PATTERN:
        return _elapsed(parts, start, trigger, now)
    if trigger.schedule is not None:
        parts |= _pattern_parts(trigger.schedule)
    return _rule(parts, start, trigger)


def _elapsed(
    parts: dict[str, str], start: datetime, trigger: Trigger, now: datetime
) -> RRuleSchedule:
    """Count minutes and hours in UTC, which has no daylight saving time."""
    assert trigger.frequency is not None
    assert trigger.interval is not None
    begun = _utc(start, trigger.time_zone)
    step = timedelta(minutes=MINUTES[trigger.frequency] * trigger.interval)
    # Prefect iterates over all times since the start, so the start is moved close to now.
    passed = (now.astimezone(timezone.utc).replace(tzinfo=None) - begun) // step
    begun += max(passed, 0) * step
    end = trigger.local(trigger.end_time)
    if end is not None:
        parts = {**parts, "UNTIL": _written(_utc(end, trigger.time_zone))}
    return RRuleSchedule(rrule=_text(parts, begun), timezone="UTC")


def _rule(parts: dict[str, str], start: datetime, trigger: Trigger) -> RRuleSchedule:
    end = trigger.local(trigger.end_time)
    if end is not None:
        parts = {**parts, "UNTIL": _written(end)}
    return RRuleSchedule(rrule=_text(parts, start), timezone=trigger.time_zone)


def _pattern_parts(pattern: Pattern) -> dict[str, str]:
    parts = {
        "BYHOUR": _listed(pattern.hours),
        "BYMINUTE": _listed(pattern.minutes),
        "BYSECOND": "0",
    }
    if pattern.week_days:
        parts["BYDAY"] = ",".join(day[:2].upper() for day in pattern.week_days)
    if pattern.month_days:
        parts["BYMONTHDAY"] = _listed(pattern.month_days)
    return {name: value for name, value in parts.items() if value}


def _cron_parts(expression: str) -> dict[str, str]:
    """A cron expression as a daily rule: the day of the month and of the week must both match."""
    cron = CronSim(expression, datetime(2024, 1, 1))
    # CronValidator rejects days of a certain week, which are not integers.
    week_days = {CRON_WEEK_DAYS[day] for day in cron.weekdays if isinstance(day, int)}
    parts = {
        "FREQ": "DAILY",
        "BYMONTH": _listed(cron.months),
        "BYMONTHDAY": _listed(cron.days),
        "BYDAY": ",".join(sorted(week_days)),
        "BYHOUR": _listed(cron.hours),
        "BYMINUTE": _listed(cron.minutes),
        "BYSECOND": "0",
    }
    if len(week_days) == len(WEEK_DAYS):
        del parts["BYDAY"]
    return parts


def _listed(numbers: Collection[int]) -> str:
    return ",".join(str(number) for number in sorted(numbers))


def _text(parts: dict[str, str], start: datetime) -> str:
    rule = ";".join(f"{name}={value}" for name, value in parts.items())
    return f"DTSTART:{_written(start)}\nRRULE:{rule}"


def _written(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%S}"


def _clock(now: datetime, zone: str) -> datetime:
    """The local time of a zone, without seconds."""
    return now.astimezone(ZoneInfo(zone)).replace(tzinfo=None, second=0, microsecond=0)


def _utc(moment: datetime, zone: str) -> datetime:
    return moment.replace(tzinfo=ZoneInfo(zone)).astimezone(timezone.utc).replace(tzinfo=None)
