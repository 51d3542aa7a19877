"""Local wall time by arithmetic: a zone's distance from UTC, looked up once a quarter of an hour."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

QUARTER_MS = 15 * 60 * 1000
_CYCLE = timedelta(days=146_097)
"""400 years, after which the calendar repeats."""


def offset_ms(zone: str, t: int) -> int:
    """What to add to a time in ms to get the zone's wall time in ms."""
    return 0 if zone == "UTC" else _offset_ms(zone, t // QUARTER_MS)


@lru_cache(maxsize=65_536)
def _offset_ms(zone: str, quarter: int) -> int:
    """Zones change their distance only at such marks."""
    moment = datetime.fromtimestamp(quarter * QUARTER_MS / 1000, UTC)
    try:
        offset = moment.astimezone(ZoneInfo(zone)).utcoffset()
    except OverflowError:  # the last hours of the year 9999 lie in the year 10000 east of Greenwich
        offset = (moment - _CYCLE).astimezone(ZoneInfo(zone)).utcoffset()
    return 0 if offset is None else int(offset.total_seconds() * 1000)
