"""The trigger of an Azure ML schedule, as it is written."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from prefect_parallel.deploy.time_zone import iana_zone, nearest_zone
from prefect_parallel.job.format.model import Model, key, optional
from prefect_parallel.job.format.reading import Refused
from prefect_parallel.job.format.types import FixedCount
from prefect_parallel.job.format.validators import ChoiceValidator, Validator

WEEK_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
FREQUENCIES = ("minute", "hour", "day", "week", "month")
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
class MomentRule(Validator):
    """A date and time, ISO 8601. Without an offset, it is in the trigger's time zone."""

    def check(self, value: Any) -> datetime:
        if isinstance(value, str):
            try:
                # Python 3.10 does not read Z.
                return datetime.fromisoformat(re.sub("[zZ]$", "+00:00", value.strip()))
            except ValueError:
                pass
        raise self.refused(value)

    @property
    def allowed(self) -> str:
        return "a date and time, as 2026-03-01T06:30:00"


@dataclass(frozen=True)
class ZoneRule(Validator):
    """A time zone, by Windows's or IANA's name."""

    def check(self, value: Any) -> str:
        zone = iana_zone(value) if isinstance(value, str) else None
        if zone is None:
            raise self.refused(value, nearest_zone(value) if isinstance(value, str) else None)
        return zone

    @property
    def allowed(self) -> str:
        return "a time zone, as Pacific Standard Time or America/Los_Angeles"


@dataclass(frozen=True)
class CronRule(Validator):
    """A cron expression of five fields, without the signs that only some crons have."""

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

    @property
    def allowed(self) -> str:
        return (
            "five fields: minute, hour, day of the month, month, day of the week;"
            ' as "30 6 * * MON-FRI"'
        )


@dataclass(frozen=True)
class NumbersRule(Validator):
    """A whole number within limits, or a list of them."""

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
        return f"whole numbers from {self.low} to {self.high}"


@dataclass(frozen=True)
class WeekDaysRule(Validator):
    """A day of the week, or a list of them."""

    def check(self, value: Any) -> tuple[str, ...]:
        day = ChoiceValidator(WEEK_DAYS, any_case=True)
        days = {day.check(each) for each in (value if isinstance(value, list) else [value])}
        return tuple(sorted(days, key=WEEK_DAYS.index))

    @property
    def allowed(self) -> str:
        return ", ".join(WEEK_DAYS)


class Pattern(Model):
    """When a job runs on the days that a recurrence falls on, and on which of them."""

    hours: Annotated[tuple[int, ...], NumbersRule(0, 23)] = key(
        "At which hours, one or a list.", examples=[2, [2, 14]]
    )
    minutes: Annotated[tuple[int, ...], NumbersRule(0, 59)] = key(
        "At which minutes of each of these hours.",
    )
    week_days: Annotated[tuple[str, ...], WeekDaysRule()] = key(
        "On which days of the week.", default=(), examples=[["monday", "friday"]]
    )
    month_days: Annotated[tuple[int, ...], NumbersRule(1, 31)] = key(
        "On which days of the month.", default=()
    )


class Trigger(Model):
    """A cron or a recurrence trigger."""

    type: Annotated[str, ChoiceValidator(tuple(_KEYS), any_case=True)] = key(
        "The kind of trigger.",
    )
    start_time: Annotated[datetime, MomentRule()] | None = optional("Nothing runs before.")
    end_time: Annotated[datetime, MomentRule()] | None = optional("Nothing runs after.")
    time_zone: Annotated[str, ZoneRule()] = key(
        "Of all times here, by Windows's name or IANA's.", default=DEFAULT_ZONE
    )
    expression: Annotated[str, CronRule()] | None = optional(
        "Of a cron trigger: when it runs.", examples=["30 6 * * MON-FRI"]
    )
    frequency: Annotated[str, ChoiceValidator(FREQUENCIES, any_case=True)] | None = optional(
        "Of a recurrence: what it counts."
    )
    interval: FixedCount | None = optional("Of a recurrence: it runs once in so many.")
    schedule: Pattern | None = optional(
        "Of a recurrence by day, week or month: when it runs on such a day."
    )

    def check(self, refuse: Callable[[str, Refused], None]) -> None:
        if self.type is None:  # It is broken.
            return
        for name in sorted(set(self.given) - {"type", *_KEYS[self.type], *_TIMES}):
            allowed = ", ".join((*_KEYS[self.type], *_TIMES))
            refuse(name, Refused(f"not a key of a {self.type} trigger", allowed=allowed))
        if self.schedule is not None and self.frequency in WITHOUT_PATTERN:
            found = f"found a pattern, and frequency: {self.frequency}"
            allowed = "a pattern with frequency: day, week or month"
            refuse("schedule", Refused(found, allowed=allowed))
        for name in _REQUIRED[self.type]:
            if getattr(self, name) is None:
                refuse(name, Refused("the key is missing"))
        start, end = self.local(self.start_time), self.local(self.end_time)
        if start and end and end <= start:
            refuse("end_time", Refused("must be after start_time"))

    def local(self, moment: datetime | None) -> datetime | None:
        """A moment as the clocks of the time zone show it, without the zone."""
        if moment is None or moment.tzinfo is None:
            return moment
        return moment.astimezone(ZoneInfo(self.time_zone)).replace(tzinfo=None)
