"""The trigger of an Azure ML schedule."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from prefect_parallel.deploy.time_zone import iana_zone, nearest_zone
from prefect_parallel.job.format.model import Model, key, optional
from prefect_parallel.job.format.types import FixedCount
from prefect_parallel.job.format.validators import ChoiceValidator, Validator
from prefect_parallel.yaml_schema import Refused

WEEK_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
FREQUENCIES = {
    "minute": "MINUTELY",
    "hour": "HOURLY",
    "day": "DAILY",
    "week": "WEEKLY",
    "month": "MONTHLY",
}
"""RFC 5545's names."""

WITHOUT_PATTERN = ("minute", "hour")
DEFAULT_ZONE = "UTC"

_CRON_FIELD = r"(?:[\d*/,\-]|[A-Za-z]{3})+"
_CRON = re.compile(rf"{_CRON_FIELD}(\s+{_CRON_FIELD}){{4}}")
_KEYS = {
    "cron": ("expression",),
    "recurrence": ("frequency", "interval", "schedule"),
}
_TIMES = ("start_time", "end_time", "time_zone")
_REQUIRED = {"cron": ("expression",), "recurrence": ("frequency", "interval")}


@dataclass(frozen=True)
class DateTimeValidator(Validator):
    """An ISO 8601 date and time; without an offset, in the trigger's time zone."""

    allowed = "a date and time, e.g. 2026-03-01T06:30:00"

    def check(self, value: Any) -> datetime:
        if isinstance(value, str):
            try:
                moment = datetime.fromisoformat(value.strip().upper())  # With z, too.
            except ValueError:
                raise self.refused(value) from None
            if moment.year in (MINYEAR, MAXYEAR):
                # In another time zone, it may be in a year that Python does not have.
                raise self.refused(value, "leave it out if there is no limit")
            return moment
        raise self.refused(value)


@dataclass(frozen=True)
class TimeZoneValidator(Validator):
    """The IANA or Windows name of a time zone."""

    allowed = "a time zone, e.g. Pacific Standard Time or America/Los_Angeles"

    def check(self, value: Any) -> str:
        zone = iana_zone(value) if isinstance(value, str) else None
        if zone is None:
            raise self.refused(value, nearest_zone(value) if isinstance(value, str) else None)
        return zone


@dataclass(frozen=True)
class CronValidator(Validator):
    """A cron expression of five fields, without extensions such as `L`, `?` and `#`."""

    allowed = (
        "five fields: minute, hour, day of the month, month, day of the week;"
        ' e.g. "30 6 * * MON-FRI"'
    )

    def check(self, value: Any) -> str:
        text = value.strip() if isinstance(value, str) else ""
        if _CRON.fullmatch(text):
            try:
                CronSim(text, datetime(2024, 1, 1))
            except CronSimError:
                pass
            else:
                return text
        raise self.refused(value)


@dataclass(frozen=True)
class NumbersValidator(Validator):
    """An integer within limits, or a list of them."""

    low: int
    high: int

    def check(self, value: Any) -> tuple[int, ...]:
        numbers = value if isinstance(value, list) else [value]
        for number in numbers:
            whole = isinstance(number, int) and not isinstance(number, bool)
            if not whole or not self.low <= number <= self.high:
                raise self.refused(number)
        return tuple(sorted(set(numbers)))

    @property
    def allowed(self) -> str:
        return f"integers from {self.low} to {self.high}"


@dataclass(frozen=True)
class WeekDaysValidator(Validator):
    """A day of the week, or a list of them."""

    allowed = ", ".join(WEEK_DAYS)

    def check(self, value: Any) -> tuple[str, ...]:
        day = ChoiceValidator(WEEK_DAYS, any_case=True)
        days = {day.check(each) for each in (value if isinstance(value, list) else [value])}
        return tuple(sorted(days, key=WEEK_DAYS.index))


class Pattern(Model):
    """The days of a recurrence, and the times of these days, at which a job runs."""

    hours: Annotated[tuple[int, ...], NumbersValidator(0, 23)] = key(
        "The hours of the day.", examples=[2, [2, 14]]
    )
    minutes: Annotated[tuple[int, ...], NumbersValidator(0, 59)] = key(
        "The minutes of each of these hours.",
    )
    week_days: Annotated[tuple[str, ...], WeekDaysValidator()] = key(
        "The days of the week.", default=(), examples=[["monday", "friday"]]
    )
    month_days: Annotated[tuple[int, ...], NumbersValidator(1, 31)] = key(
        "The days of the month.", default=()
    )


class Trigger(Model):
    """A cron or a recurrence trigger."""

    type: Annotated[str, ChoiceValidator(tuple(_KEYS), any_case=True)] = key(
        "The kind of trigger.",
    )
    start_time: Annotated[datetime, DateTimeValidator()] | None = optional("No run starts before.")
    end_time: Annotated[datetime, DateTimeValidator()] | None = optional("No run starts after.")
    time_zone: Annotated[str, TimeZoneValidator()] = key(
        "The time zone of all times in the trigger, an IANA or Windows name.", default=DEFAULT_ZONE
    )
    expression: Annotated[str, CronValidator()] | None = optional(
        "Cron triggers: when a run starts.", examples=["30 6 * * MON-FRI"]
    )
    frequency: Annotated[str, ChoiceValidator(tuple(FREQUENCIES), any_case=True)] | None = optional(
        "Recurrence triggers: the unit of `interval`."
    )
    interval: FixedCount | None = optional("Recurrence triggers: the time between runs.")
    schedule: Pattern | None = optional(
        "Recurrence triggers by day, week or month: the days and times of runs."
    )

    def check(self, refuse: Callable[[str, Refused], None]) -> None:
        if self.type is None:  # It is broken.
            return
        for name in sorted(set(self.given) - {"type", *_KEYS[self.type], *_TIMES}):
            allowed = ", ".join((*_KEYS[self.type], *_TIMES))
            refuse(name, Refused(f"not allowed in a {self.type} trigger", allowed=allowed))
        if self.schedule is not None and self.frequency in WITHOUT_PATTERN:
            found = f"not allowed with frequency: {self.frequency}"
            allowed = "frequency: day, week or month"
            refuse("schedule", Refused(found, allowed=allowed))
        for name in _REQUIRED[self.type]:
            if getattr(self, name) is None and name not in self.broken:
                refuse(name, Refused("the key is missing"))
        start, end = self.local(self.start_time), self.local(self.end_time)
        if start and end and end <= start:
            refuse("end_time", Refused("must be after start_time"))

    def local(self, moment: datetime | None) -> datetime | None:
        """A moment as local time of the trigger's time zone, without the zone."""
        if moment is None or moment.tzinfo is None:
            return moment
        return moment.astimezone(ZoneInfo(self.time_zone)).replace(tzinfo=None)
