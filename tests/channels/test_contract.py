"""Every channel against a server that succeeds and fails in every way that real ones do.

The table is the contract: what a receiver does → the outcome. A new channel is one more line in CHANNELS.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from streamproc.channels.outcome import Outcome
from streamproc.channels.registry import TRANSPORTS, Transports
from streamproc.channels.slack import SlackTransport
from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.delivery import MAX_EXCERPT_BYTES
from streamproc.model.notification import Notification
from tests.channels import chat
from tests.channels.providers import (
    ALIYUN_BUS_OK,
    ALIYUN_BUS_TWO_OK,
    ALIYUN_OK,
    AWS_OK,
    AWS_TWO_OK,
    FORM,
    TWILIO_OK,
    bus,
    function,
    sms_aliyun,
    sms_twilio,
    voice_aliyun,
    voice_twilio,
)
from tests.channels.receiver import (
    SECRET,
    Receiver,
    answer,
    bundle,
    http,
    notification,
    receiving,
    slack,
    slack_api,
    webhook,
)

NOW = 1_770_733_940.25


@dataclass
class Case:
    """A channel under test: how to make it for an address, and what its provider says when all is well."""

    name: str
    make: Callable[[str], ChannelSettings]
    success: bytes
    environment: dict[str, str] = field(default_factory=dict)
    api: bool = False
    content_type: str = "application/json;charset=utf-8"
    bundle: bool = False
    """What is sent tells of two alerts."""
    by_status: bool = False
    """2xx is a delivery, whatever the body says."""


CHANNELS = [
    Case("webhook", webhook, answer(200, '{"received": true}')),
    Case("webhook-trailbase", lambda url: webhook(url, format="trailbase", secret="s3cret"), answer(204)),
    Case("webhook-immutable", lambda url: webhook(url, format="immutable", secret="s3cret"), answer(202, "x")),
    Case("slack-webhook", slack, answer(200, "ok")),
    Case(
        "slack-api",
        lambda _: slack_api("xoxb-secret-token"),
        answer(200, '{"ok": true, "ts": "1.2"}'),
        api=True,
    ),
    Case("webhook-batch", lambda url: webhook(url, mode="batch", secret=SECRET), answer(200), bundle=True),
    Case("webhook-batch-of-one", lambda url: webhook(url, mode="batch", format="trailbase"), answer(200)),
    Case("slack-bundle", slack, answer(200, "ok"), bundle=True),
    Case("teams-bundle", chat.teams, answer(202), bundle=True),
    Case("dingtalk-bundle", chat.dingtalk, answer(200, '{"errcode": 0, "errmsg": "ok"}'), bundle=True),
    Case("wecom-bundle", chat.wecom, answer(200, '{"errcode": 0, "errmsg": "ok"}'), bundle=True),
    Case("lark-bundle", chat.lark, answer(200, '{"code": 0, "data": {}, "msg": "success"}'), bundle=True),
    Case("sms-twilio-bundle", sms_twilio, TWILIO_OK, content_type=FORM, by_status=True, bundle=True),
    Case("function-compute-batch", lambda url: function(url, mode="batch"), answer(200), by_status=True, bundle=True),
    Case(
        "eventbridge-aws-batch",
        lambda url: bus(url, mode="batch"),
        AWS_TWO_OK,
        content_type="application/x-amz-json-1.1",
        bundle=True,
    ),
    Case(
        "eventbridge-aliyun-batch",
        lambda url: bus(url, "aliyun", mode="batch"),
        ALIYUN_BUS_TWO_OK,
        content_type="application/cloudevents-batch+json;charset=utf-8",
        bundle=True,
    ),
    Case("sms-twilio", sms_twilio, TWILIO_OK, content_type=FORM, by_status=True),
    Case("sms-aliyun", sms_aliyun, ALIYUN_OK, content_type=FORM),
    Case("voice-twilio", voice_twilio, TWILIO_OK, content_type=FORM, by_status=True),
    Case("voice-aliyun", voice_aliyun, ALIYUN_OK, content_type=FORM),
    Case("eventbridge-aws", bus, AWS_OK, content_type="application/x-amz-json-1.1"),
    Case(
        "eventbridge-aliyun",
        lambda url: bus(url, "aliyun"),
        ALIYUN_BUS_OK,
        ALIYUN_BUS_TWO_OK,
        content_type="application/cloudevents-batch+json;charset=utf-8",
    ),
    Case("function-compute", function, answer(200, "done"), by_status=True),
    Case("teams", chat.teams, answer(202)),
    Case("teams-connector", chat.teams, answer(200, "1")),
    Case("pagerduty", chat.pagerduty, answer(202, chat.PAGERDUTY_ACCEPTED)),
    Case("dingtalk", chat.dingtalk, answer(200, '{"errcode": 0, "errmsg": "ok"}')),
    Case("wecom", chat.wecom, answer(200, '{"errcode": 0, "errmsg": "ok"}')),
    Case("lark", chat.lark, answer(200, '{"code": 0, "data": {}, "msg": "success"}')),
    Case("lark-old", chat.lark, answer(200, '{"StatusCode": 0, "StatusMessage": "success"}')),
]
WITHOUT_HTTP = {"apprise", "email", "message_center"}
"""They have tests of their own."""
every_channel = pytest.mark.parametrize("case", CHANNELS, ids=lambda case: case.name)


async def attempt(case: Case, receiver: Receiver, **options: Any) -> Outcome:
    async with http(clock=lambda: NOW, **options) as client:
        transports = Transports(client, case.environment)
        if case.api:
            # Slack's API has one address for everyone, so the test puts its own in
            transports._transports["slack"] = SlackTransport(client, transports._environment, api=receiver.url)
        return await transports.send(told(case), case.make(receiver.url))


def told(case: Case) -> Notification:
    return bundle() if case.bundle else notification()


def test_every_transport_is_under_contract() -> None:
    assert {case.make("http://x.example/").transport for case in CHANNELS} == set(TRANSPORTS) - WITHOUT_HTTP


@every_channel
async def test_success(case: Case) -> None:
    async with receiving(case.success) as receiver:
        outcome = await attempt(case, receiver)
    assert (outcome.kind, outcome.reason) == ("delivered", "ok")
    assert len(receiver.requests) == 1
    assert receiver.requests[0].headers["content-type"].lower().replace(" ", "") == case.content_type
    assert receiver.requests[0].headers["webhook-id"] == told(case).delivery_id


@every_channel
@pytest.mark.parametrize(
    ("status", "kind", "reason"),
    [
        (301, "permanent", "redirect"),
        (302, "permanent", "redirect"),
        (300, "permanent", "redirect"),
        (307, "permanent", "redirect"),
        (400, "permanent", "client_error"),
        (401, "permanent", "client_error"),
        (403, "permanent", "client_error"),
        (404, "permanent", "client_error"),
        (408, "retry", "timeout"),
        (410, "disabled", "gone"),
        (413, "permanent", "client_error"),
        (422, "permanent", "client_error"),
        (425, "retry", "timeout"),
        (429, "retry", "rate_limited"),
        (500, "retry", "server_error"),
        (502, "retry", "server_error"),
        (503, "retry", "server_error"),
        (599, "retry", "server_error"),
    ],
)
async def test_status(case: Case, status: int, kind: str, reason: str) -> None:
    async with receiving() as elsewhere, receiving(answer(status, "no", f"Location: {elsewhere.url}")) as receiver:
        outcome = await attempt(case, receiver)
    assert (outcome.kind, outcome.reason, outcome.status) == (kind, reason, status)
    assert outcome.excerpt == "no"
    assert not elsewhere.requests


@every_channel
@pytest.mark.parametrize("status", [408, 425, 429, 503])
@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0.75", 0.75),
        (format_datetime(datetime.fromtimestamp(NOW + 30.75, UTC), usegmt=True), 30.75),
        (format_datetime(datetime.fromtimestamp(NOW, UTC) - timedelta(days=1), usegmt=True), 0.0),
        ("soon", None),
    ],
    ids=["seconds", "fraction", "date", "past", "garbage"],
)
async def test_retry_after(case: Case, status: int, header: str, seconds: float | None) -> None:
    async with receiving(answer(status, "", f"Retry-After: {header}")) as receiver:
        outcome = await attempt(case, receiver)
    assert outcome.kind == "retry"
    assert outcome.retry_after == (None if seconds is None else pytest.approx(seconds, abs=1.0))


@every_channel
async def test_reset_before_an_answer(case: Case) -> None:
    async with receiving(b"", reset=True) as receiver:
        outcome = await attempt(case, receiver)
    assert (outcome.kind, outcome.reason) == ("retry", "connection")


@every_channel
async def test_nobody_listens(case: Case) -> None:
    async with receiving() as receiver:
        pass
    await asyncio.sleep(0)
    outcome = await attempt(case, receiver)
    assert (outcome.kind, outcome.reason) == ("retry", "connection")


@every_channel
async def test_no_answer(case: Case) -> None:
    async with receiving(None) as receiver:
        outcome = await attempt(case, receiver, total_seconds=0.2)
    assert (outcome.kind, outcome.reason) == ("retry", "timeout")
    assert 150 <= outcome.latency_ms < 3000


@every_channel
@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"\x00\xff" * 500,
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 ok\r\nX: " + b"y" * 100_000,
    ],
    ids=["binary", "ssh", "no status", "endless header"],
)
async def test_what_is_not_http(case: Case, bytes_sent: bytes) -> None:
    async with receiving(bytes_sent, reset=True) as receiver:
        outcome = await attempt(case, receiver)
    assert outcome.kind == "retry"
    assert outcome.reason in ("protocol", "connection")


@every_channel
async def test_a_huge_body_is_cut(case: Case) -> None:
    async with receiving(answer(500, b"x" * 3_000_000)) as receiver:
        outcome = await attempt(case, receiver)
    assert (outcome.kind, outcome.reason) == ("retry", "server_error")
    assert len(outcome.excerpt.encode()) <= MAX_EXCERPT_BYTES


@every_channel
async def test_a_body_that_does_not_decode_is_shown_as_far_as_it_goes(case: Case) -> None:
    async with receiving(answer(400, b"\xff\x00\xfe")) as receiver:
        outcome = await attempt(case, receiver)
    assert outcome.excerpt == "\ufffd\x00\ufffd"


@every_channel
@pytest.mark.parametrize("how", ["reset", "hold"])
async def test_a_body_that_breaks_off(case: Case, how: str) -> None:
    cut_off = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"
    async with receiving(cut_off, reset=how == "reset", hold=how == "hold") as receiver:
        outcome = await attempt(case, receiver, total_seconds=0.3)
    if case.by_status or case.make("http://x.example/").transport == "webhook":
        assert outcome.kind == "delivered"  # the status says it all
    else:
        assert (outcome.kind, outcome.reason) == ("retry", "bad_answer")


@every_channel
async def test_private_addresses_are_forbidden_by_default(case: Case) -> None:
    async with receiving() as receiver:
        outcome = await attempt(case, receiver, allowed_networks=())
    assert (outcome.kind, outcome.reason) == ("permanent", "forbidden_address")
    assert "ALLOWED_NETWORKS" in outcome.detail
    assert not receiver.requests


@every_channel
async def test_an_attempt_can_be_cancelled(case: Case) -> None:
    async with receiving(None) as receiver:
        task = asyncio.create_task(attempt(case, receiver))
        while not receiver.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("case", [case for case in CHANNELS if case.name.startswith("slack")], ids=lambda c: c.name)
@pytest.mark.parametrize(
    ("body", "kind", "reason", "detail"),
    [
        ("ok", "delivered", "ok", ""),
        ('{"ok": true}', "delivered", "ok", ""),
        ('{"ok": false, "error": "channel_not_found"}', "permanent", "provider_error", "channel_not_found"),
        ('{"ok": false, "error": "invalid_auth"}', "permanent", "provider_error", "invalid_auth"),
        ('{"ok": false, "error": "ratelimited"}', "retry", "rate_limited", "ratelimited"),
        ('{"ok": false, "error": "internal_error"}', "retry", "provider_error", "internal_error"),
        ("invalid_payload", "permanent", "provider_error", "invalid_payload"),
        ("rollup_error", "retry", "provider_error", "rollup_error"),
        ("", "retry", "bad_answer", "not an answer of Slack's"),
        ("<html>Log in to the network</html>", "retry", "bad_answer", "not an answer of Slack's"),
        ('{"ok": false}', "retry", "bad_answer", "not an answer of Slack's"),
        ('{"ok": "true"}', "retry", "bad_answer", "not an answer of Slack's"),
        ("[1]", "retry", "bad_answer", "not an answer of Slack's"),
    ],
)
async def test_slack_says_in_the_body_whether_it_took_it(
    case: Case, body: str, kind: str, reason: str, detail: str
) -> None:
    async with receiving(answer(200, body)) as receiver:
        outcome = await attempt(case, receiver)
    assert (outcome.kind, outcome.reason, outcome.detail) == (kind, reason, detail)
    assert outcome.excerpt == body
