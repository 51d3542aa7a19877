"""Hours that come again: by days of the week, or by a CRON expression with a length. Local times of a zone."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from streamproc.model.frozen import Frozen
from streamproc.model.spans import milliseconds_of
from streamproc.model.zone import Zone

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_NAMES = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MAX_DURATION_MS = 7 * 86_400_000


def _days(value: object) -> object:
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= len(DAYS):
        raise ValueError(f"is not a list of 1 to {len(DAYS)} days, {', '.join(DAYS)}")
    numbers = {_day(one) for one in value}
    return tuple(sorted(numbers))


def _day(value: object) -> int:
    if type(value) is int and 1 <= value <= 7:
        return value
    name = value.lower() if isinstance(value, str) else ""
    if name not in DAYS and name not in _NAMES:
        raise ValueError(f"has {value!r:.40}, which is not one of {', '.join(DAYS)}")
    return DAYS.index(name[:3]) + 1


def _minute(value: object) -> object:
    found = re.fullmatch(r"([01]?[0-9]|2[0-4]):([0-5][0-9])", value, re.ASCII) if isinstance(value, str) else None
    minute = -1 if found is None else int(found[1]) * 60 + int(found[2])
    if not 0 <= minute <= 24 * 60:
        raise ValueError("is not a time of day such as 09:00")
    return minute


def _duration(value: object) -> object:
    ms = milliseconds_of(value)
    if ms is None or not 60_000 <= ms <= MAX_DURATION_MS:
        raise ValueError("is not a span from 1m to 7d, such as 90m or 2h")
    return ms


def cron_schedule(text: str) -> str:
    """Five fields, as cronsim reads them; a schedule without any instant is refused."""
    if len(text.split()) != 5:
        raise ValueError("is not a CRON expression of five fields")
    try:
        next(CronSim(text, datetime(2024, 1, 1)))  # wall time, of whichever zone
    except CronSimError as error:
        raise ValueError(f"is not a CRON expression: {error}") from None
    except StopIteration:
        raise ValueError("is a schedule that never comes") from None
    return " ".join(text.split())


Days = Annotated[tuple[int, ...], BeforeValidator(_days)]
Minute = Annotated[int, BeforeValidator(_minute)]


class WeeklyHours(Frozen):
    """From `start` to `end` (exclusive) on each of `days`; both are minutes of the day, written `09:00`.

    An end that is not after the start is on the next day, and the hours belong to the day on which they started.
    """

    days: Days = (1, 2, 3, 4, 5, 6, 7)
    start: Minute
    end: Minute
    timezone: Zone = "UTC"


class Recurring(Frozen):
    """When a silence comes again: weekly hours, or for `duration` (ms) from each instant of a CRON `schedule`."""

    days: Days | None = None
    start: Minute | None = None
    end: Minute | None = None
    schedule: Annotated[str | None, Field(max_length=200), AfterValidator(lambda v: v and cron_schedule(v))] = None
    duration: Annotated[int | None, BeforeValidator(lambda v: v if v is None else _duration(v))] = None
    timezone: Zone = "UTC"

    @model_validator(mode="after")
    def _one_form(self) -> Recurring:
        weekly = (self.days, self.start, self.end)
        if self.schedule is None and self.duration is None:
            if self.start is None or self.end is None:
                raise ValueError("needs start and end, or schedule and duration")
        elif any(value is not None for value in weekly):
            raise ValueError("is either days, start, end or schedule, duration; not both")
        elif self.schedule is None or self.duration is None:
            raise ValueError("needs schedule and duration together")
        return self

    @property
    def weekly(self) -> WeeklyHours | None:
        """The weekly form; None for that of a schedule."""
        if self.start is None or self.end is None:
            return None
        given: dict[str, Any] = {} if self.days is None else {"days": self.days}
        return WeeklyHours.model_construct(**given, start=self.start, end=self.end, timezone=self.timezone)
