"""The index finds every rule that matches, in the order of the rules, and for nothing the ones that cannot."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamproc.rules import CompiledRule, RuleIndex

from .conditions import conditions, events, operators, texts, times
from .making import compiled, event

handles = st.one_of(
    st.fixed_dictionaries({"action": st.sampled_from(["user.login", "data.export"])}),
    st.fixed_dictionaries({"action": operators()}),
    st.fixed_dictionaries({"actor.id": st.sampled_from(["alice", "a"]), "outcome": st.just("failure")}),
    st.fixed_dictionaries({"tags": st.sampled_from(["a", "alice"])}),
    st.fixed_dictionaries({"tags": st.sampled_from([{"in": ["A", 1], "ignore_case": True}, {"in": ["a", True]}])}),
    st.fixed_dictionaries({"any": st.lists(st.fixed_dictionaries({"outcome": st.just("failure"), "a": texts}))}).filter(
        lambda condition: condition["any"]
    ),
    st.fixed_dictionaries({"raw.k": operators(), "raw.role": operators()}),
    conditions(),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["acme", "other", "*"]), handles), max_size=12),
    st.lists(st.tuples(events(), times), min_size=1, max_size=4),
)
def test_matching_by_the_index_is_matching_all_rules(
    written: list[tuple[str, dict[str, Any]]], happened: list[tuple[dict[str, Any], int]]
) -> None:
    rules: dict[str, list[CompiledRule]] = {}
    for place, (owner, condition) in enumerate(written):
        rules.setdefault(owner, []).append(compiled(condition, id=f"r{place}", tenant_id=owner))
    index = RuleIndex.empty.with_tenants(rules)
    for doc, t in happened * 2:  # the second time some are remembered
        tenant = doc["tenant_id"]
        in_order = [*rules.get("*", []), *rules.get(tenant, [])]
        found = index.candidates(tenant, doc)
        assert [rule for rule in found if rule.matches(doc, t)] == [rule for rule in in_order if rule.matches(doc, t)]
        assert len(set(found)) == len(found)


@pytest.mark.parametrize(
    "condition",
    [
        {"action": "user.login"},
        {"action": {"in": ["user.login", "user.logout"]}},
        {"action": {"matches": "user.*"}},
        {"action": {"matches": "*.login"}},
        {"action": {"starts_with": "user."}},
        {"action": {"ends_with": ".login"}},
        {"outcome": "denied"},
        {"all": [{"actor": {"id": {"in": ["alice", "bob"]}}}]},
        {"action": {"regex": "x"}, "actor.groups": "admins"},
        {"metadata.n": 3, "resource.type": {"eq": "bucket", "not": "x"}},
        {"metadata.n": 3},
        {"metadata.n": {"in": [3, "3", True]}},
        {"outcome": {"eq": "DENIED", "ignore_case": True}},
        {"action": {"in": ["USER.login", "x"], "ignore_case": True}},
        {"any": [{"outcome": "denied"}, {"outcome": "failure", "actor.id": "alice"}]},
        {"any": [{"action": "user.login"}, {"all": [{"action": {"in": ["a", "b"]}}]}]},
        {"raw.userAgent": {"contains": "bot"}},
        {"any": [{"raw.op": {"starts_with": "x"}, "raw.n": {"gt": 1}}, {"raw.op": {"exists": True}}]},
        {"raw.a": {"field": "actor.id"}, "none": [{"raw.b": 1}]},
    ],
    ids=str,
)
def test_a_rule_that_names_something_else_is_not_even_tried(condition: dict[str, Any]) -> None:
    index = RuleIndex.empty.with_tenant("acme", [compiled(condition)])
    other = event(action="data.read", actor={"id": "carol", "groups": ["users"]}, resource={"type": "db"})
    assert index.candidates("acme", other) == ()


@pytest.mark.parametrize("absent", [{"not": "x"}, {"not_in": ["x"]}, {"exists": False}], ids=str)
def test_what_may_be_absent_is_no_reason_to_leave_a_rule_out(absent: dict[str, Any]) -> None:
    rule = compiled({"raw.a": absent})
    assert RuleIndex.empty.with_tenant("acme", [rule]).candidates("acme", event()) == (rule,)


def test_a_sequence_is_found_by_its_steps() -> None:
    steps = [{"action": "user.login", "outcome": "failure"}, {"action": {"in": ["user.login", "data.export"]}}]
    rule = compiled({"steps": steps, "within": "5m"}, type="sequence")
    index = RuleIndex.empty.with_tenant("acme", [rule])
    assert index.candidates("acme", event(action="data.export")) == (rule,)
    assert index.candidates("acme", event(action="data.read")) == ()


def test_the_field_with_most_values_is_looked_up() -> None:
    """Nearly all events have the one source and type; of the names each has one."""
    rules = [
        compiled(
            {"source": "s", "raw.actor.type": "User", "raw.name": {"eq": f"N{n}", "ignore_case": True}}, id=f"r{n}"
        )
        for n in range(20)
    ]
    index = RuleIndex.empty.with_tenant("acme", rules)
    doc = event(source="s", raw={"actor": {"type": "User"}, "name": "n7"})
    assert index.candidates("acme", doc) == (rules[7],)


def test_a_change_leaves_the_old_index_and_the_other_owners_alone() -> None:
    a, b, c = (compiled({"action": "a"}, id=name) for name in "abc")
    first = RuleIndex.empty.with_tenants({"acme": [a, b], "other": [c]})
    second = first.with_tenant("acme", [b])
    assert first.candidates("acme", event()) == (a, b)
    assert second.candidates("acme", event()) == (b,)
    assert second.candidates("other", event()) == (c,)
    assert second.candidates("third", event()) == ()
    assert (first.get("acme", "a"), second.get("acme", "a"), second.get("other", "c")) == (a, None, c)
    assert (len(RuleIndex.empty), len(first), len(second), len(second.with_tenant("acme", []))) == (0, 3, 2, 1)


def test_what_is_remembered_is_bounded() -> None:
    rule = compiled({"action": {"matches": "user.*"}})
    index = RuleIndex.empty.with_tenant("acme", [rule])
    for number in range(5000):
        assert index.candidates("acme", event(action=f"user.{number}")) == (rule,)
        assert index.candidates("acme", event(action=f"data.{number}")) == ()
    assert len(index._owners["acme"]._remembered) <= 1000
