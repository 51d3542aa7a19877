"""What webhooks send: bodies, signatures, headers, and what is kept out of the log."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from streamproc.channels.outcome import Outcome
from streamproc.channels.registry import Transports
from streamproc.model.notification import Purpose
from tests.channels.receiver import ALERT, SECRET, Request, answer, http, notification, receiving, webhook

OTHER_SECRET = "whsec_" + "YW5vdGhlciBzZWNyZXQgb2YgdGhpcnR5LXR3byBieXRlcyE="


async def sent(
    purpose: Purpose = Purpose.UPDATED, environment: dict[str, str] | None = None, **settings: Any
) -> Request:
    """The request that a webhook with these settings makes."""
    outcome, requests = await tried(purpose, environment, **settings)
    assert outcome.kind == "delivered", outcome
    return requests[0]


async def tried(
    purpose: Purpose = Purpose.UPDATED,
    environment: dict[str, str] | None = None,
    says: bytes = answer(200),
    clock: Any = time.time,
    record: dict[str, Any] | None = None,
    **settings: Any,
) -> tuple[Outcome, list[Request]]:
    async with receiving(says) as receiver, http(clock=clock) as client:
        channel = webhook(settings.pop("url", receiver.url), **settings)
        outcome = await Transports(client, environment or {}).send(notification(purpose, record=record), channel)
    return outcome, receiver.requests


async def test_standard_webhooks_signatures_verify() -> None:
    request = await sent(secret=SECRET)
    body = Webhook(SECRET).verify(request.body, request.headers)
    assert body["type"] == "alert.triggered"
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER_SECRET).verify(request.body, request.headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(request.body + b" ", request.headers)


async def test_during_a_rotation_both_secrets_verify_until_the_old_one_expires() -> None:
    old = {"value": OTHER_SECRET, "expires_at": "2026-01-02T00:00:00Z"}
    before, after = 1_767_312_000 - 1, 1_767_312_000
    _, [request] = await tried(secret=SECRET, secrets=[old], clock=lambda: float(before))
    assert request.headers["webhook-signature"].count("v1,") == 2
    _, [request] = await tried(secret=SECRET, secrets=[old], clock=lambda: float(after))
    assert request.headers["webhook-signature"].count("v1,") == 1
    request = await sent(secrets=[SECRET, OTHER_SECRET])
    for secret in (SECRET, OTHER_SECRET):
        Webhook(secret).verify(request.body, request.headers)


async def test_retries_have_the_same_id_and_body_and_a_fresh_timestamp() -> None:
    _, [first] = await tried(secret=SECRET, clock=lambda: 1000.9)
    _, [second] = await tried(secret=SECRET, clock=lambda: 2000.0)
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == notification().delivery_id
    assert first.body == second.body
    assert (first.headers["webhook-timestamp"], second.headers["webhook-timestamp"]) == ("1000", "2000")
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


async def test_the_standard_body() -> None:
    assert (await sent()).json == {
        "type": "alert.triggered",
        "timestamp": "2026-02-10T14:32:15.500Z",
        "data": {**ALERT, "event_type": "alert.triggered", "silent_count": 2},
    }


async def test_trailbase() -> None:
    request = await sent(format="trailbase", secret="t0p secret")
    expected = hmac.new(b"t0p secret", request.body, hashlib.sha256).hexdigest()
    assert request.headers["x-trailbase-signature"] == expected
    body = request.json
    assert set(body) == {"event_type", "data"}
    assert body["event_type"] == "alert.triggered"
    assert {name: body["data"][name] for name in ("id", "name", "message", "severity", "status")} == {
        "id": ALERT["id"],
        "name": "Excessive Failed Logins",
        "message": "5 events in 300 s for actor.ip 203.0.113.7",
        "severity": "high",
        "status": "FIRING",
    }
    assert (body["data"]["triggeredAt"], body["data"]["triggerCount"]) == (ALERT["triggered_at"], 3)
    assert body["data"]["context"]["count"] == 5


async def test_immutable() -> None:
    request = await sent(format="immutable", secret="t0p secret")
    expected = hmac.new(b"t0p secret", request.body, hashlib.sha256).hexdigest()
    assert request.headers["x-immutable-signature"] == f"sha256={expected}"
    assert request.json == {
        "event_type": "alert.triggered",
        "alert_id": ALERT["id"],
        "rule_name": "Excessive Failed Logins",
        "rule_type": "threshold",
        "reason": "5 events in 300 s for actor.ip 203.0.113.7",
        "event": {"id": "evt_1", "action": "user.login", "actor_id": "user_alice", "ip_country": "DE"},
        "workspace_id": "acme",
        "triggered_at": "2026-02-10T14:32:15.123000Z",
    }


@pytest.mark.parametrize("format", ["standard", "trailbase", "immutable"])
async def test_an_alert_that_no_event_triggered(format: str) -> None:
    outcome, [request] = await tried(format=format, record={**ALERT, "event": None})
    assert outcome.kind == "delivered"
    if format == "immutable":
        assert request.json["event"] == {"id": None, "action": None, "actor_id": None, "ip_country": None}


@pytest.mark.parametrize(
    ("purpose", "event_type"),
    [
        (Purpose.TRIGGERED, "alert.triggered"),
        (Purpose.UPDATED, "alert.triggered"),
        (Purpose.REOPENED, "alert.updated"),
        (Purpose.ACKNOWLEDGED, "alert.acknowledged"),
        (Purpose.ESCALATED, "alert.escalated"),
        (Purpose.RESOLVED, "alert.resolved"),
    ],
)
async def test_event_types(purpose: Purpose, event_type: str) -> None:
    assert (await sent(purpose)).json["type"] == event_type
    assert (await sent(purpose, format="immutable")).json["event_type"] == event_type


async def test_any_header_style() -> None:
    style = {"header": "X-Sign", "prefix": "hmac ", "algorithm": "hmac-sha256", "encoding": "base64"}
    request = await sent(signature=style, secret="k")
    import base64

    digest = hmac.new(b"k", request.body, hashlib.sha256).digest()
    assert request.headers["x-sign"] == "hmac " + base64.b64encode(digest).decode()
    assert "webhook-signature" not in request.headers


async def test_a_format_may_be_signed_the_standard_way() -> None:
    request = await sent(format="trailbase", signature="standard-webhooks", secret=SECRET)
    Webhook(SECRET).verify(request.body, request.headers)
    assert "x-trailbase-signature" not in request.headers


async def test_without_a_secret_nothing_is_signed() -> None:
    headers = (await sent()).headers
    assert "webhook-signature" not in headers
    assert {"webhook-id", "webhook-timestamp"} <= set(headers)


async def test_custom_headers_and_variables() -> None:
    request = await sent(
        environment={"KEY": "k3y", "HOOK_SECRET": SECRET},
        secret="${HOOK_SECRET}",
        headers={"X-API-Key": "${KEY}", "Authorization": "Token token=${KEY}", "content-type": "application/json"},
    )
    assert request.headers["x-api-key"] == "k3y"
    assert request.headers["authorization"] == "Token token=k3y"
    assert request.headers["content-type"] == "application/json"
    Webhook(SECRET).verify(request.body, request.headers)


@pytest.mark.parametrize(
    ("settings", "detail"),
    [
        ({"headers": {"X": "${NOT_SET}"}}, "the environment variable NOT_SET is not set where deliveries are sent"),
        ({"secret": "${NOT_SET}"}, "the environment variable NOT_SET is not set where deliveries are sent"),
        (
            {"headers": {"X": "${STREAMPROC_SECRET_KEY}"}},
            "${STREAMPROC_SECRET_KEY}: this variable cannot be used here",
        ),
        ({"headers": {"X": "${}"}}, "${} is not the name of an environment variable"),
        ({"headers": {"X": "${LINES}"}}, "headers: the value of X holds a line break or control character"),
        (
            {"secret": "${WEAK}"},
            "secret: is not a Standard Webhooks secret: whsec_ and the base64 of 24 to 64 bytes",
        ),
        (
            {"secrets": [{"value": SECRET, "expires_at": "2001-01-01T00:00:00Z"}]},
            "secrets: every secret has expired; add one that has not",
        ),
        ({"url": "${WEAK}"}, "url: is not an http or https address"),
    ],
)
async def test_settings_that_cannot_be_used_are_permanent(settings: dict[str, Any], detail: str) -> None:
    environment = {"STREAMPROC_SECRET_KEY": "never", "LINES": "a\r\nHost: b", "WEAK": "weak"}
    outcome, requests = await tried(environment=environment, **settings)
    assert (outcome.kind, outcome.reason, outcome.detail) == ("permanent", "settings", detail)
    assert not requests


async def test_secrets_are_masked_in_what_is_kept_of_the_answer() -> None:
    says = answer(400, f"bad key s3cr3t-k3y, expected not {SECRET}; json is application/json")
    outcome, _ = await tried(
        environment={"KEY": "s3cr3t-k3y"},
        says=says,
        secret=SECRET,
        headers={"X-API-Key": "${KEY}", "Content-Type": "application/json"},
    )
    assert outcome.excerpt == "bad key ***, expected not ***; json is application/json"


async def test_a_channel_that_is_gone_or_disabled() -> None:
    async with http() as client:
        transports = Transports(client, {})
        gone = await transports.send(notification(), None)
        off = await transports.send(notification(), webhook("https://x.example/", enabled=False))
    assert (gone.kind, gone.reason) == ("permanent", "channel_gone")
    assert (off.kind, off.reason) == ("permanent", "disabled")


async def test_a_fault_of_ours_is_an_outcome() -> None:
    outcome, requests = await tried(record=[])  # type: ignore[arg-type]  # an alert that is no object
    assert (outcome.kind, outcome.reason) == ("retry", "internal_error")
    assert not requests
