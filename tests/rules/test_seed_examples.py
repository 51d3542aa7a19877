# ruff: noqa: E501  # tables: one case a line
"""The rules that the products' own documents show, as the JSON they send, and what their text says they catch.

`yes` and `no` are events that must and must not match. What becomes of them in time is in `test_seed_alerts`, who is
told in `test_seed_recipients`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from streamproc.model.condition import ThresholdCondition
from streamproc.rules import compile_rule, parse_rule

from .making import event, ms


@dataclass
class Example:
    text: str
    yes: list[dict[str, Any]]
    no: list[dict[str, Any]]
    window: tuple[int, int, str] | None = None
    """(count, window in ms, kind) of a threshold."""
    rule: dict[str, Any] = field(default_factory=dict)
    """What else the rule must have."""
    groups: list[tuple[Any, ...]] = field(default_factory=lambda: [()])
    type: str = "pattern"
    """Of a rule that is no threshold."""


def at(time: str, **fields: Any) -> dict[str, Any]:
    return event(**fields) | {"event_time": time}


EXAMPLES = [
    Example(
        """{"name": "Excessive Failed Logins", "type": "threshold",
            "condition": {"action": "user.login", "outcome": "failure", "count": 5, "window_seconds": 300},
            "severity": "high", "channels": ["email", "slack"], "webhookIds": ["webhook_security_slack"],
            "cooldownMin": 30}""",
        yes=[event(action="user.login", outcome="failure")],
        no=[event(action="user.login"), event(action="user.logout", outcome="failure")],
        window=(5, 300_000, "rolling"),
        rule={
            "severity": "high",
            "channels": ("email", "slack"),
            "webhook_ids": ("webhook_security_slack",),
            "cooldown_min": 30,
        },
    ),
    Example(
        """{"name": "Data Export Detected", "type": "pattern", "condition": {"action": {"matches": "*.export"}},
            "severity": "medium", "channels": ["email"], "webhookIds": ["webhook_compliance_team"]}""",
        yes=[event(action="data.export"), event(action="a.b.export"), event(action=".export")],
        no=[event(action="data.exported"), event(action="export"), event(action="data.Export")],
        rule={"severity": "medium"},
    ),
    Example(
        """{"name": "Privileged Action by Non-Admin", "type": "pattern",
            "condition": {"action": {"in": ["user.delete", "role.grant", "config.update"]},
                          "metadata": {"actor_role": {"not": "admin"}}},
            "severity": "critical", "channels": ["pagerduty", "slack"]}""",
        yes=[event(action="role.grant", metadata={"actor_role": "member"}), event(action="user.delete")],
        no=[event(action="role.grant", metadata={"actor_role": "admin"}), event(action="user.create")],
        rule={"severity": "critical"},
    ),
    Example(
        """{"name": "Unusual User Activity", "type": "anomaly",
            "condition": {"actor_id": "user_123", "baseline_window_days": 30, "threshold_stddev": 3},
            "severity": "medium", "channels": ["slack"]}""",
        yes=[event(actor={"id": "user_123"})],
        no=[event(actor={"id": "user_456"}), event()],
        type="anomaly",
        groups=[("user_123",)],
    ),
    Example(
        """{"name": "Compliance Check Failed", "type": "compliance", "condition": {"framework": "any", "passed": false},
            "severity": "critical", "channels": ["email", "pagerduty"], "webhookIds": ["webhook_security_team"]}""",
        yes=[event(metadata={"framework": "GDPR", "passed": False}), event(action="compliance.check.failed")],
        no=[event(metadata={"framework": "GDPR", "passed": True}), event(metadata={"passed": "false"}), event()],
        rule={"webhook_ids": ("webhook_security_team",)},
        type="compliance",
    ),
    Example(
        """{"name": "Brute Force Attack", "type": "threshold",
            "condition": {"action": "user.login", "outcome": "failure", "count": 10, "window_seconds": 60,
                          "groupBy": "actor.ip"},
            "severity": "critical", "channels": ["pagerduty", "slack"]}""",
        yes=[event(action="user.login", outcome="failure", actor={"ip": "203.0.113.7"})],
        no=[event(action="user.login", outcome="denied", actor={"ip": "203.0.113.7"})],
        window=(10, 60_000, "rolling"),
        groups=[("203.0.113.7",)],
    ),
    Example(
        """{"name": "Privilege Escalation Attempt", "type": "pattern",
            "condition": {"action": "role.grant", "metadata": {"granted_role": {"in": ["admin", "superuser"]}}},
            "severity": "critical", "channels": ["email", "pagerduty"],
            "metadata": {"description": "Alert when admin or superuser role is granted to any user"}}""",
        yes=[event(action="role.grant", metadata={"granted_role": role}) for role in ("admin", "superuser")],
        no=[event(action="role.grant", metadata={"granted_role": "member"}), event(action="role.grant")],
        rule={"metadata": {"description": "Alert when admin or superuser role is granted to any user"}},
    ),
    Example(
        """{"name": "After-Hours Data Access", "type": "pattern",
            "condition": {"action": {"matches": "data.*"}, "event_time": {"hour": {"between": [22, 6]}}},
            "severity": "medium", "channels": ["slack"]}""",
        yes=[at(f"2026-02-10T{time}Z", action="data.read") for time in ("22:00:00", "23:59:59", "00:00:00", "06:59:59")],
        no=[
            at("2026-02-10T07:00:00Z", action="data.read"),
            at("2026-02-10T21:59:59Z", action="data.read"),
            at("2026-02-10T23:00:00Z", action="user.login"),
        ],
    ),
    Example(
        """{"name": "Access Denied Spike", "type": "threshold",
            "condition": {"outcome": "denied", "count": 20, "window_seconds": 600},
            "severity": "high", "channels": ["email"], "metadata": {"compliance_control": "SOC2-CC6.3"}}""",
        yes=[event(action="anything", outcome="denied")],
        no=[event(outcome="failure"), event(outcome="success")],
        window=(20, 600_000, "rolling"),
        rule={"metadata": {"compliance_control": "SOC2-CC6.3"}},
    ),
    Example(
        """{"name": "Bulk Delete Operation", "type": "pattern",
            "condition": {"action": {"matches": "*.delete"},
                          "metadata": {"bulk_operation": true, "affected_count": {"gte": 100}}},
            "severity": "high", "channels": ["email", "slack"]}""",
        yes=[event(action="doc.delete", metadata={"bulk_operation": True, "affected_count": n}) for n in (100, 100.0, 5e9)],
        no=[
            event(action="doc.delete", metadata=metadata)
            for metadata in (
                {"bulk_operation": True, "affected_count": 99},
                {"bulk_operation": False, "affected_count": 100},
                {"bulk_operation": "true", "affected_count": 100},
                {"bulk_operation": 1, "affected_count": 100},
                {"bulk_operation": True, "affected_count": "100"},
                {"bulk_operation": True},
            )
        ],
    ),
    Example(
        """{"name": "HIPAA Data Leakage", "thresholdTime": "1", "thresholdType": "minutes",
            "conditions": [{"type": "datatypes_detected", "values": ["phi-uuid"]},
                           {"type": "obfuscated", "values": ["false"]}]}""",
        yes=[
            event(datatypes_detected=["ssn-uuid", "phi-uuid"], obfuscated=False),
            event(datatypes_detected="phi-uuid", metadata={"obfuscated": "false"}),
        ],
        no=[
            event(datatypes_detected=["phi-uuid"], obfuscated=True),
            event(datatypes_detected=["ssn-uuid"], obfuscated=False),
            event(datatypes_detected=["phi-uuid"]),
        ],
        window=(1, 60_000, "rolling"),
    ),
    Example(
        """{"name": "Potential Data Exfiltration", "thresholdTime": "5", "thresholdType": "minutes",
            "conditions": [{"type": "detected", "values": ["true"]}, {"type": "icap_mode", "values": ["REQMOD"]}]}""",
        yes=[event(detected=True, icap_mode="REQMOD"), event(metadata={"detected": "true", "icap_mode": "REQMOD"})],
        no=[event(detected=True, icap_mode="RESPMOD"), event(detected=False, icap_mode="REQMOD")],
        window=(1, 300_000, "rolling"),
    ),
    Example(
        """{"name": "Bypass Activity", "thresholdTime": "1", "thresholdType": "hours",
            "conditions": [{"type": "bypassed", "values": ["true"]}]}""",
        yes=[event(bypassed=True)],
        no=[event(bypassed=False), event()],
        window=(1, 3_600_000, "fixed"),
    ),
    Example(
        """{"name": "Not obfuscated", "type": "pattern",
            "conditions": [{"type": "obfuscated", "values": ["true"], "isNot": true}]}""",
        yes=[event(obfuscated=False), event(), event(obfuscated="yes")],
        no=[event(obfuscated=True), event(obfuscated="true"), event(metadata={"obfuscated": [False, True]})],
    ),
]  # fmt: skip


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: json.loads(example.text)["name"])
def test_it_does_what_its_document_says(example: Example) -> None:
    parsed = parse_rule(json.loads(example.text), default_tenant="acme")
    compiled = compile_rule(parsed, 1)
    assert [compiled.matches(doc, ms(doc["event_time"])) for doc in example.yes] == [True] * len(example.yes)
    assert [compiled.matches(doc, ms(doc["event_time"])) for doc in example.no] == [False] * len(example.no)
    assert compiled.groups(example.yes[0]) == example.groups
    condition = parsed.condition
    if example.window is None:
        assert parsed.type == example.type
    else:
        assert isinstance(condition, ThresholdCondition)
        assert (condition.count, condition.window_ms, condition.window_type) == example.window
    assert {name: getattr(parsed, name) for name in example.rule} == example.rule


SHIELD_TIMES = [
    ({"thresholdTime": "1m"}, 60_000, "rolling"),
    ({"thresholdTime": "5m"}, 300_000, "rolling"),
    ({"thresholdTime": "15m"}, 900_000, "rolling"),
    ({"thresholdTime": "1h"}, 3_600_000, "rolling"),
    ({"thresholdTime": "24h"}, 86_400_000, "rolling"),
    ({"thresholdTime": "1d"}, 86_400_000, "rolling"),
    ({"thresholdTime": "7d"}, 604_800_000, "rolling"),
    ({"thresholdTime": "15", "thresholdType": "minutes"}, 900_000, "rolling"),
    ({"threshold_time": 15, "threshold_type": "minutes"}, 900_000, "rolling"),
    ({"thresholdTime": "2", "thresholdType": "hours"}, 7_200_000, "fixed"),
    ({"thresholdTime": "1", "thresholdType": "days"}, 86_400_000, "fixed"),
    ({"condition": {"thresholdTime": "1", "thresholdType": "hours", "windowType": "rolling"}}, 3_600_000, "rolling"),
    ({"thresholdTime": "5m", "condition": {"window_type": "fixed", "count": 7}}, 300_000, "fixed"),
]


@pytest.mark.parametrize(("written", "window_ms", "window_type"), SHIELD_TIMES, ids=str)
def test_shields_times(written: dict[str, Any], window_ms: int, window_type: str) -> None:
    parsed = parse_rule({"name": "n", **written}, default_tenant="acme")
    assert parsed.type == "threshold"
    assert (parsed.condition.window_ms, parsed.condition.window_type) == (window_ms, window_type)
    assert parsed.condition.count == (7 if "count" in written.get("condition", {}) else 1)


VALUES: dict[str, list[Any]] = {
    "apps": ["app-uuid-1"],
    "rules": ["rule-uuid-1"],
    "datatypes_detected": ["ssn-uuid"],
    "datatypes_obfuscated": ["credit-card-uuid"],
    "detected": ["true"],
    "obfuscated": ["false"],
    "blocked": ["true"],
    "bypassed": ["true"],
    "hostname": ["api.example.com"],
    "username": ["john.doe"],
    "usergroup": ["Finance"],
    "content_type": ["application/json"],
    "client_device": ["Mobile"],
    "client_ip": ["192.168.1.100"],
    "icap_mode": ["REQMOD"],
}


@pytest.mark.parametrize("kind", VALUES)
def test_shields_condition_types(kind: str) -> None:
    compiled = compile_rule(
        parse_rule(
            {"name": "n", "type": "pattern", "conditions": [{"type": kind, "values": VALUES[kind]}]},
            default_tenant="acme",
        ),
        1,
    )
    value = {"true": True, "false": False}.get(VALUES[kind][0], VALUES[kind][0])
    for here in (value, VALUES[kind][0], [value, "other"]):
        assert compiled.matches(event(**{kind: here}), 0)
        assert compiled.matches(event(metadata={kind: here}), 0)
    assert not compiled.matches(event(**{kind: "other"}), 0)
    assert not compiled.matches(event(**{kind: "other"}, metadata={kind: value}), 0), "the top level goes first"
    assert not compiled.matches(event(), 0)
