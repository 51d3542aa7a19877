"""The rule types: how the condition of each is read. A new type is one function and one line in `TYPES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from streamproc.model.condition import Condition, PatternCondition, ThresholdCondition
from streamproc.model.document import snake
from streamproc.model.spans import milliseconds_of
from streamproc.rules.filter import parse_filter, parse_path
from streamproc.rules.problems import Problems

MAX_COUNT = 1_000_000
MIN_WINDOW_MS, MAX_WINDOW_MS = 1000, 90 * 86_400_000
MAX_GROUP_PATHS = 8
SHIELD_UNITS = {"minutes": 60_000, "hours": 3_600_000, "days": 86_400_000}

ParseCondition = Callable[["Settings", Problems], Condition]


class Settings:
    """A condition as written: the settings of its type are taken out by name, what is left is the filter."""

    def __init__(self, doc: Mapping[str, Any], where: str = "condition") -> None:
        self._where = where
        self._left = dict(doc)

    def path(self, name: str) -> str:
        """Where a setting stands, for messages."""
        return f"{self._where}.{name}" if self._where else name

    def take(self, name: str, default: Any = None) -> Any:
        """The setting by its snake_case name, whichever way it was spelled."""
        for written in list(self._left):
            if isinstance(written, str) and snake(written) == name:
                return self._left.pop(written)
        return default

    def has(self, name: str) -> bool:
        """Whether the setting was written."""
        return any(isinstance(written, str) and snake(written) == name for written in self._left)

    @property
    def rest(self) -> Mapping[str, Any]:
        """The filter."""
        return self._left

    @property
    def where(self) -> str:
        """The path of the condition."""
        return self._where


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
        parse_path(distinct, settings.path("distinct"), problems)
    tree = parse_filter(settings.rest, settings.where, problems)
    return ThresholdCondition(tree, count, window_ms, str(written), group_by, distinct)


def _pattern(settings: Settings, problems: Problems) -> Condition:
    group_by = _group_by(settings, problems)
    return PatternCondition(parse_filter(settings.rest, settings.where, problems), group_by)


TYPES: dict[str, ParseCondition] = {
    "threshold": _threshold,
    "pattern": _pattern,
}


def _count(settings: Settings, problems: Problems, default: int | None) -> int:
    where = settings.path("count")
    count = settings.take("count", default)
    if count is None:
        problems.add(where, "is required")
    elif type(count) is not int:
        problems.value(where, count, "a whole number")
    elif count < 1:
        problems.value(where, count, "at least 1")
    elif count > MAX_COUNT:
        problems.value(where, count, f"at most {MAX_COUNT}")
    else:
        return count
    return 1


def _window(settings: Settings, problems: Problems) -> tuple[int, str]:
    seconds, span = settings.take("window_seconds"), settings.take("window")
    if seconds is not None and span is not None:
        problems.add(settings.path("window"), "is given beside window_seconds; keep one of them")
    if seconds is not None:
        where = settings.path("window_seconds")
        if type(seconds) not in (int, float):
            problems.value(where, seconds, "a number of seconds")
        elif not seconds >= MIN_WINDOW_MS / 1000:
            problems.value(where, seconds, f"at least {MIN_WINDOW_MS // 1000}")
        elif seconds > MAX_WINDOW_MS / 1000:
            problems.value(where, seconds, f"at most {MAX_WINDOW_MS // 1000} (90 days)")
        else:
            return round(seconds * 1000), "rolling"
        return MIN_WINDOW_MS, "rolling"
    if span is None:
        problems.add(settings.path("window_seconds"), "is required (or window, such as 5m)")
        return MIN_WINDOW_MS, "rolling"
    return _span(settings.path("window"), span, problems), "rolling"


def _span(where: str, span: Any, problems: Problems) -> int:
    ms = milliseconds_of(span)
    if ms is None:
        problems.value(where, span, "a span such as 30s, 5m, 24h or 7d")
    elif not MIN_WINDOW_MS <= ms <= MAX_WINDOW_MS:
        problems.value(where, span, "between 1s and 90d")
    else:
        return ms
    return MIN_WINDOW_MS


def _shield_window(settings: Settings, problems: Problems) -> tuple[int, str]:
    """Shield's form: minutes roll; hours and days are fixed; `"5m"` alone rolls."""
    where = settings.path("threshold_time")
    time, kind = settings.take("threshold_time"), settings.take("threshold_type")
    if kind is None:
        return _span(where, time, problems), "rolling"
    unit = SHIELD_UNITS.get(kind) if isinstance(kind, str) else None
    if unit is None:
        problems.value(settings.path("threshold_type"), kind, f"one of {', '.join(SHIELD_UNITS)}")
        return MIN_WINDOW_MS, "rolling"
    if not str(time).isdigit() or not 1 <= int(time) * unit <= MAX_WINDOW_MS:
        problems.value(where, time, f"a whole number of {kind}, of 90 days at most")
        return MIN_WINDOW_MS, "rolling"
    return int(time) * unit, "rolling" if kind == "minutes" else "fixed"


def _group_by(settings: Settings, problems: Problems) -> tuple[str, ...]:
    where = settings.path("group_by")
    written = settings.take("group_by")
    if written is None:
        return ()
    paths = [written] if isinstance(written, str) else written
    if not isinstance(paths, list | tuple) or not 1 <= len(paths) <= MAX_GROUP_PATHS:
        problems.value(where, written, f"a field path, or a list of 1 to {MAX_GROUP_PATHS} of them")
        return ()
    for place, path in enumerate(paths):
        parse_path(path, where if isinstance(written, str) else f"{where}[{place}]", problems)
    return tuple(".".join(parse_path(path, where, Problems())) for path in paths)
