"""Parts of an event's time, in a rule's time zone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CYCLE = 400
"""Years after which the calendar repeats, weekdays too."""


def time_part(part: str, zone: ZoneInfo) -> Callable[[int], int | str]:
    """Of a time in ms: hour 0-23, minute 0-59, weekday 1 (Monday) to 7, date as 2026-02-10."""
    name = zone.key
    if name == "UTC" and part == "hour":
        return lambda t: t // 3_600_000 % 24
    if name == "UTC" and part == "minute":
        return lambda t: t // 60_000 % 60
    return lambda t: _local_part(t // 60_000, name, part)


@lru_cache(maxsize=8192)
def _local_part(minute: int, zone: str, part: str) -> int | str:
    moment = _EPOCH + timedelta(minutes=minute)
    beyond = 0
    try:
        local = moment.astimezone(ZoneInfo(zone))
    except OverflowError:  # the last hours of the year 9999 lie in the year 10000 east of Greenwich
        beyond = _CYCLE
        local = moment.replace(year=moment.year - beyond).astimezone(ZoneInfo(zone))
    match part:
        case "hour":
            return local.hour
        case "minute":
            return local.minute
        case "weekday":
            return local.isoweekday()
        case _:
            return f"{local.year + beyond:04d}-{local.month:02d}-{local.day:02d}"
