"""Rule types that look at single events: pattern, compliance, off_hours."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from holidays import country_holidays

from streamproc.model.condition import (
    AllOf,
    AnyOf,
    Condition,
    Filter,
    OffHoursCondition,
    Op,
    PatternCondition,
    Test,
)
from streamproc.rules.problems import Problems
from streamproc.rules.reading import read_filter, read_group_by, told
from streamproc.rules.settings import Settings
from streamproc.rules.spelling import spelled
from streamproc.rules.types_counting import COUNTING

CHECK_FAILED = "compliance.check.failed"
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_NAMES = {
    name: number
    for number, names in enumerate(
        zip(_DAYS, ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"), strict=True), 1
    )
    for name in names
}
_TIME = re.compile(r"([01]?[0-9]|2[0-4]):([0-5][0-9])")
MAX_HOLIDAYS = 1000


def pattern(settings: Settings, problems: Problems) -> Condition:
    """CONTRACT: each matching event."""
    group_by = read_group_by(settings, problems)
    for name in COUNTING:
        if settings.has(name):
            settings.take(name)
            problems.add(
                settings.path(name),
                "is a setting of threshold rules, and a pattern counts nothing; "
                f"to test a field of that name write all: [{{{name}: …}}]",
            )
    return PatternCondition(read_filter(settings, problems), group_by)


def compliance(settings: Settings, problems: Problems) -> Condition:
    """CONTRACT: a check of a framework (or any) that failed, told by `metadata.passed` or by the event's action."""
    where = settings.path("framework")
    framework = settings.take("framework", "any")
    if not isinstance(framework, str) or not framework:
        told(problems, where, framework, "any, or the name of a framework such as SOC2")
        framework = "any"
    passed = settings.take("passed", False)
    if not isinstance(passed, bool):
        told(problems, settings.path("passed"), passed, "true or false")
        passed = False
    control = settings.take("control")
    if control is not None and not isinstance(control, str):
        told(problems, settings.path("control"), control, "the name of a control such as CC6.3")
        control = None
    group_by = read_group_by(settings, problems)
    result: Filter = Test(("metadata", "passed"), Op.EQ, passed)
    if not passed:
        result = AnyOf((result, Test(("action",), Op.EQ, CHECK_FAILED)))
    parts = [result]
    if framework.lower() != "any":
        parts.append(Test(("metadata", "framework"), Op.EQ, framework, ignore_case=True))
    if control is not None:
        parts.append(Test(("metadata", "control"), Op.EQ, control, ignore_case=True))
    parts.append(read_filter(settings, problems))
    return PatternCondition(AllOf(tuple(part for part in parts if part != AllOf(()))), group_by)


def off_hours(settings: Settings, problems: Problems) -> Condition:
    """CONTRACT: an event outside `business_hours`, or on one of the `holidays`."""
    where = settings.path("business_hours")
    written = settings.take("business_hours", {})
    if not isinstance(written, dict):
        told(problems, where, written, 'a map such as {days: [mon, tue], start: "09:00", end: "17:00"}')
        written = {}
    hours: dict[str, Any] = {}
    for name, (first, *_) in spelled(written).items():
        if name in ("days", "start", "end"):
            hours[name] = written[first]
        else:
            problems.unknown(f"{where}.{first}", first, ("days", "start", "end"))
    days = _days(hours.get("days", list(_DAYS[:5])), f"{where}.days", problems)
    start = _minute(hours.get("start", "09:00"), f"{where}.start", problems, 9 * 60)
    end = _minute(hours.get("end", "17:00"), f"{where}.end", problems, 17 * 60)
    if start == end:
        problems.value(f"{where}.end", hours.get("end"), "a time other than the start")
    country, dates = _holidays(settings, problems)
    group_by = read_group_by(settings, problems)
    return OffHoursCondition(read_filter(settings, problems), days, start, end, country, dates, group_by)


def _days(written: Any, where: str, problems: Problems) -> tuple[int, ...]:
    found: set[int] = set()
    parts = re.split(r"[\s,]+", written.strip()) if isinstance(written, str) else written
    if not isinstance(parts, list) or len(parts) > 7:
        told(problems, where, written, "a list of days such as [mon, tue]")
        return (1, 2, 3, 4, 5)
    for place, part in enumerate(parts):
        text = part.strip().lower() if isinstance(part, str) else ""
        first, _, last = text.replace("–", "-").partition("-")
        one, other = _DAY_NAMES.get(first), _DAY_NAMES.get(last or first)
        if one is None or other is None:
            told(problems, f"{where}[{place}]", part, f"one of {', '.join(_DAYS)}, or a range such as mon-fri")
            continue
        while one != other:
            found.add(one)
            one = one % 7 + 1
        found.add(other)
    return tuple(sorted(found))


def _minute(written: Any, where: str, problems: Problems, default: int) -> int:
    match = _TIME.fullmatch(written) if isinstance(written, str) else None
    minute = int(match[1]) * 60 + int(match[2]) if match else -1
    if 0 <= minute <= 24 * 60:
        return minute
    told(problems, where, written, 'a time of day such as "09:00"')
    return default


def _holidays(settings: Settings, problems: Problems) -> tuple[str | None, tuple[str, ...]]:
    """A country's code (`DE`, `US-CA`), dates, or a list of both."""
    where, written = settings.path("holidays"), settings.take("holidays")
    if written is None:
        return None, ()
    entries = [written] if isinstance(written, str) else written
    if not isinstance(entries, list) or len(entries) > MAX_HOLIDAYS:
        told(problems, where, written, f"a country code, or a list of at most {MAX_HOLIDAYS} dates")
        return None, ()
    country: str | None = None
    dates: set[str] = set()
    for place, entry in enumerate(entries):
        at = where if isinstance(written, str) else f"{where}[{place}]"
        if isinstance(entry, str) and _is_date(entry):
            dates.add(entry)
        elif isinstance(entry, str) and country is None and _is_country(entry):
            country = entry
        else:
            told(problems, at, entry, "a date such as 2026-12-24, or one country code such as DE or US-CA")
    return country, tuple(sorted(dates))


def _is_date(text: str) -> bool:
    try:
        return len(text) == 10 and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _is_country(text: str) -> bool:
    country, _, part = text.partition("-")
    if not country.isascii() or not country.isupper() or len(text) > 10:
        return False
    try:
        country_holidays(country, subdiv=part or None)
    except (NotImplementedError, ValueError):
        return False
    return True
