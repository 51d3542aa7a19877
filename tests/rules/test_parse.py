"""Defaults, ids, owners, spellings and time zones of rules."""

from __future__ import annotations

from typing import Any

import pytest

from streamproc.model.condition import AllOf, Op, PatternCondition, ShieldTest, ThresholdCondition
from streamproc.model.condition import Test as FieldTest
from streamproc.model.rule import Rule
from streamproc.rules import parse_rule

from .making import compiled, problems, rule


def test_defaults() -> None:
    parsed = parse_rule({"name": "n", "type": "pattern", "condition": {}}, default_tenant="acme")
    assert parsed.model_dump(exclude={"id", "condition"}) == {
        "tenant_id": "acme",
        "name": "n",
        "description": "",
        "title": None,
        "reason": None,
        "type": "pattern",
        "severity": "medium",
        "severity_cases": (),
        "category": None,
        "mitre_tactics": (),
        "mitre_techniques": (),
        "channels": (),
        "webhook_ids": (),
        "notification_types": (),
        "email_recipients": (),
        "slack_channels": (),
        "teams_channels": (),
        "webhook_urls": (),
        "cooldown_min": 5,
        "cooldown_factor": 1,
        "cooldown_max_min": 1440,
        "policy": "default",
        "enabled": True,
        "lateness_seconds": 600,
        "auto_resolve_after": 30 * 86_400,
        "auto_resolve": None,
        "mode": "live",
        "timezone": "UTC",
        "runbook": None,
        "metadata": {},
        "tests": (),
    }
    assert parsed.condition == PatternCondition(AllOf(()), ())
    assert (parsed.auto_resolve_ms, parsed.lateness_ms) == (30 * 86_400_000, 600_000)


def test_the_contracts_example() -> None:
    """The rule that CONTRACT shows."""
    parsed = parse_rule(
        {
            "id": "excessive-failed-logins",
            "tenant_id": "acme",
            "name": "Excessive Failed Logins",
            "title": "{{ rule.name }}",
            "description": "…",
            "type": "threshold",
            "condition": {
                "action": "user.login",
                "outcome": "failure",
                "count": 5,
                "window_seconds": 300,
                "group_by": "actor.ip",
            },
            "severity": "high",
            "category": "identity",
            "mitre_tactics": ["Credential Access"],
            "mitre_techniques": ["T1110"],
            "channels": ["email", "slack"],
            "webhook_ids": ["webhook_security_slack"],
            "cooldown_min": 30,
            "policy": "default",
            "enabled": True,
            "lateness_seconds": 600,
            "auto_resolve_after": "30d",
            "mode": "live",
            "timezone": "UTC",
            "runbook": "https://example.com/runbook",
            "metadata": {"compliance_control": "SOC2-CC6.3"},
            "tests": [{"name": "five failures fire", "events": [], "expect": [{"count": 5}]}],
        }
    )
    assert parsed.condition == ThresholdCondition(
        AllOf((FieldTest(("action",), Op.EQ, "user.login"), FieldTest(("outcome",), Op.EQ, "failure"))),
        5,
        300_000,
        "rolling",
        ("actor.ip",),
    )


CAMEL = {
    "tenantId": "acme",
    "name": "n",
    "type": "threshold",
    "mitreTactics": "Impact",
    "webhookIds": ["w"],
    "cooldownMin": 1.5,
    "latenessSeconds": 60,
    "autoResolveAfter": "12h",
    "condition": {
        "eventTime": {"hour": {"between": [22, 6]}},
        "actorId": {"startsWith": "svc-", "ignoreCase": True},
        "outcome": {"notIn": ["success"]},
        "count": 2,
        "windowSeconds": 60,
        "windowType": "fixed",
        "groupBy": ["actorIp", "metadata.deviceId"],
        "distinct": "resourceId",
    },
}


def test_camel_case_everywhere_is_snake_case() -> None:
    snake = {
        "tenant_id": "acme",
        "name": "n",
        "type": "threshold",
        "mitre_tactics": ["Impact"],
        "webhook_ids": ["w"],
        "cooldown_min": 1.5,
        "lateness_seconds": 60,
        "auto_resolve_after": 43_200,
        "condition": {
            "event_time.hour": {"between": [22, 6]},
            "actor.id": {"starts_with": "svc-", "ignore_case": True},
            "outcome": {"not_in": ["success"]},
            "count": 2,
            "window": "1m",
            "window_type": "fixed",
            "group_by": ["actor.ip", "metadata.deviceId"],
            "distinct": "resource.id",
        },
    }
    assert parse_rule(CAMEL) == parse_rule(snake)


