"""Rule types that count within a window, or between the instants of a schedule."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

from streamproc.model.condition import AllOf, AnyOf, Condition, Filter, Op, ScheduledCondition, Test, ThresholdCondition
from streamproc.rules.paths import stored_path
from streamproc.rules.problems import Problems
from streamproc.rules.reading import (
    MAX_WINDOW_MS,
    MIN_WINDOW_MS,
    read_count,
    read_filter,
    read_group_by,
    read_span,
    read_window,
    told,
)
from streamproc.rules.settings import Settings

SHIELD_UNITS = {"minutes": 60_000, "hours": 3_600_000, "days": 86_400_000}
CRON = "CRON"
COUNTING = (
    *("count", "window", "window_seconds", "window_type", "distinct"),
    *("threshold_time", "threshold_type", "schedule"),
)
"""Settings of types that count within a window."""
DESTRUCTIVE = ("*.deleted", "*.removed", "*.delete", "*.remove")


def threshold(settings: Settings, problems: Problems) -> Condition:
    """CONTRACT: `threshold`, in its own and in Shield's form; with a CRON schedule it is a `ScheduledCondition`."""
    shield = settings.has("threshold_time") or settings.has("threshold_type")
    count = read_count(settings, problems, 1 if shield else None)
    schedule = _schedule(settings, problems)
    window_ms, window_type = MIN_WINDOW_MS, "rolling"
    if schedule is None:
        window_ms, window_type = _shield_window(settings, problems) if shield else read_window(settings, problems)
        window_type = _window_type(settings, window_type, problems)
    else:
        _no_window(settings, problems)
    group_by = read_group_by(settings, problems)
    distinct = _distinct(settings, problems)
    tree = read_filter(settings, problems)
    if schedule is not None:
        return ScheduledCondition(tree, count, schedule, group_by, distinct)
    return ThresholdCondition(tree, count, window_ms, window_type, group_by, distinct)


def high_volume_destructive(settings: Settings, problems: Problems) -> Condition:
    """CONTRACT: 10 deletions or removals in 5 minutes, whoever makes them."""
    where = settings.path("actions")
    actions = settings.take("actions", list(DESTRUCTIVE))
    if isinstance(actions, str):
        actions = [actions]
    if not isinstance(actions, list) or not 1 <= len(actions) <= 100 or not all(isinstance(a, str) for a in actions):
        told(problems, where, actions, "a list of 1 to 100 actions; * and ? stand for any text")
        actions = list(DESTRUCTIVE)
    condition = _counted(settings, problems, 10, 300_000, ())
    tests = tuple(Test(("action",), Op.MATCHES if "*" in a or "?" in a else Op.EQ, a) for a in actions)
    return _also(condition, _any(tests))


def repeated_action(settings: Settings, problems: Problems) -> Condition:
    """CONTRACT: one actor does one thing 10 times in a minute."""
    return _counted(settings, problems, 10, 60_000, ("actor.id", "action"))


def _counted(
    settings: Settings, problems: Problems, count: int, window_ms: int, group_by: tuple[str, ...]
) -> ThresholdCondition:
    count = read_count(settings, problems, count)
    found_ms, kind = read_window(settings, problems, window_ms)
    kind = _window_type(settings, kind, problems)
    groups = read_group_by(settings, problems, group_by)
    distinct = _distinct(settings, problems)
    return ThresholdCondition(read_filter(settings, problems), count, found_ms, kind, groups, distinct)


def _also(condition: ThresholdCondition, tree: Filter) -> ThresholdCondition:
    own = condition.filter
    both = tree if own == AllOf(()) else AllOf((tree, own))
    return ThresholdCondition(
        both, condition.count, condition.window_ms, condition.window_type, condition.group_by, condition.distinct
    )


def _any(tests: tuple[Test, ...]) -> Filter:
    return tests[0] if len(tests) == 1 else AnyOf(tests)


def _window_type(settings: Settings, default: str, problems: Problems) -> str:
    written = settings.take("window_type", default)
    if written in ("rolling", "fixed"):
        return str(written)
    problems.value(settings.path("window_type"), written, "one of rolling, fixed")
    return default


def _distinct(settings: Settings, problems: Problems) -> str | None:
    written = settings.take("distinct")
    return None if written is None else stored_path(written, settings.path("distinct"), problems)


def _schedule(settings: Settings, problems: Problems) -> str | None:
    """The CRON expression, when the rule looks at instants; None for a window."""
    name = "schedule"
    if settings.has("threshold_type"):
        # looked at without taking it: a window's own reading comes later
        kind = settings.peek("threshold_type")
        if kind == CRON:
            settings.take("threshold_type")
            name = "threshold_time"
    if name == "schedule" and not settings.has(name):
        return None
    where, text = settings.path(name), settings.take(name)
    expression = " ".join(text.split()) if isinstance(text, str) else ""
    try:
        if not re.fullmatch(r"\S+( \S+){4}", expression):
            raise CronSimError("not five fields")
        next(CronSim(expression, datetime(2026, 1, 1, tzinfo=UTC)))
    except (CronSimError, StopIteration):
        told(problems, where, text, 'a CRON expression of five fields such as "0 */2 * * *"')
        return "0 * * * *"
    return expression


def _no_window(settings: Settings, problems: Problems) -> None:
    for name in ("window", "window_seconds", "window_type", "threshold_time", "threshold_type"):
        if settings.take(name) is not None:
            problems.add(settings.path(name), "is given beside a schedule, which counts from instant to instant")


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
        return read_span(where, time, problems), "rolling"
    unit = SHIELD_UNITS.get(kind) if isinstance(kind, str) else None
    if unit is None:
        told(problems, kind_where, kind, f"one of {', '.join((*SHIELD_UNITS, CRON))}")
        return MIN_WINDOW_MS, "rolling"
    number = int(time) if re.fullmatch(r"[0-9]{1,9}", str(time)) else 0
    if not 1 <= number * unit <= MAX_WINDOW_MS:
        told(problems, where, time, f"a whole number of {kind}, from 1 to {MAX_WINDOW_MS // unit}")
        return MIN_WINDOW_MS, "rolling"
    return number * unit, "rolling" if kind == "minutes" else "fixed"
