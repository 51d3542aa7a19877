"""Reading settings of conditions: each answers something usable and tells `Problems` what is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from streamproc.model.condition import Filter
from streamproc.model.spans import milliseconds_of
from streamproc.rules.filter import parse_filter
from streamproc.rules.paths import stored_path
from streamproc.rules.plain import Odd
from streamproc.rules.problems import Problems
from streamproc.rules.settings import Settings

MAX_COUNT = 1_000_000
MIN_WINDOW_MS, MAX_WINDOW_MS = 1000, 90 * 86_400_000
MAX_GROUP_PATHS = 8


def read_filter(settings: Settings, problems: Problems) -> Filter:
    """What is left of the condition once its settings are taken."""
    return parse_filter(settings.rest, settings.where, problems, settings.beside)


def read_count(settings: Settings, problems: Problems, default: int | None) -> int:
    """`count`: 1 to `MAX_COUNT`; required without a default."""
    where = settings.path("count")
    count = settings.take("count", default)
    if count is None:
        problems.add(where, "is required")
    elif type(count) is not int:
        told(problems, where, count, "a whole number")
    elif count < 1:
        problems.value(where, count, "at least 1")
    elif count > MAX_COUNT:
        problems.value(where, count, f"at most {MAX_COUNT}")
    else:
        return count
    return 1


def read_window(settings: Settings, problems: Problems, default_ms: int | None = None) -> tuple[int, str]:
    """`window` or `window_seconds` in ms, and its kind; required without a default."""
    where, at = settings.path("window_seconds"), settings.path("window")
    seconds, span = settings.take("window_seconds"), settings.take("window")
    if seconds is not None and span is not None:
        problems.add(at, "is given beside window_seconds; keep one of them")
    if seconds is None:
        if span is None:
            if default_ms is None:
                problems.add(where, "is required (or window, such as 5m)")
            return default_ms or MIN_WINDOW_MS, "rolling"
        return read_span(at, span, problems), "rolling"
    if type(seconds) not in (int, float):
        told(problems, where, seconds, "a number of seconds")
    elif seconds < MIN_WINDOW_MS / 1000:
        problems.value(where, seconds, f"at least {MIN_WINDOW_MS // 1000}")
    elif seconds > MAX_WINDOW_MS / 1000:
        problems.value(where, seconds, f"at most {MAX_WINDOW_MS // 1000} (90 days)")
    else:
        return round(seconds * 1000), "rolling"
    return MIN_WINDOW_MS, "rolling"


def read_span(where: str, span: Any, problems: Problems, most_ms: int = MAX_WINDOW_MS) -> int:
    """A span from a second to `most_ms`, in ms."""
    ms = milliseconds_of(span)
    if ms is None:
        told(problems, where, span, "a span such as 30s, 5m, 24h or 7d")
    elif not MIN_WINDOW_MS <= ms <= most_ms:
        problems.value(where, span, f"between 1s and {most_ms // 86_400_000}d")
    else:
        return ms
    return MIN_WINDOW_MS


def read_group_by(settings: Settings, problems: Problems, default: tuple[str, ...] = ()) -> tuple[str, ...]:
    """`group_by`: a path or a list of them; null counts all together."""
    where = settings.path("group_by")
    if not settings.has("group_by"):
        return default
    written = settings.take("group_by")
    if written is None:
        return ()
    if isinstance(written, str):
        return (stored_path(written, where, problems),)
    if not isinstance(written, list) or not 1 <= len(written) <= MAX_GROUP_PATHS:
        told(problems, where, written, f"a field path, or a list of 1 to {MAX_GROUP_PATHS} of them")
        return ()
    paths = [stored_path(path, f"{where}[{place}]", problems) for place, path in enumerate(written)]
    for place, path in enumerate(paths):
        if path in paths[:place] and isinstance(written[place], str):
            problems.add(f"{where}[{place}]", f"{path} is given twice")
    return tuple(paths)


def told(problems: Problems, where: str, value: Any, expected: str) -> None:
    """A problem with a value, unless the value's own oddness was told already."""
    if not isinstance(value, Odd):  # whose problem is told already
        problems.value(where, value, expected)


def read_number(
    settings: Settings, name: str, default: float, least: float, most: float, problems: Problems, *, whole: bool = False
) -> float:
    """A number between two bounds, both included."""
    where = settings.path(name)
    value = settings.take(name, default)
    if type(value) not in ((int,) if whole else (int, float)):
        told(problems, where, value, "a whole number" if whole else "a number")
    elif not value >= least:
        problems.value(where, value, f"at least {least:g}")
    elif not value <= most:
        problems.value(where, value, f"at most {most:g}")
    else:
        return float(value)
    return default


def read_choice(settings: Settings, name: str, default: str, choices: Sequence[str], problems: Problems) -> str:
    """One of some words."""
    where = settings.path(name)
    value = settings.take(name, default)
    if isinstance(value, str) and value in choices:
        return value
    told(problems, where, value, f"one of {', '.join(choices)}")
    return default


def read_path(settings: Settings, name: str, default: str | None, problems: Problems) -> str:
    """A field path; required without a default."""
    where = settings.path(name)
    value = settings.take(name, default)
    if value is None:
        problems.add(where, "is required: a field path")
        return "id"
    return stored_path(value, where, problems)
