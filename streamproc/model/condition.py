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


@dataclass(frozen=True, slots=True)
class NamedList:
    """`{list: name}`: the values of a list of the rule's tenant, looked up when the rule is compiled."""

    name: str


@dataclass(frozen=True, slots=True)
class Test:
    """One operator on one field.

    `value` depends on `op`: a scalar; a tuple of scalars or a `NamedList` (in, not_in); a pair (between); texts
    (cidr); True or False (exists); a `Path` (field).
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


Condition = ThresholdCondition | PatternCondition
