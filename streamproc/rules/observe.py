"""What a condition asks of an event beside its filter: whether it is off hours, which steps it is, what it shows.

| condition | `observe` answers |
|---|---|
| with `distinct`, new_value | the value at the path; of a list, its first scalar |
| sequence | a number whose bit n says that the event is step n |
| impossible_travel | [latitude, longitude, what people call the place] |
| others | nothing: `observe` is None |
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeGuard
from zoneinfo import ZoneInfo

from streamproc.model.condition import (
    AllOf,
    AnyOf,
    Condition,
    Filter,
    NewValueCondition,
    OffHoursCondition,
    SequenceCondition,
    TravelCondition,
)
from streamproc.rules.business_hours import is_open
from streamproc.rules.groups import Document, distinct_of

Predicate = Callable[[Document, int], bool]
Observe = Callable[[Document, int], Any]


def matches_of(condition: Condition, zone: ZoneInfo, compiled: Callable[[Filter], Predicate]) -> Predicate:
    """Whether an event is a hit; `compiled` makes a predicate of a filter."""
    if isinstance(condition, SequenceCondition):
        return compiled(AllOf((condition.filter, AnyOf(condition.steps))))
    matches = compiled(condition.filter)
    if isinstance(condition, OffHoursCondition):
        opened = is_open(condition, zone)
        return lambda doc, t: matches(doc, t) and not opened(t)
    return matches


def observe_of(condition: Condition, compiled: Callable[[Filter], Predicate]) -> Observe | None:
    """See the module; None when a hit's time is all there is to know."""
    if isinstance(condition, SequenceCondition):
        return _steps([compiled(step) for step in condition.steps])
    if isinstance(condition, TravelCondition):
        return _place
    path = condition.path if isinstance(condition, NewValueCondition) else getattr(condition, "distinct", None)
    if path is None:
        return None
    read = distinct_of(path)
    return lambda doc, t: read(doc)


def _steps(steps: list[Predicate]) -> Observe:
    def which(doc: Document, t: int) -> int:
        bits = 0
        for number, step in enumerate(steps):
            if step(doc, t):
                bits |= 1 << number
        return bits

    return which


def _place(doc: Document, t: int) -> list[Any] | None:
    """`actor.location: {lat, lon}`, as sources and enrichment write it; None where it is no place on Earth."""
    actor = doc.get("actor")
    location = actor.get("location") if isinstance(actor, dict) else None
    if not isinstance(actor, dict) or not isinstance(location, dict):
        return None
    lat, lon = location.get("lat"), location.get("lon")
    if not (_is_number(lat) and _is_number(lon)):
        return None
    if not (-90 <= lat <= 90 and -180 <= lon <= 180):
        return None
    name = location.get("city") or actor.get("country") or actor.get("ip")
    return [float(lat), float(lon), name[:100] if isinstance(name, str) else f"{lat:.1f}, {lon:.1f}"]


def _is_number(value: object) -> TypeGuard[float]:
    return type(value) in (int, float)
