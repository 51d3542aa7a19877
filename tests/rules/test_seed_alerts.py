"""What the products' own documents say that a rule catches, played: events in, alerts out, and none where it says so.

The rules are those of `test_seed_examples`, as JSON; here they run through a backtest, with time and all.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from streamproc.backtest.replay import backtest
from streamproc.model.event import Event
from streamproc.model.times import iso
from streamproc.sources.decode import Decoder
from tests.engine.making import BASE, DAY, HOUR, MINUTE, SECOND, event, index

from .test_seed_examples import EXAMPLES

RULES: dict[str, dict[str, Any]] = {doc["name"]: doc for doc in (json.loads(example.text) for example in EXAMPLES)}
MIDNIGHT = 12 * HOUR
"""BASE is noon of a Tuesday; so long after it a day begins."""


def played(rule: dict[str, Any] | str, *events: Event) -> list[dict[str, Any]]:
    """The last record of each alert of the rule, in order of creation."""
    doc = RULES[rule] if isinstance(rule, str) else rule
    return list(backtest(index(doc | {"id": "r", "tenant_id": "acme"}), events).alerts.values())


def triggers(rule: dict[str, Any] | str, *events: Event) -> list[int]:
    """How often each alert triggered."""
    return [alert["trigger_count"] for alert in played(rule, *events)]


def made(times: list[int], **fields: Any) -> list[Event]:
    """An event at each of the times, ms after BASE."""
    return [event(n, at, **fields) for n, at in enumerate(times)]


def every(gap: int, count: int, start: int = 0) -> list[int]:
    return [start + gap * n for n in range(count)]


def failures(times: list[int], **fields: Any) -> list[Event]:
    return made(times, **{"action": "user.login", "outcome": "failure"} | fields)


# Trailbase: threshold


def test_five_failed_logins_within_five_minutes() -> None:
    [alert] = played("Excessive Failed Logins", *failures(every(MINUTE, 5)))
    assert (alert["title"], alert["severity"], alert["context"]["count"]) == ("Excessive Failed Logins", "high", 5)
    assert triggers("Excessive Failed Logins", *failures(every(MINUTE, 4))) == []
    assert triggers("Excessive Failed Logins", *failures(every(75 * SECOND, 5))) == [], "the fifth is 5 minutes later"
    assert triggers("Excessive Failed Logins", *failures(every(MINUTE, 5), outcome="success")) == []


def test_the_events_that_trailbase_sends_to_try_the_rule() -> None:
    decoder = Decoder("events", tenant="acme")
    events = []
    for n in range(5):
        doc = {
            "action": "user.login",
            "actor": {"id": "test_user_123", "email": "test@example.com"},
            "resource": {"type": "session", "id": f"session_{n}"},
            "outcome": "failure",
        }
        events += decoder.decode(json.dumps(doc).encode(), 0, n, BASE + n)
    assert triggers("Excessive Failed Logins", *events) == [1]
    assert triggers("Excessive Failed Logins", *events[:4]) == []


def test_the_rule_as_trailbase_updates_it() -> None:
    """`updateAlertRule` names what changes; the condition is merged."""
    before = RULES["Excessive Failed Logins"]
    change: dict[str, Any] = {
        "severity": "critical",
        "condition": {"count": 3, "window_seconds": 300},
        "cooldownMin": 60,
    }
    after = before | change | {"condition": before["condition"] | change["condition"]}
    [alert] = played(after, *failures(every(MINUTE, 3)))
    assert (alert["severity"], alert["context"]["count"]) == ("critical", 3)
    assert played(after, *failures(every(MINUTE, 3), outcome="success")) == []
    assert played(after, *failures(every(MINUTE, 2))) == []
    assert played(after | {"enabled": False}, *failures(every(MINUTE, 3))) == []


def test_brute_force_is_counted_per_address() -> None:
    one = {"id": "u", "ip": "203.0.113.7"}
    [alert] = played("Brute Force Attack", *failures(every(6 * SECOND, 10), actor=one))
    assert (alert["group"], alert["severity"]) == ({"actor.ip": "203.0.113.7"}, "critical")
    many = [event(n, n * SECOND, {"ip": f"203.0.113.{n}"}, action="user.login", outcome="failure") for n in range(10)]
    assert played("Brute Force Attack", *many) == []
    assert played("Brute Force Attack", *failures(every(7 * SECOND, 10), actor=one)) == [], "ten take over a minute"


def test_access_denied_spike() -> None:
    assert triggers("Access Denied Spike", *made(every(30 * SECOND, 20), outcome="denied")) == [1]
    assert triggers("Access Denied Spike", *made(every(30 * SECOND, 19), outcome="denied")) == []
    assert triggers("Access Denied Spike", *made(every(32 * SECOND, 20), outcome="denied")) == []
    assert triggers("Access Denied Spike", *made(every(SECOND, 40), outcome="failure")) == []


# Trailbase: single events


def hour(at: int) -> dict[str, Any]:
    return {"at": MIDNIGHT + at, "action": "data.read"}


SINGLE: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    # rule, an event that makes an alert, one that does not
    ("Data Export Detected", {"action": "report.export"}, {"action": "report.exported"}),
    (
        "Privileged Action by Non-Admin",
        {"action": "config.update", "metadata": {"actor_role": "member"}},
        {"action": "config.update", "metadata": {"actor_role": "admin"}},
    ),
    (
        "Privilege Escalation Attempt",
        {"action": "role.grant", "metadata": {"granted_role": "superuser"}},
        {"action": "role.grant", "metadata": {"granted_role": "member"}},
    ),
    ("After-Hours Data Access", hour(22 * HOUR), hour(21 * HOUR)),
    ("After-Hours Data Access", hour(2 * HOUR), hour(12 * HOUR)),
    (
        "Bulk Delete Operation",
        {"action": "doc.delete", "metadata": {"bulk_operation": True, "affected_count": 100}},
        {"action": "doc.delete", "metadata": {"bulk_operation": True, "affected_count": 99}},
    ),
    (
        "Compliance Check Failed",
        {"action": "control.tested", "metadata": {"framework": "HIPAA", "passed": False}},
        {"action": "control.tested", "metadata": {"framework": "HIPAA", "passed": True}},
    ),
    ("Compliance Check Failed", {"action": "compliance.check.failed"}, {"action": "compliance.check.passed"}),
    # Shield
    (
        "HIPAA Data Leakage",
        {"datatypes_detected": ["phi-uuid"], "obfuscated": False},
        {"datatypes_detected": ["phi-uuid"], "obfuscated": True},
    ),
    (
        "Potential Data Exfiltration",
        {"detected": True, "icap_mode": "REQMOD"},
        {"detected": True, "icap_mode": "RESPMOD"},
    ),
    ("Bypass Activity", {"bypassed": True}, {"bypassed": False}),
    ("Not obfuscated", {"obfuscated": False}, {"obfuscated": True}),
]


@pytest.mark.parametrize(("name", "bad", "good"), SINGLE, ids=lambda value: value if isinstance(value, str) else "")
def test_one_event_is_enough_and_another_is_none(name: str, bad: dict[str, Any], good: dict[str, Any]) -> None:
    one, other = (event(0, fields.get("at", 0), **_rest(fields)) for fields in (bad, good))
    [alert] = played(name, one)
    assert (alert["title"], alert["status"], alert["trigger_count"]) == (name, "open", 1)
    assert played(name, other) == []


def _rest(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != "at"}


@pytest.mark.parametrize(("framework", "alerts"), [("any", 1), ("SOC2", 1), ("soc2", 1), ("GDPR", 0)])
def test_compliance_of_one_framework(framework: str, alerts: int) -> None:
    doc = {"name": "n", "type": "compliance", "condition": {"framework": framework, "passed": False}}
    failed = event(0, 0, action="control.tested", metadata={"framework": "SOC2", "passed": False})
    assert len(played(doc, failed)) == alerts


# Trailbase: anomaly


def days(counts: list[int], actor: str, **fields: Any) -> list[tuple[int, dict[str, Any]]]:
    return [
        (MIDNIGHT + day * DAY + HOUR + n * MINUTE, {"actor": actor} | fields)
        for day, count in enumerate(counts)
        for n in range(count)
    ]


def in_order(rows: list[tuple[int, dict[str, Any]]]) -> list[Event]:
    return [event(n, at, **fields) for n, (at, fields) in enumerate(sorted(rows, key=lambda row: row[0]))]


USUAL = [20, 22, 18, 21, 19, 20, 23, 17, 20, 21, 19, 20, 22, 18, 20]


def test_unusual_activity_of_one_user() -> None:
    [alert] = played("Unusual User Activity", *in_order(days([*USUAL, 90], "user_123")))
    assert (alert["trigger_count"], alert["severity"]) == (1, "medium")
    assert played("Unusual User Activity", *in_order(days([*USUAL, 23], "user_123"))) == []
    assert played("Unusual User Activity", *in_order(days([*USUAL, 90], "user_456"))) == [], "it is about user_123"
    assert played("Unusual User Activity", *in_order(days([20, 20, 90], "user_123"))) == [], "too little is known yet"


# Shield: times


def shield(time: str, kind: str, **condition: Any) -> dict[str, Any]:
    return {
        "name": "n",
        "thresholdTime": time,
        "thresholdType": kind,
        "conditions": [{"type": "detected", "values": ["true"]}],
        "condition": condition,
    }


def detected(*times: int) -> list[Event]:
    return made(list(times), detected=True)


def test_minutes_are_a_rolling_window() -> None:
    assert triggers(shield("5", "minutes", count=2), *detected(4 * MINUTE, 8 * MINUTE)) == [1], (
        "over the full 5 minutes"
    )
    assert triggers(shield("5", "minutes", count=2), *detected(0, 5 * MINUTE)) == []
    assert triggers(shield("15", "minutes", count=2), *detected(0, 14 * MINUTE)) == [1]


def test_hours_are_a_fixed_window_that_misses_what_lies_across_its_edge() -> None:
    assert triggers(shield("1", "hours", count=2), *detected(0, 59 * MINUTE)) == [1]
    assert triggers(shield("1", "hours", count=2), *detected(59 * MINUTE, 61 * MINUTE)) == []


def test_days_are_those_of_the_calendar() -> None:
    assert triggers(shield("1", "days", count=2), *detected(0, MIDNIGHT - 1)) == [1]
    assert triggers(shield("1", "days", count=2), *detected(MIDNIGHT - 1, MIDNIGHT)) == []


@pytest.mark.parametrize(
    ("cron", "times", "fires_at"),
    [
        ("0 */2 * * *", [10 * MINUTE, 20 * MINUTE], 2 * HOUR),
        ("0 */2 * * *", [90 * MINUTE, 130 * MINUTE], None),
        ("0 */2 * * *", [10 * MINUTE], None),
        ("0 0 * * *", [HOUR, 11 * HOUR], MIDNIGHT),
        ("0 0 * * *", [HOUR, 13 * HOUR], None),
    ],
)
def test_a_cron_schedule_looks_back_at_each_instant(cron: str, times: list[int], fires_at: int | None) -> None:
    alerts = played(shield(cron, "CRON", count=2), *detected(*times))
    assert [alert["triggered_at"] for alert in alerts] == ([] if fires_at is None else [iso(BASE + fires_at)])


# Immutable: the built-in types, each with its defaults


def built_in(type: str, **condition: Any) -> dict[str, Any]:
    return {"name": "Suspicious Login", "type": type, "condition": condition}


def flat_logins(*countries: str | None) -> list[Event]:
    """As Immutable writes events: `actor_id`, `ip_country`."""
    decoder = Decoder("events", tenant="acme")
    found = []
    for n, country in enumerate(countries):
        doc = {"action": "user.login", "actor_id": "user_2hG9kLm", "ip_country": country}
        found += decoder.decode(json.dumps(doc).encode(), 0, n, BASE + n * HOUR)
    return found


def test_new_country() -> None:
    [alert] = played(built_in("new_country"), *flat_logins("US", "US", "DE", "US", "DE"))
    assert (alert["rule"]["name"], alert["rule"]["type"]) == ("Suspicious Login", "new_country")
    assert (alert["group"], alert["trigger_count"]) == ({"actor.id": "user_2hG9kLm"}, 1)
    assert alert["event"]["actor"] == {"id": "user_2hG9kLm", "country": "DE"}
    assert "user_2hG9kLm" in alert["reason"]
    assert "DE" in alert["reason"]
    assert played(built_in("new_country"), *flat_logins("US", "US")) == [], "the first one ever is not new"
    assert played(built_in("new_country"), *flat_logins("US", None, "US")) == []


@pytest.mark.parametrize(
    ("action", "count", "gap", "alerts"),
    [
        ("user.deleted", 10, 20 * SECOND, 1),
        ("file.removed", 10, 20 * SECOND, 1),
        ("user.deleted", 9, 20 * SECOND, 0),
        ("user.deleted", 10, MINUTE, 0),
        ("user.created", 50, SECOND, 0),
    ],
)
def test_high_volume_destructive(action: str, count: int, gap: int, alerts: int) -> None:
    assert len(played(built_in("high_volume_destructive"), *made(every(gap, count), action=action))) == alerts


def hours(last: int) -> list[tuple[int, dict[str, Any]]]:
    """About 40 events an hour for eight days, then an hour with `last`."""
    counts = [36 + (7 * n) % 9 for n in range(8 * 24)] + [last]
    return [(n * HOUR + k * 1000, {"actor": f"u{k}"}) for n, count in enumerate(counts) for k in range(count)]


def test_ingestion_spike() -> None:
    assert triggers(built_in("ingestion_spike"), *in_order(hours(400))) == [1]
    assert triggers(built_in("ingestion_spike"), *in_order(hours(44))) == []


def test_repeated_action() -> None:
    doc = built_in("repeated_action")
    [alert] = played(doc, *made(every(6 * SECOND, 10), actor="u", action="user.login"))
    assert alert["group"] == {"actor.id": "u", "action": "user.login"}
    assert played(doc, *made(every(6 * SECOND, 9), actor="u")) == []
    assert played(doc, *made(every(7 * SECOND, 10), actor="u")) == []
    assert played(doc, *(event(n, n, f"u{n % 2}") for n in range(18))) == [], "two actors, nine each"
    assert played(doc, *(event(n, n, "u", action=f"a{n % 2}") for n in range(18))) == [], "two actions, nine each"


@pytest.mark.parametrize(
    ("at", "condition", "alerts"),
    [
        (0, {}, 0),  # Tuesday noon
        (8 * HOUR, {}, 1),  # at night
        (4 * DAY, {}, 1),  # Saturday noon
        (0, {"holidays": ["2026-02-10"]}, 1),
        (8 * HOUR, {"businessHours": {"days": "mon-fri", "start": "09:00", "end": "22:00"}}, 0),
        (0, {"timezone": "Asia/Tokyo"}, 1),
    ],
)
def test_off_hours(at: int, condition: dict[str, Any], alerts: int) -> None:
    assert len(played(built_in("off_hours", **condition), event(0, at))) == alerts


# ActionTrail: its document shows no rule as text, but names one


def actiontrail(name: str) -> list[Event]:
    record = {
        "eventId": "B702AFA3",
        "eventName": name,
        "eventTime": "2026-02-10T12:00:00Z",
        "serviceName": "Vpc",
        "recipientAccountId": "acme",
        "userIdentity": {"type": "ram-user", "accountId": "acme", "principalId": "28815334868278", "userName": "Alice"},
    }
    return Decoder("trail", "actiontrail").decode(json.dumps(record).encode(), 0, 0, BASE)


@pytest.mark.parametrize(
    ("name", "alerts"), [("CreateRouteEntry", 1), ("DeleteRouteEntry", 1), ("DescribeRouteEntryList", 0)]
)
def test_a_change_of_a_vpcs_routes(name: str, alerts: int) -> None:
    changes = ["Vpc:CreateRouteEntry", "Vpc:DeleteRouteEntry", "Vpc:ModifyRouteEntry"]
    doc = {"name": "VPC Network Route Change Alert", "type": "pattern", "condition": {"action": {"in": changes}}}
    assert len(played(doc, *actiontrail(name))) == alerts


# HLD: its document shows alerts; a rule can say all that stands in one


def test_the_alert_that_hld_shows() -> None:
    doc = {
        "name": "Suspicious login",
        "title": "Suspicious login from new country",
        "description": "User {{ event.actor.email }} authenticated from {{ event.actor.country }}",
        "type": "new_country",
        "condition": {"action": "user.login"},
        "severity": "high",
        "category": "identity",
        "mitreTactics": ["Initial Access"],
        "mitreTechniques": ["T1078"],
    }
    alice = {"id": "usr_01hxyz", "email": "alice@example.com"}
    places = ("DE", "NG")
    logins = [event(n, n * HOUR, alice | {"country": place}, action="user.login") for n, place in enumerate(places)]
    [alert] = played(doc, *logins)
    shown = ("title", "severity", "status", "category", "mitre_tactics", "mitre_techniques", "resolved_at")
    assert {name: alert[name] for name in shown} == {
        "title": "Suspicious login from new country",
        "severity": "high",
        "status": "open",
        "category": "identity",
        "mitre_tactics": ["Initial Access"],
        "mitre_techniques": ["T1078"],
        "resolved_at": None,
    }
    assert alert["description"] == "User alice@example.com authenticated from NG"
    assert alert["affected_assets"] == [{"type": "user", "id": "usr_01hxyz", "label": "alice@example.com"}]
    assert played(doc, logins[0]) == []


@pytest.mark.parametrize("severity", ["critical", "high", "medium", "low", "informational"])
@pytest.mark.parametrize("category", ["identity", "endpoint", "network", "cloud", "compliance"])
def test_hlds_words_for_severity_and_category(severity: str, category: str) -> None:
    doc = {"name": "n", "type": "pattern", "condition": {"action": "a"}, "severity": severity, "category": category}
    [alert] = played(doc, event(0, 0))
    assert (alert["severity"], alert["category"]) == (severity, category)


def test_every_example_is_played() -> None:
    """Whoever adds an example adds what it does."""
    played_here = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in RULES if f'"{name}"' not in played_here] == []
