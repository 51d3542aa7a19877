"""What a rule looks for: the filter as a tree of tests, and one condition per rule type.

All are frozen and compare by value. Text in them is as the rule's author wrote it; `rules.compile` gives it meaning.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Scalar = str | int | float | bool | None
Path = tuple[str, ...]
"""Steps into the event document; a step of digits is also a place in a list."""


class Op(StrEnum):
    """The operators of the filter language (CONTRACT "Filter")."""

    EQ = "eq"
    NOT = "not"
    IN = "in"
    NOT_IN = "not_in"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    BETWEEN = "between"
    MATCHES = "matches"
    CONTAINS = "contains"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    REGEX = "regex"
    CIDR = "cidr"
    EXISTS = "exists"
    FIELD = "field"
    ANYWHERE = "anywhere"


@dataclass(frozen=True, slots=True)
class NamedList:
    """`{list: name}`: the values of a list of the rule's tenant, looked up when the rule is compiled."""

    name: str


@dataclass(frozen=True, slots=True)
class Test:
    """One operator on one field.

    `value` depends on `op`: a scalar; a tuple of scalars or a `NamedList` (in, not_in); a pair (between); texts
    (cidr, anywhere); True or False (exists); a `Path` (field).
    """

    path: Path
    op: Op
    value: Any
    ignore_case: bool = False


@dataclass(frozen=True, slots=True)
class ShieldTest:
    """Shield's `{type, values, isNot}`: the field, at the top level or else in `metadata`, has one of the texts."""

    field: str
    values: tuple[str, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds; an empty one always does."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class NoneOf:
    """No part holds."""

    parts: tuple[Filter, ...]


Filter = Test | ShieldTest | AllOf | AnyOf | NoneOf


@dataclass(frozen=True, slots=True)
class ThresholdCondition:
    """`count` matching events (or different values of `distinct`) within a window, per group."""

    filter: Filter
    count: int
    window_ms: int
    window_type: str
    group_by: tuple[str, ...] = ()
    distinct: str | None = None


@dataclass(frozen=True, slots=True)
class PatternCondition:
    """Each matching event."""

    filter: Filter
    group_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScheduledCondition:
    """`count` matching events (or different values of `distinct`) between two instants of a CRON expression."""

    filter: Filter
    count: int
    schedule: str
    """Five fields, as cronsim reads them; instants are local times of the rule's zone."""
    group_by: tuple[str, ...] = ()
    distinct: str | None = None


@dataclass(frozen=True, slots=True)
class AnomalyCondition:
    """A group's count in a bucket leaves what the group's earlier buckets were like.

    `method` stddev: more than `stddev` deviations over the mean; tail: less likely than 1 in 10,000. Either way
    the count is at least `min_count` and `ratio` times the mean.
    """

    filter: Filter
    bucket_ms: int
    """An hour or a day."""
    baseline_days: int
    stddev: float
    ratio: float
    min_count: int
    method: str
    group_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NewValueCondition:
    """A value at `path` that the group never had before; its first ever is none."""

    filter: Filter
    path: str
    learning_ms: int
    """For so long after the group was first seen, new values are learnt in silence."""
    ttl_ms: int
    """A value not seen for so long is new again."""
    group_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OffHoursCondition:
    """Each matching event outside the business hours, in the rule's zone."""

    filter: Filter
    days: tuple[int, ...]
    """Working days, 1 (Monday) to 7."""
    start_minute: int
    end_minute: int
    """Minutes after midnight; the end is exclusive, and before the start it is of the next day."""
    country: str | None
    """The country (or `US-CA`) whose public holidays are off hours."""
    holidays: tuple[str, ...]
    """Further days off, as 2026-12-24."""
    group_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SequenceCondition:
    """An event for each step within a span; `filter` holds for all of them."""

    filter: Filter
    steps: tuple[Filter, ...]
    ordered: bool
    within_ms: int
    group_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AbsenceCondition:
    """No matching event for a span, once the group was seen."""

    filter: Filter
    every_ms: int
    group_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TravelCondition:
    """Two places too far apart for the time between them."""

    filter: Filter
    speed_kmh: float
    min_km: float
    group_by: tuple[str, ...] = ()


Condition = (
    ThresholdCondition
    | PatternCondition
    | ScheduledCondition
    | AnomalyCondition
    | NewValueCondition
    | OffHoursCondition
    | SequenceCondition
    | AbsenceCondition
    | TravelCondition
)