def test_type_may_be_spelled_any_way_but_must_be_there() -> None:
    assert parse_rule({"name": "n", "Type": "pattern", "condition": {}}, default_tenant="a").type == "pattern"
    assert problems({"name": "n", "conditions": [{"type": "apps", "values": ["x"]}]}, default_tenant="a") == [
        "type: is required"
    ]


@pytest.mark.parametrize(
    ("written", "default", "owner"),
    [({}, "acme", "acme"), ({"tenant_id": "other"}, "acme", "other"), ({"tenantId": "*"}, None, "*")],
)
def test_the_owner(written: dict[str, Any], default: str | None, owner: str) -> None:
    doc = {"name": "n", "type": "pattern", "condition": {"a": 1}, **written}
    assert parse_rule(doc, default_tenant=default).tenant_id == owner


def test_a_derived_id_is_the_same_each_time_and_another_for_another() -> None:
    def id_of(**fields: Any) -> str:
        return parse_rule(rule({"a": 1}, **fields)).id

    assert id_of() == id_of(severity="high", id=None)
    assert id_of().startswith("rule_")
    assert len({id_of(), id_of(name="m"), id_of(tenant_id="other"), id_of(name="acme\u00a0n")}) == 4
    assert id_of(id="mine") == "mine"


@pytest.mark.parametrize("text", ["é 日本語 😀", "全角　空白", "👩‍💻 at work", "non\u00a0breaking", "x" * 64])
def test_names_in_any_script(text: str) -> None:
    assert parse_rule(rule({"a": 1}, name=text, description=text)).name == text


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("30d", 2_592_000), ("90s", 90), ("2w", 1_209_600), (3600, 3600), (None, None)],
)
def test_auto_resolve_after(written: Any, seconds: int | None) -> None:
    assert parse_rule(rule({"a": 1}, auto_resolve_after=written)).auto_resolve_after == seconds


def test_the_time_zone_may_stand_in_the_condition() -> None:
    inside, outside = rule({"a": 1, "timezone": "Asia/Tokyo"}), rule({"a": 1}, timezone="Asia/Tokyo")
    assert parse_rule(inside) == parse_rule(outside)
    assert parse_rule(outside).zone.key == "Asia/Tokyo"


def test_a_field_that_is_named_as_a_setting_is_tested_within_all() -> None:
    condition = {"all": [{"count": 7, "window": "x", "timezone": "UTC"}], "count": 2, "window": "1m"}
    parsed = parse_rule(rule(condition, type="threshold"))
    assert parsed.condition.count == 2
    assert parsed.timezone == "UTC"
    (inner,) = parsed.condition.filter.parts
    assert [test.path for test in inner.parts] == [("count",), ("window",), ("timezone",)]


def test_weekday_names_and_mapped_networks_are_brought_to_one_form() -> None:
    parsed = parse_rule(rule({"event_time.weekday": {"in": ["mon", "Sunday", 3]}, "a": {"cidr": "::ffff:10.0.0.1"}}))
    assert [test.value for test in parsed.condition.filter.parts] == [(1, 7, 3), ("10.0.0.1/32",)]


def test_shields_conditions_beside_and_within_are_the_same() -> None:
    conditions = [{"type": "datatypesDetected", "values": ["a", True, 1.0], "isNot": True}]
    expected = PatternCondition(ShieldTest("datatypes_detected", ("a", "true", "1"), True), ())
    assert parse_rule(rule({}, conditions=conditions)).condition == expected
    assert parse_rule(rule({"conditions": conditions})).condition == expected


def test_compiling_says_whose_and_which() -> None:
    ready = compiled({"a": 1}, id="x", tenant_id="*", revision=7)
    assert (ready.owner, ready.id, ready.revision, ready.observe) == ("*", "x", 7, None)
    assert isinstance(ready.rule, Rule)
    assert len(ready.counting_hash) == 8
