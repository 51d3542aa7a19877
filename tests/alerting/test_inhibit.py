"""Inhibition: which alert keeps which quiet."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streamproc.alerting.inhibit import inhibited
from streamproc.model.policy import Inhibition, parse_policy


def rules(*written: dict[str, Any]) -> tuple[Inhibition, ...]:
    return parse_policy({"id": "p", "tenant_id": "acme", "inhibit": list(written)}).inhibit


def alert(id: str, rule: str, status: str = "open", host: object = "db-1", **fields: Any) -> dict[str, Any]:
    group = {} if host is None else {"host.name": host}
    return {"id": id, "tenant_id": "acme", "status": status, "rule": {"id": rule}, "group": group, **fields}


DOWN = {"source": {"rule.id": "host-down"}, "target": {"rule.id": {"not": "host-down"}}, "equal": ["group.host.name"]}


def test_a_source_keeps_its_targets_quiet_while_it_is_active() -> None:
    target = alert("b", "slow")
    for status, quiet in (("open", True), ("acknowledged", True), ("escalated", True), ("suppressed", True),
                          ("resolved", False)):  # fmt: skip
        found = inhibited(target, rules(DOWN), [alert("a", "host-down", status)])
        assert (found is not None) is quiet, status
    found = inhibited(target, rules(DOWN), [alert("z", "host-down"), alert("a", "host-down"), target])
    assert found is not None
    assert (found.rule, found.source_id) == (0, "a")


def test_the_equal_fields_must_be_there_and_agree() -> None:
    source = alert("a", "host-down")
    assert inhibited(alert("b", "slow", host="db-2"), rules(DOWN), [source]) is None
    assert inhibited(alert("b", "slow", host=None), rules(DOWN), [alert("a", "host-down", host=None)]) is None
    assert inhibited(alert("b", "slow", host=True), rules(DOWN), [alert("a", "host-down", host=1)]) is None
    assert inhibited(alert("b", "slow", host=1.0), rules(DOWN), [alert("a", "host-down", host=1)]) is not None
    without = {name: DOWN[name] for name in ("source", "target")}
    assert inhibited(alert("b", "slow", host="db-2"), rules(without), [source]) is not None


def test_another_tenants_alert_is_no_source() -> None:
    assert inhibited(alert("b", "slow"), rules(DOWN), [alert("a", "host-down", tenant_id="globex")]) is None


def test_alerts_that_are_source_and_target_do_not_silence_each_other() -> None:
    every = {"source": {"severity": "critical"}, "target": {"status": {"exists": True}}}
    one, other = alert("a", "x", severity="critical"), alert("b", "x", severity="critical")
    assert inhibited(one, rules(every), [one]) is None
    assert inhibited(one, rules(every), [one, other]) is None
    assert inhibited(other, rules(every), [one, other]) is None
    assert inhibited(alert("c", "x", severity="low"), rules(every), [one, other]) is not None


def test_an_earlier_record_of_the_alert_is_no_source() -> None:
    worse = {"source": {"severity": "critical"}, "target": {"severity": "low"}}
    before, now = alert("a", "x", severity="critical"), alert("a", "x", severity="low")
    assert inhibited(now, rules(worse), [before]) is None
    assert inhibited(now, rules(worse), [{**before, "id": "b"}]) is not None


def test_the_first_rule_that_applies_is_named() -> None:
    second = {"source": {"rule.id": "site-down"}, "target": {"rule.id": "slow"}}
    found = inhibited(alert("b", "slow"), rules(DOWN, second), [alert("a", "site-down")])
    assert found is not None
    assert found.rule == 1


states = st.lists(
    st.tuples(st.sampled_from(["host-down", "slow", "full"]), st.sampled_from(["open", "resolved"]),
              st.sampled_from(["db-1", "db-2", None])),
    max_size=6,
)  # fmt: skip


@given(states)
def test_against_a_plain_reading(found: list[tuple[str, str, str | None]]) -> None:
    alerts = [alert(f"a{n}", rule, status, host) for n, (rule, status, host) in enumerate(found)]
    for one, (rule, _, host) in zip(alerts, found, strict=True):
        expected = rule != "host-down" and host is not None and ("host-down", "open", host) in found
        assert (inhibited(one, rules(DOWN), alerts) is not None) is expected


@given(states)
def test_never_is_everybody_quiet(found: list[tuple[str, str, str | None]]) -> None:
    """Whatever the rule, somebody is still told of an open alert."""
    any_rule = rules({"source": {"group": {"exists": True}}, "target": {"rule": {"exists": True}}})
    alerts = [alert(f"a{n}", rule, status, host) for n, (rule, status, host) in enumerate(found)]
    active = [one for one in alerts if one["status"] == "open"]
    if active:
        assert any(inhibited(one, any_rule, alerts) is None for one in active)
