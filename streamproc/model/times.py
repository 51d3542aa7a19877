"""Milliseconds since the epoch (UTC) as ISO 8601 text; the only time format that leaves the product."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso(ms: int) -> str:
    """`2026-02-10T14:32:15.123Z`; `ms` must lie in the years 1 to 9999."""
    moment = _EPOCH + timedelta(milliseconds=ms)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def iso_or_none(ms: int | None) -> str | None:
    """`iso`, and None for None."""
    return None if ms is None else iso(ms)


def span(ms: int) -> str:
    """A length of time for people: `300 s`, `1.5 s`."""
    return f"{ms // 1000} s" if ms % 1000 == 0 else f"{ms / 1000:g} s"


def long_span(ms: int) -> str:
    """A length of time for people, in the largest unit that keeps it whole: `90 d`, `1 h`, `15 min`, `90 s`."""
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000)):
        if ms and ms % size == 0:
            return f"{ms // size} {unit}"
    return span(ms)
