"""Whether recurring hours hold at a time, and when to look again. Times are ms since the epoch.

All is by the local wall clock of the hours' zone: an hour that the clock shows twice counts twice, one that it skips
does not come.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim

from streamproc.model.hours import Recurring, WeeklyHours

MINUTE_MS = 60_000
_QUARTER = 15
"""Minutes; zones change their distance from UTC only at such marks."""
_DAY = 24 * 60
_WEEK = 7 * _DAY
_MONDAY = 4 * _DAY
"""1970-01-05 was one: minutes from the epoch to it."""
_FAR_MINUTES = 16 * _DAY
"""Weekly hours that change at all change within this, even where a clock skips them once."""
_SLACK = timedelta(hours=3)
"""No clock is set by more, but for the islands that once changed the date line."""


def is_open(hours: WeeklyHours, t: int) -> bool:
    """Whether the wall clock shows a time within the hours."""
    minute = t // MINUTE_MS
    return _open(hours, (minute + _offset(hours.timezone, minute // _QUARTER)))


def next_change(hours: WeeklyHours, t: int) -> int | None:
    """The first time after `t` at which `is_open` answers differently; None for hours that never end."""
    now = is_open(hours, t)
    first = t // MINUTE_MS + 1
    minute = first
    edges = (hours.start % _DAY, hours.end % _DAY)
    while minute < first + _FAR_MINUTES:
        local = minute + _offset(hours.timezone, minute // _QUARTER)
        if _open(hours, local) != now:
            return minute * MINUTE_MS
        mark = (minute // _QUARTER + 1) * _QUARTER
        minute = min(mark, *(minute + ((edge - local - 1) % _DAY) + 1 for edge in edges))
    return None


def holds(recurring: Recurring, t: int) -> bool:
    """Whether the hours of a silence hold."""
    weekly = recurring.weekly
    if weekly is not None:
        return is_open(weekly, t)
    last = last_instant(recurring, t)
    assert recurring.duration is not None
    return last is not None and t < last + recurring.duration


def look_again(recurring: Recurring, t: int) -> int | None:
    """A time after `t` before which `holds` does not change; None when it never will."""
    weekly = recurring.weekly
    if weekly is not None:
        return next_change(weekly, t)
    if holds(recurring, t):
        last = last_instant(recurring, t)
        assert last is not None
        assert recurring.duration is not None
        return last + recurring.duration
    return next_instant(recurring, t)


def last_instant(recurring: Recurring, t: int) -> int | None:
    """The schedule's latest instant that is not after `t`, among those that could still hold."""
    assert recurring.schedule is not None
    assert recurring.duration is not None
    zone = recurring.timezone
    local = _local(zone, t)
    # Both ways of setting a clock can put an instant of a later wall time before one of an earlier.
    earliest = local - timedelta(milliseconds=recurring.duration) - _SLACK
    found: int | None = None
    stop = earliest
    for wall in CronSim(recurring.schedule, local + _SLACK + timedelta(minutes=1), reverse=True):
        if wall < stop:
            break
        instant = _instant(zone, wall)
        if instant <= t and (found is None or instant > found):
            if found is None:
                stop = max(earliest, wall - _SLACK)
            found = instant
    return found


def next_instant(recurring: Recurring, t: int) -> int | None:
    """The schedule's first instant after `t`; None past the end of the calendar."""
    assert recurring.schedule is not None
    return _next_cron(recurring.schedule, recurring.timezone, t)


def next_cron(schedule: str, zone: str, t: int) -> int:
    """The first instant of a CRON schedule after `t`; `t` itself past the end of the calendar."""
    found = _next_cron(schedule, zone, t)
    return t if found is None else found


def _next_cron(schedule: str, zone: str, t: int) -> int | None:
    found: int | None = None
    stop: datetime | None = None
    for wall in CronSim(schedule, _local(zone, t) - _SLACK):
        if stop is not None and wall > stop:
            break
        instant = _instant(zone, wall)
        if instant > t and (found is None or instant < found):
            if found is None:
                stop = wall + _SLACK
            found = instant
    return found


def _open(hours: WeeklyHours, local: int) -> bool:
    """`local`: minutes of the wall clock since the epoch."""
    at = local % _DAY
    day = (local - _MONDAY) % _WEEK // _DAY + 1
    if hours.start < hours.end:
        return hours.start <= at < hours.end and day in hours.days
    if at >= hours.start:
        return day in hours.days
    return at < hours.end and (day - 2) % 7 + 1 in hours.days


@lru_cache(maxsize=65_536)
def _offset(zone: str, quarter: int) -> int:
    """A zone's distance from UTC in minutes, in a quarter of an hour since the epoch."""
    if zone == "UTC":
        return 0
    moment = datetime.fromtimestamp(quarter * _QUARTER * 60, UTC).astimezone(ZoneInfo(zone))
    offset = moment.utcoffset()
    return 0 if offset is None else int(offset.total_seconds()) // 60


def _local(zone: str, t: int) -> datetime:
    return datetime.fromtimestamp(t // 1000, UTC).astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def _instant(zone: str, wall: datetime) -> int:
    """A wall time that comes twice is the first; one that is skipped comes when the clock goes on."""
    return int(wall.replace(tzinfo=ZoneInfo(zone)).timestamp()) * 1000
