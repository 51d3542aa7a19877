"""The rule types: how the condition of each is read. A new type is one function and one line in `TYPES`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from streamproc.model.condition import Condition, Filter, PatternCondition, ThresholdCondition
from streamproc.model.spans import milliseconds_of
from streamproc.rules.filter import parse_filter
from streamproc.rules.paths import stored_path
from streamproc.rules.plain import Odd
from streamproc.rules.problems import Problems
from streamproc.rules.settings import Settings

MAX_COUNT = 1_000_000
MIN_WINDOW_MS, MAX_WINDOW_MS = 1000, 90 * 86_400_000
MAX_GROUP_PATHS = 8
SHIELD_UNITS = {"minutes": 60_000, "hours": 3_600_000, "days": 86_400_000}
COUNTING = ("count", "window", "window_seconds", "window_type", "distinct", "threshold_time", "threshold_type")
"""Settings of types that count within a window."""

ParseCondition = Callable[[Settings, Problems], Condition]


def _threshold(settings: Settings, problems: Problems) -> Condition:
    shield = settings.has("threshold_time") or settings.has("threshold_type")
    window_ms, window_type = _shield_window(settings, problems) if shield else _window(settings, problems)
    written = settings.take("window_type", window_type)
    if written not in ("rolling", "fixed"):
        problems.value(settings.path("window_type"), written, "one of rolling, fixed")
    count = _count(settings, problems, 1 if shield else None)
    group_by = _group_by(settings, problems)
    distinct = settings.take("distinct")
    if distinct is not None:
        distinct = stored_path(distinct, settings.path("distinct"), problems)
    return ThresholdCondition(_filter(settings, problems), count, window_ms, str(written), group_by, distinct)


def _pattern(settings: Settings, problems: Problems) -> Condition:
    group_by = _group_by(settings, problems)
    for name in COUNTING:
        if settings.has(name):
            settings.take(name)
            problems.add(
                settings.path(name),
                "is a setting of threshold rules, and a pattern counts nothing; "
                f"to test a field of that name write all: [{{{name}: …}}]",
            )
    return PatternCondition(_filter(settings, problems), group_by)


TYPES: dict[str, ParseCondition] = {
    "threshold": _threshold,
    "pattern": _pattern,
}


def _filter(settings: Settings, problems: Problems) -> Filter:
    return parse_filter(settings.rest, settings.where, problems, settings.beside)


def _count(settings: Settings, problems: Problems, default: int | None) -> int:
    where = settings.path("count")
    count = settings.take("count", default)
    if count is None:
        problems.add(where, "is required")
    elif type(count) is not int:
        _told(problems, where, count, "a whole number")
    elif count < 1:
        problems.value(where, count, "at least 1")
    elif count > MAX_COUNT:
        problems.value(where, count, f"at most {MAX_COUNT}")
    else:
        return count
    return 1


def _window(settings: Settings, problems: Problems) -> tuple[int, str]:
    where, at = settings.path("window_seconds"), settings.path("window")
    seconds, span = settings.take("window_seconds"), settings.take("window")
    if seconds is not None and span is not None:
        problems.add(at, "is given beside window_seconds; keep one of them")
    if seconds is None:
        if span is None:
            problems.add(where, "is required (or window, such as 5m)")
            return MIN_WINDOW_MS, "rolling"
        return _span(at, span, problems), "rolling"
    if type(seconds) not in (int, float):
        _told(problems, where, seconds, "a number of seconds")
    elif seconds < MIN_WINDOW_MS / 1000:
        problems.value(where, seconds, f"at least {MIN_WINDOW_MS // 1000}")
    elif seconds > MAX_WINDOW_MS / 1000:
        problems.value(where, seconds, f"at most {MAX_WINDOW_MS // 1000} (90 days)")
    else:
        return round(seconds * 1000), "rolling"
    return MIN_WINDOW_MS, "rolling"


def _span(where: str, span: Any, problems: Problems) -> int:
    ms = milliseconds_of(span)
    if ms is None:
        _told(problems, where, span, "a span such as 30s, 5m, 24h or 7d")
    elif not MIN_WINDOW_MS <= ms <= MAX_WINDOW_MS:
        problems.value(where, span, "between 1s and 90d")
    else:
        return ms
    return MIN_WINDOW_MS


def _shield_window(settings: Settings, problems: Problems) -> tuple[int, str]:
    """Shield's form: minutes roll; hours and days are fixed; `"5m"` alone rolls."""
    for name in ("window", "window_seconds"):
        if settings.take(name) is not None:
            problems.add(settings.path(name), "is given beside a threshold time; keep one of them")
    where, kind_where = settings.path("threshold_time"), settings.path("threshold_type")
    time, kind = settings.take("threshold_time"), settings.take("threshold_type")
    if time is None:
        problems.add(where, "is required")
        return MIN_WINDOW_MS, "rolling"
    if kind is None:
        return _span(where, time, problems), "rolling"
    unit = SHIELD_UNITS.get(kind) if isinstance(kind, str) else None
    if unit is None:
        _told(problems, kind_where, kind, f"one of {', '.join(SHIELD_UNITS)}")
        return MIN_WINDOW_MS, "rolling"
    number = int(time) if re.fullmatch(r"[0-9]{1,9}", str(time)) else 0
    if not 1 <= number * unit <= MAX_WINDOW_MS:
        _told(problems, where, time, f"a whole number of {kind}, from 1 to {MAX_WINDOW_MS // unit}")
        return MIN_WINDOW_MS, "rolling"
    return number * unit, "rolling" if kind == "minutes" else "fixed"


def _group_by(settings: Settings, problems: Problems) -> tuple[str, ...]:
    where = settings.path("group_by")
    written = settings.take("group_by")
    if written is None:
        return ()
    if isinstance(written, str):
        return (stored_path(written, where, problems),)
    if not isinstance(written, list) or not 1 <= len(written) <= MAX_GROUP_PATHS:
        _told(problems, where, written, f"a field path, or a list of 1 to {MAX_GROUP_PATHS} of them")
        return ()
    paths = [stored_path(path, f"{where}[{place}]", problems) for place, path in enumerate(written)]
    for place, path in enumerate(paths):
        if path in paths[:place] and isinstance(written[place], str):
            problems.add(f"{where}[{place}]", f"{path} is given twice")
    return tuple(paths)


def _told(problems: Problems, where: str, value: Any, expected: str) -> None:
    if not isinstance(value, Odd):  # whose problem is told already
        problems.value(where, value, expected)
