"""Whatever a rule is given as, the only error is RuleError; and no event makes a rule that was taken raise."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamproc.rules import RuleError, RuleIndex, compile_rule, parse_rule

from .conditions import conditions, events
from .making import NOON, compiled, event, problems, rule

NAMES = [
    *("name", "tenant_id", "tenantId", "type", "Type", "id", "condition", "conditions", "severity", "channels"),
    *("timezone", "thresholdTime", "threshold_type", "count", "window", "windowSeconds", "window_type", "groupBy"),
    *("group_by", "distinct", "metadata", "tests", "any", "all", "none", "action", "event_time", "hour", "weekday"),
    *("date", "in", "not", "not_in", "notIn", "eq", "gt", "between", "matches", "contains", "startsWith", "regex"),
    "anywhere",
    *("cidr", "exists", "field", "ignore_case", "ignoreCase", "list", "values", "isNot", "is_not", "actor.id", ""),
    *("auto_resolve_after", "cooldown_min", "lateness_seconds", "runbook", "enabled", "mode", "policy", "a.²"),
]
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=3)
    | st.sampled_from(["threshold", "pattern", "acme", "5m", "minutes", "1", "UTC", "fixed", "a.*b?", "(", "\ud800"])
    | st.sampled_from([10**400, date(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC), Decimal("NaN"), Fraction(1, 3)])
    | st.sampled_from([frozenset({1}), complex(1), object(), Ellipsis, int, "9" * 5000, "x" * 100_000, range(3)])
)
keys = st.sampled_from(NAMES) | st.text(max_size=3) | st.none() | st.integers(0, 3) | st.booleans() | st.floats()
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(keys, inner, max_size=4)
        | st.dictionaries(keys, inner, max_size=2).map(MappingProxyType)
    ),
    max_leaves=25,
)
rules = st.builds(
    lambda base, condition, more: base | {"condition": condition} | more,
    st.fixed_dictionaries({"name": st.just("n"), "type": st.sampled_from(["pattern", "threshold", None])}),
    anything | conditions() | st.dictionaries(st.sampled_from(NAMES), anything, max_size=3),
    st.dictionaries(st.sampled_from(NAMES), anything, max_size=3),
)


@settings(max_examples=500, deadline=None)
@given(rules | anything, st.sampled_from([None, "acme"]), events())
def test_parsing_raises_nothing_but_rule_errors_and_matching_nothing_at_all(
    doc: Any, tenant: str | None, happened: dict[str, Any]
) -> None:
    try:
        parsed = parse_rule(doc, default_tenant=tenant)
    except RuleError as error:
        assert error.problems
        assert all(problem.message for problem in error.problems)
        str(error).encode(errors="backslashreplace")
        return
    ready = compile_rule(parsed, 1)
    assert isinstance(ready.matches(happened, NOON), bool)
    ready.groups(happened)
    assert RuleIndex.empty.with_tenant("acme", [ready]).candidates("acme", happened) in ((), (ready,))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abk0"), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=400, deadline=None)
@given(
    conditions(),
    st.dictionaries(st.sampled_from(["a", "b", "tags", "items", "actor", "metadata", "detected"]), json_values),
    st.integers(0, 253_402_300_799_999),
    st.lists(st.sampled_from(["a", "a.b", "items.k", "a.0.b", "tags.²"]), min_size=1, max_size=3, unique=True),
)
def test_no_event_makes_a_rule_raise(condition: dict[str, Any], doc: dict[str, Any], t: int, paths: list[str]) -> None:
    ready = compiled(condition | {"group_by": paths}, timezone="Pacific/Kiritimati")
    assert isinstance(ready.matches(event(**doc), t), bool)
    groups = ready.groups(event(**doc))
    assert all(len(group) == len(paths) and None not in group for group in groups)
    assert len(groups) == len({(group, *map(type, group)) for group in groups}) <= 100


class Nested(Mapping[str, Any]):
    """A map that has itself in it."""

    def __getitem__(self, key: str) -> Any:
        return self

    def __iter__(self) -> Iterator[str]:
        return iter(["any"])

    def __len__(self) -> int:
        return 1


class Broken(dict[str, Any]):
    """A map that cannot be read."""

    def items(self) -> Any:
        raise OSError("no")


def deep(levels: int, wrap: Any) -> Any:
    value: Any = "x"
    for _ in range(levels):
        value = wrap(value)
    return value


@pytest.mark.parametrize("levels", [40, 500, 20_000])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda v: {"a": v},
        lambda v: [v],
        lambda v: {"any": [v]},
        lambda v: {"none": v},
        lambda v: {"a": {"in": [v]}},
        lambda v: {"metadata": {"any": [v]}},
        lambda v: (v,),
    ],
    ids=["maps", "lists", "any", "none", "in", "any in a map", "tuples"],
)
def test_depth_is_told_and_not_run_into(levels: int, wrap: Any) -> None:
    nested = deep(levels, wrap)
    for doc in (rule({"b": nested}), rule(nested), rule({"a": 1}, metadata={"m": nested}, name=nested), nested):
        assert problems(doc)


def test_a_rule_as_deep_as_allowed_works() -> None:
    nested: Any = {"a": 1}
    for _ in range(32):
        nested = {"all": [nested]}
    assert compiled(nested).matches(event(a=1), NOON)
    assert problems(rule({"all": [nested]})) == [
        f"condition{'.all[0]' * 33}: is nested deeper than 32 levels",
    ]


def test_circles_and_anchors_that_multiply_are_told() -> None:
    circle: dict[str, Any] = {"a": 1}
    circle["any"] = [circle]
    assert "is nested deeper than 80 levels" in problems(rule(circle))[0]
    assert "is nested deeper than 80 levels" in problems(Nested())[0]
    laughs: list[Any] = ["ha"]
    for _ in range(40):
        laughs = [laughs] * 10
    began = time.process_time()
    assert "is too large: a rule has at most 300000 values" in problems(rule({"a": {"in": laughs}}))[0]
    assert time.process_time() - began < 5
    assert problems(rule(Broken(a=1))) == ["cannot be read: OSError"]


def test_hostile_sizes_are_told_quickly() -> None:
    began = time.process_time()
    assert problems(rule({"a": {"in": ["x"] * 10_001}}))
    assert problems(rule({"x" * 100_000: 1}))
    assert problems(rule({f"f{place}": place for place in range(1001)})) == [
        "condition.f1000: is one too many: a filter has at most 1000 tests"
    ]
    assert problems({f"f{place}": 1 for place in range(100_000)}) == ["has more than 100 fields"]
    assert problems(rule({"a": 1}, channels=list(range(100_000))))
    assert problems(rule({"a": 1}, tests=[1] * 100_000))
    assert time.process_time() - began < 10


def test_what_the_rule_holds_is_its_own() -> None:
    metadata = {"control": ["x"]}
    parsed = parse_rule(rule({"a": 1}, metadata=metadata))
    metadata["control"].append("y")
    assert parsed.metadata == {"control": ["x"]}


def test_lists_in_events_cannot_multiply() -> None:
    """Eight lists of a hundred make 10^16 combinations; two lists of 50,000 make 2.5 × 10^9 comparisons."""
    names = "stuvwxyz"
    doc = event(**{name: list(range(100)) for name in names})
    big = event(a=list(range(50_000)), b=list(range(50_000, 100_000)))
    began = time.process_time()
    assert len(compiled({"group_by": list(names)}).groups(doc)) == 100
    assert not compiled({"a": {"field": "b"}}).matches(big, NOON)
    assert time.process_time() - began < 5


def test_the_stack_that_is_left_does_not_matter_much() -> None:
    nested: Any = {"a": 1}
    for _ in range(32):
        nested = {"any": [nested]}

    def called_from(frames: int) -> bool:
        return called_from(frames - 1) if frames else compiled(nested).matches(event(a=1), NOON)

    assert called_from(sys.getrecursionlimit() // 2)
