"""Business hours: local times of the rule's zone, without holidays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from holidays import country_holidays

from streamproc.model.condition import OffHoursCondition
from streamproc.rules.clock import time_part

DAY_MINUTES = 24 * 60


def is_open(condition: OffHoursCondition, zone: ZoneInfo) -> Callable[[int], bool]:
    """Whether a time in ms lies within the business hours.

    The end is exclusive. Hours that end before they start go on after midnight and belong to the day on which they
    started: its weekday and its holiday count.
    """
    weekday, day = time_part("weekday", zone), time_part("date", zone)
    hour, minute = time_part("hour", zone), time_part("minute", zone)
    days, off, country = frozenset(condition.days), frozenset(condition.holidays), condition.country
    start, end = condition.start_minute, condition.end_minute

    def works(number: int, text: str) -> bool:
        return number in days and text not in off and not (country and text in _public(country, int(text[:4])))

    def opened(t: int) -> bool:
        at = int(hour(t)) * 60 + int(minute(t))
        number, text = int(weekday(t)), str(day(t))
        if start < end:
            return start <= at < end and works(number, text)
        if at >= start:
            return works(number, text)
        return at < end and works((number - 2) % 7 + 1, _day_before(text))

    return opened


def _day_before(text: str) -> str:
    try:
        return (date.fromisoformat(text) - timedelta(days=1)).isoformat()
    except (ValueError, OverflowError):
        return text


@lru_cache(maxsize=1024)
def _public(country: str, year: int) -> frozenset[str]:
    """The public holidays of a country, or a part of it (`US-CA`), in a year; by the `holidays` package."""
    name, _, part = country.partition("-")
    if not datetime.min.year <= year <= datetime.max.year:
        return frozenset()
    return frozenset(day.isoformat() for day in country_holidays(name, subdiv=part or None, years=year))
