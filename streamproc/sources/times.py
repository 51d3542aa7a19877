"""Event times: ISO 8601 with a zone, or seconds or milliseconds since the epoch."""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Any, Final

from streamproc.model.event import MAX_TIME_MS, MIN_TIME_MS, EventError, Reason
from streamproc.model.times import iso
from streamproc.sources.shorten import shorten

SECONDS_BELOW: Final = 100_000_000_000
"""Numbers below are seconds (1e11 s is the year 5138), others milliseconds (1e11 ms is March 1973)."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_STRICT_SECOND: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.")
_ISO: Final = re.compile(
    r"([0-9]{4,6}-[0-9]{2}-[0-9]{2})[Tt ]"
    r"([0-9]{2}:[0-9]{2})(?::([0-9]{2})(?:[.,]([0-9]{1,18}))?)?"
    r"(?:([Zz])|([+-])([0-9]{2})(?::?([0-9]{2}))?)"
)
_RANGE: Final = "is not between the years 1970 and 9999"
_EXPECTED: Final = "an ISO 8601 time with a zone (2026-02-10T14:32:15.123Z) or seconds or milliseconds since 1970"


def parse_time(value: Any, path: str = "event_time") -> int:
    """Milliseconds since the epoch, UTC.

    Text is ISO 8601 with a zone; fractions are cut to milliseconds; second 60 (a leap second) is the next
    second. A number below ``SECONDS_BELOW`` is seconds (a fraction is rounded to milliseconds), any other
    milliseconds. Raises EventError ``bad_time``, ``wrong_type``, or ``time_out_of_range`` outside 1970 to
    9999.
    """
    if type(value) is str:
        ms = _parse_iso(value, path)
    elif type(value) is int or type(value) is float:
        ms = round(value * 1000) if abs(value) < SECONDS_BELOW else int(value)
    else:
        raise EventError(Reason.WRONG_TYPE, f"{path}: {shorten(value)} is not {_EXPECTED}")
    if not MIN_TIME_MS <= ms <= MAX_TIME_MS:
        raise EventError(Reason.TIME_OUT_OF_RANGE, f"{path}: {shorten(value)} {_RANGE}")
    return ms


def time_text(ms: int) -> str:
    """The canonical text of an instant, as `model.times.iso`; events of one second share most of the work."""
    return f"{_second_text(ms // 1000)}.{ms % 1000:03d}Z"


def strict_second(prefix: str) -> int | None:
    """The instant of ``YYYY-MM-DDTHH:MM:SS.`` in UTC; None when it is not exactly that, or before 1970."""
    if not _STRICT_SECOND.fullmatch(prefix):
        return None
    try:
        ms = _instant(prefix[:19])
    except ValueError:
        return None
    return ms if ms >= MIN_TIME_MS else None


@lru_cache(maxsize=4096)
def _second_text(second: int) -> str:
    return iso(second * 1000)[:19]


@lru_cache(maxsize=4096)
def _instant(second: str) -> int:
    """The instant of ``YYYY-MM-DDTHH:MM:SS``, its form checked; ValueError where there is no such time."""
    return (datetime.fromisoformat(second).replace(tzinfo=UTC) - _EPOCH) // _MS


def _parse_iso(text: str, path: str) -> int:
    match = _ISO.fullmatch(text)
    if match is None:
        raise EventError(Reason.BAD_TIME, f"{path}: {shorten(text)} is not {_EXPECTED}")
    date, clock, second, fraction, zulu, sign, zone_hour, zone_minute = match.groups()
    if date.startswith("0000") or len(date) > len("9999-12-31"):  # years, but none that our calendar has
        raise EventError(Reason.TIME_OUT_OF_RANGE, f"{path}: {shorten(text)} {_RANGE}")
    leap = second == "60"
    try:
        ms = _instant(f"{date}T{clock}:{'59' if leap else second or '00'}")
        if not zulu:
            zone = timedelta(hours=int(zone_hour), minutes=int(zone_minute or 0))
            timezone(zone)  # refuses a day and more
            ms -= (zone // _MS) * (-1 if sign == "-" else 1)
    except ValueError as error:
        raise EventError(Reason.BAD_TIME, f"{path}: {shorten(text)} is not a time that exists ({error})") from None
    if fraction:
        ms += int((fraction + "00")[:3])
    return ms + 1000 if leap else ms
