"""What inputs are made from: one sound sample of each kind of thing."""

from __future__ import annotations

from typing import Any

import orjson

from streamproc.model.command import Action, Command
from tests.sources.samples import SAMPLES

EVENT: dict[str, Any] = {
    "id": "evt_01",
    "tenant_id": "acme",
    "action": "user.login",
    "outcome": "failure",
    "event_time": "2026-02-10T14:32:15.123Z",
    "actor": {"id": "user_alice", "type": "user", "email": "alice@example.com", "ip": "203.0.113.7", "groups": ["Fin"]},
    "resource": {"type": "session", "id": "session_1"},
    "source": "app",
    "metadata": {"actor_role": "member", "affected_count": 3, "passed": False, "framework": "SOC2"},
}
FLAT = {"tenantId": "acme", "action": "x.deleted", "actor_id": "u", "actor_ip": "10.0.0.1", "ip_country": "DE"}
CLOUDTRAIL = {
    "eventVersion": "1.08",
    "userIdentity": {"type": "IAMUser", "principalId": "AIDA", "arn": "arn:aws:iam::123456789012:user/a"},
    "eventTime": "2026-02-10T14:32:15Z",
    "eventSource": "iam.amazonaws.com",
    "eventName": "CreateUser",
    "awsRegion": "us-east-1",
    "sourceIPAddress": "203.0.113.7",
    "requestParameters": {"userName": "b"},
    "eventID": "5b7c2d1e-0000-4000-8000-000000000001",
    "recipientAccountId": "123456789012",
}
EVENTS = (orjson.dumps(EVENT), orjson.dumps(FLAT), orjson.dumps({**EVENT, "blocked": True, "apps": ["a"]}))
NATIVE = (
    orjson.dumps(CLOUDTRAIL),
    orjson.dumps({"Records": [CLOUDTRAIL, CLOUDTRAIL]}),
    *(orjson.dumps(sample) for sample in SAMPLES.values()),
)
COMMAND = Command(
    id="c1",
    alert_id="alt_1",
    fingerprint=b"\x01" * 16,
    action=Action.SNOOZE,
    by="ann",
    at=1_770_000_000_000,
    revision=2,
    note="n",
    until=1_770_000_060_000,
)
DOCUMENTS: tuple[dict[str, Any], ...] = (
    {
        "kind": "rule",
        "id": "r",
        "name": "R",
        "type": "threshold",
        "condition": {
            "action": {"matches": "user.*"},
            "count": 5,
            "window": "5m",
            "group_by": ["actor.ip", "actor.id"],
        },
        "severity": [{"when": {"count": {"gte": 9}}, "severity": "high"}],
        "title": "{{ rule.name }} for {{ group }}",
    },
    {
        "kind": "rule",
        "id": "s",
        "name": "S",
        "conditions": [{"type": "apps", "values": ["a"], "isNot": True}],
        "thresholdTime": 5,
        "thresholdType": "minutes",
        "notificationTypes": ["email"],
        "emailRecipients": ["a@example.com"],
    },
    {
        "kind": "webhook",
        "id": "w",
        "url": "https://example.com/x",
        "secret": "whsec_" + "QUJD" * 8,
        "format": "trailbase",
        "headers": {"X-A": "b"},
        "retry_config": {"max_attempts": 3},
    },
    {"kind": "channel", "id": "slack", "token": "xoxb-1", "channel": "#a", "rate_limit": {"max": 2}},
    {
        "kind": "channel",
        "id": "mail",
        "type": "email",
        "host": "mail.example.com",
        "sender": "A <a@example.com>",
        "recipients": ["b@example.com"],
        "digest": {"schedule": "0 * * * *", "timezone": "Europe/Berlin"},
    },
    {
        "kind": "user",
        "id": "alice",
        "name": "Alice",
        "email": "a@example.com",
        "phone": "86-13800138000",
        "sms": True,
        "roles": ["admin"],
        "quiet_hours": {"days": ["mon"], "start": "22:00", "end": "06:00"},
    },
    {"kind": "user_group", "id": "night-shift", "name": "Night", "members": ["alice", "bobby"]},
    {
        "kind": "policy",
        "id": "default",
        "groups": [{"id": "a", "channels": ["slack"], "recipients": {"roles": ["admin"]}, "min_severity": "low"}],
        "steps": [
            {
                "condition": {"match": "any", "when": {"any": [{"severity": {"gte": "high"}}, {"rule.id": "r"}]}},
                "then": [{"group": "a"}],
                "otherwise": [{"end": True}],
            }
        ],
        "escalation": [{"after_minutes": 5, "group": "a"}],
        "inhibit": [{"source": {"severity": "critical"}, "target": {"severity": "low"}, "equal": ["group.host"]}],
        "grouping": {"by": ["rule.id"], "wait_seconds": 3},
    },
    {
        "kind": "silence",
        "id": "works",
        "matchers": {"title": {"regex": "a.*b"}, "group.host": {"in": ["x"]}},
        "recurring": {"schedule": "0 2 * * 6", "duration": "2h"},
        "author": "a",
        "comment": "c",
    },
    {"kind": "list", "id": "vips", "values": ["a", 1]},
    {"kind": "plan", "plan": "pro"},
)
