"""Several alerts in one message: what people see, that it fits, and that a retry repeats only what failed."""

from __future__ import annotations

import hashlib
import hmac
import time
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import orjson
import pytest
from hypothesis import given, settings
from slack_sdk.models.blocks import Block
from standardwebhooks import Webhook

from streamproc.alerting.message import Message
from streamproc.alerting.render import MAX_ROWS, headline, notes, plain
from streamproc.alerting.render_dingtalk import MAX_BYTES as DINGTALK_BYTES
from streamproc.alerting.render_dingtalk import dingtalk
from streamproc.alerting.render_email import email
from streamproc.alerting.render_lark import MAX_BYTES as LARK_BYTES
from streamproc.alerting.render_lark import lark
from streamproc.alerting.render_phone import MAX_SMS, MAX_SPOKEN, sms, spoken, variables
from streamproc.alerting.render_slack import slack as slack_message
from streamproc.alerting.render_teams import MAX_BYTES as TEAMS_BYTES
from streamproc.alerting.render_teams import teams
from streamproc.alerting.render_wecom import MAX_BYTES as WECOM_BYTES
from streamproc.alerting.render_wecom import wecom
from streamproc.channels.outcome import Outcome
from streamproc.channels.registry import Transports
from streamproc.model.channel_settings import ChannelRef, ChannelSettings
from streamproc.model.notification import Notification, Purpose
from streamproc.model.progress import Progress
from tests.channels import chat
from tests.channels.providers import bus, function
from tests.channels.receiver import (
    ALERT,
    SECRET,
    Request,
    answer,
    bundle,
    http,
    notification,
    receiving,
    webhook,
)

NOW = 1_770_733_940.25
MINUTE = 60_000


def of(count: int, **change: Any) -> Notification:
    return bundle(*(({"title": f"Alert no. {place}", **change}, Purpose.TRIGGERED) for place in range(count)))


# what people see


def test_a_bundle_as_plain_text() -> None:
    assert plain(Message.of(bundle())).splitlines() == [
        "🚨 2 Alerts: 1 triggered, 1 resolved",
        "Alerts: 2",
        "Severity: 1 high, 1 low",
        "Status: 1 triggered, 1 resolved",
        "Period: 2026-02-10 14:32:15 UTC",
        "",
        "Alerts:",
        "• [Low] Excessive Failed Logins: triggered · 5 events in 300 s for actor.ip 203.0.113.7 · "
        "2026-02-10 14:32:15 UTC",
        "• [High] Root login: resolved · 5 events in 300 s for actor.ip 203.0.113.7 · 2026-02-10 14:32:15 UTC",
    ]


def test_a_bundle_in_chinese() -> None:
    lines = plain(Message.of(bundle(), "zh")).splitlines()
    assert lines[0] == "🚨 2 条告警：1 条触发, 1 条已恢复"
    assert lines[2] == "级别: 1 条高, 1 条低"
    assert lines[7].startswith("• [低] Excessive Failed Logins: 触发 · ")


def test_one_alert_in_chinese() -> None:
    assert plain(Message(ALERT, Purpose.TRIGGERED, 3, language="zh")).splitlines() == [
        "🚨 告警触发: Excessive Failed Logins",
        "告警: Excessive Failed Logins",
        "级别: 高",
        "触发时间: 2026-02-10 14:32:15 UTC",
        "",
        "详情:",
        "• 操作: user.login",
        "• 结果: failure",
        "• 次数: 5分钟内 5 次",
        "• 操作者: user_alice",
        "• actor.ip: 203.0.113.7",
        "• 原因: 5 events in 300 s for actor.ip 203.0.113.7",
        "• 触发次数: 3",
        "• 租户: acme",
        "",
        "自上次通知以来另有 3 次触发未通知。",
    ]


@pytest.mark.parametrize(
    ("waited", "repeat", "note"),
    [
        (15 * MINUTE, 0, "Escalation step 2: nobody acknowledged for 15 minutes."),
        (60 * MINUTE, 1, "Escalation step 2: nobody acknowledged for 1 hour. Repetition 1."),
        (MINUTE // 2, 0, "Escalation step 2: nobody acknowledged."),
    ],
)
def test_an_escalation_says_so(waited: int, repeat: int, note: str) -> None:
    record = {**ALERT, "created_at": "2026-02-10T14:32:15.500Z"}
    told = replace(notification(record=record, silent=0), step=2, repeat=repeat, created_at=1_770_733_935_500 + waited)
    assert notes(Message.of(told)) == [note]


def test_a_fallback_says_what_it_stands_in_for() -> None:
    told = replace(notification(silent=0), fallback_for=ChannelRef("channel", "soc-slack"))
    text = "soc-slack could not be reached; this channel stands in for it."
    assert notes(Message.of(told)) == [text]
    assert text in orjson.dumps(slack_message(Message.of(told))).decode()
    assert text in email(Message.of(told)).html
    assert text.rstrip(".") in sms(Message.of(told))


def test_an_e_mail_lists_its_alerts_with_their_links() -> None:
    message = Message.of(bundle(), links=lambda alert, at: f"https://a.example/a/{alert['id']}")
    mail = email(message)
    assert mail.subject == "[High] 2 Alerts: 1 triggered, 1 resolved"
    assert '<a href="https://a.example/a/alt_2">[High] Root login</a>' in mail.html
    assert "- [High] Root login: resolved" in mail.text
    assert "  https://a.example/a/alt_2\n" in mail.text


def test_only_an_outstanding_severe_alert_is_urgent() -> None:
    assert not email(Message.of(bundle())).urgent
    assert email(Message.of(of(2))).urgent


def test_a_text_message_names_the_severest_first_and_says_how_many_more() -> None:
    told = bundle(
        ({"severity": "low", "title": "Noise"}, Purpose.TRIGGERED),
        ({"severity": "critical", "title": "Root login"}, Purpose.TRIGGERED),
    )
    assert sms(Message.of(told)) == "[Critical] 2 Alerts: 2 triggered: Root login; Noise"
    assert spoken(Message.of(told)) == "2 Alerts: 2 triggered. Severity: Critical. Root login."
    long = sms(Message.of(of(100)))
    assert len(long) <= MAX_SMS
    assert long.endswith(" more")
    named = long.count("Alert no. ")
    assert long.endswith(f"; and {100 - named} more")
    assert variables(Message.of(told))["count"] == "2"


@pytest.mark.parametrize("count", [50, MAX_ROWS, 1000])
def test_what_is_left_out_is_counted(count: int) -> None:
    message = Message.of(of(count, reason="😀" * 150))
    for built in (slack_message(message), teams(message), dingtalk(message), wecom(message), lark(message)):
        text = orjson.dumps(built).decode()
        listed = text.count("Alert no. ")
        assert 1 < listed < count
        assert f"and {count - listed} more" in text


def test_a_bundle_of_many_small_alerts_is_told_whole() -> None:
    text = orjson.dumps(slack_message(Message.of(of(40, reason="")))).decode()
    assert text.count("Alert no. ") == 40
    assert "more" not in text


words = st.text(max_size=400) | st.sampled_from(["<" * 400, "&" * 400, "😀" * 300, '"' * 400, "\n" * 50])


@settings(max_examples=25, deadline=None)
@given(
    count=st.integers(2, 250),
    title=words,
    reason=words,
    severity=words | st.sampled_from(["critical", "low"]),
    linked=st.booleans(),
    step=st.integers(0, 3),
)
def test_limits_hold_for_any_bundle(
    count: int, title: str, reason: str, severity: str, linked: bool, step: int
) -> None:
    change = {"title": title, "reason": reason, "severity": severity}
    told = replace(bundle(*[(change, Purpose.TRIGGERED)] * count), step=step, fallback_for=ChannelRef("channel", "x"))
    link = "https://alerts.example/a/" + "t" * 180
    message = Message.of(told, links=lambda alert, at: link if linked else "")
    built = slack_message(message)
    for block in built["blocks"]:
        Block.parse(block).validate_json()  # type: ignore[union-attr]
    assert len(built["blocks"]) <= 50
    assert len(orjson.dumps(built).decode()) < 9_500
    assert len(orjson.dumps(teams(message))) <= TEAMS_BYTES
    assert len(orjson.dumps(dingtalk(message))) <= DINGTALK_BYTES
    assert len(wecom(message)["markdown"]["content"].encode()) <= WECOM_BYTES
    assert len(orjson.dumps(lark(message))) <= LARK_BYTES
    assert len(sms(message)) <= MAX_SMS
    assert len(spoken(message)) <= MAX_SPOKEN
    assert len(email(message).html) < 1_000_000
    assert "\n" not in headline(message)


# batches


async def attempt(
    channel: ChannelSettings, told: Notification, *answers: bytes, **options: Any
) -> tuple[Outcome, list[Request]]:
    async with receiving(*answers) as receiver, http(**{"clock": lambda: NOW, **options}) as client:
        field = "endpoint" if hasattr(channel, "endpoint") else "url"
        aimed = channel.model_validate({**_plain(channel), field: receiver.url})
        outcome = await Transports(client, {}).send(told, aimed)
    return outcome, receiver.requests


def _plain(channel: ChannelSettings) -> dict[str, Any]:
    return {name: value for name, value in channel if name in channel.model_fields_set}


def hook(**settings: Any) -> ChannelSettings:
    return webhook("https://hook.example/", **{"mode": "batch", **settings})


async def test_a_batch_is_a_list_of_what_single_would_have_sent() -> None:
    for format in ("standard", "trailbase", "immutable"):
        _, [request] = await attempt(hook(format=format), of(2))
        singles = []
        for member in of(2).members:
            alone = replace(
                notification(member.purpose, member.silent_count),
                alert_id=member.alert_id,
                alert=member.alert,
                created_at=member.created_at,
            )
            singles.append((await attempt(hook(format=format, mode="single"), alone))[1][0].json)
        assert request.json == singles


async def test_a_batch_of_one_is_a_list() -> None:
    _, [request] = await attempt(hook(), notification())
    _, [single] = await attempt(hook(mode="single"), notification())
    assert request.json == [single.json]
    _, [request] = await attempt(hook(), of(1))
    assert len(request.json) == 1
    assert request.headers["webhook-id"] == "dlv_1"


async def test_every_request_of_a_batch_is_signed() -> None:
    told = of(5)
    _, requests = await attempt(hook(max_items=2, secret=SECRET), told, clock=time.time)
    assert [len(Webhook(SECRET).verify(one.body, one.headers)) for one in requests] == [2, 2, 1]
    ids = [one.headers["webhook-id"] for one in requests]
    assert ids == ["dlv_bundle.1-2", "dlv_bundle.3-4", "dlv_bundle.5-5"]
    _, requests = await attempt(hook(max_items=2, secret="k", format="trailbase"), told)
    for one in requests:
        wanted = hmac.new(b"k", one.body, hashlib.sha256).hexdigest()
        assert one.headers["x-trailbase-signature"] == wanted


@pytest.mark.parametrize("make", [lambda **s: hook(**s), lambda **s: function("https://f.example/", mode="batch", **s)])
async def test_a_retry_repeats_only_what_failed(make: Any) -> None:
    told, channel = of(6), make(max_items=2)
    ok, busy = answer(200), answer(503, "busy")
    outcome, requests = await attempt(channel, told, ok, busy)
    assert (outcome.kind, outcome.reason, len(requests)) == ("retry", "server_error", 2)
    assert outcome.progress == Progress(("1-2",), ())
    assert outcome.detail == "3-4: busy; 1-2 got through"
    outcome, requests = await attempt(channel, replace(told, progress=outcome.progress), ok)
    assert (outcome.kind, outcome.progress) == ("delivered", Progress(("1-2", "3-4", "5-6"), ()))
    assert [one.headers["webhook-id"] for one in requests] == ["dlv_bundle.3-4", "dlv_bundle.5-6"]


async def test_what_is_refused_for_good_is_not_delivered_though_the_rest_is() -> None:
    told, channel = of(3), hook(max_items=1)
    outcome, requests = await attempt(channel, told, answer(200), answer(400, "bad"), answer(503))
    assert (outcome.kind, outcome.progress, len(requests)) == ("retry", Progress(("1-1",), ("2-2",)), 3)
    outcome, requests = await attempt(channel, replace(told, progress=outcome.progress), answer(200))
    assert (outcome.kind, len(requests)) == ("permanent", 1)
    assert outcome.detail == "2-2: refused by an earlier attempt; 1-1, 3-3 got through"
    outcome, requests = await attempt(channel, told, answer(401))
    assert (outcome.kind, len(requests)) == ("permanent", 1)  # it says something of the channel, not of the alert


async def test_a_large_batch_is_cut_by_its_size() -> None:
    outcome, requests = await attempt(hook(), of(5, description="x" * 300_000))
    assert outcome.kind == "delivered"
    assert [len(one.json) for one in requests] == [3, 2]
    assert all(len(one.body) <= 1_000_000 for one in requests)


async def test_a_slow_batch_waits_for_the_next_attempt() -> None:
    outcome, requests = await attempt(hook(max_items=1), of(3), answer(200), total_seconds=1e-9 + 0.0)
    assert outcome.kind == "retry"
    assert len(requests) <= 1


async def test_pagerduty_behind_a_variable_gets_an_event_for_each_alert() -> None:
    accepted = answer(202, chat.PAGERDUTY_ACCEPTED)
    outcome, requests = await attempt(chat.pagerduty("https://p.example/"), bundle(), accepted)
    assert outcome.kind == "delivered"
    assert [(one.json["event_action"], one.json["dedup_key"]) for one in requests] == [
        ("trigger", "alt_1"),
        ("resolve", "alt_2"),
    ]


# event buses


def put(*entries: str | None) -> bytes:
    """What AWS says of entries: a code, or None for those that it took."""
    said = [{"EventId": "e"} if code is None else {"ErrorCode": code} for code in entries]
    failed = sum(code is not None for code in entries)
    return answer(200, orjson.dumps({"FailedEntryCount": failed, "Entries": said}))


async def test_aws_gets_ten_entries_in_a_request() -> None:
    outcome, requests = await attempt(
        bus("https://e.example/", mode="batch"), of(23), put(*[None] * 10), put(*[None] * 10), put(*[None] * 3)
    )
    assert outcome.kind == "delivered"
    assert [len(one.json["Entries"]) for one in requests] == [10, 10, 3]


async def test_entries_that_failed_alone_are_sent_again() -> None:
    told, channel = of(3), bus("https://e.example/", mode="batch")
    outcome, _ = await attempt(channel, told, put(None, "ThrottlingException", "InvalidArgument"))
    assert (outcome.kind, outcome.reason) == ("retry", "rate_limited")
    assert outcome.progress == Progress(("1",), ("3",))
    outcome, [request] = await attempt(channel, replace(told, progress=outcome.progress), put(None))
    assert [orjson.loads(one["Detail"])["data"]["id"] for one in request.json["Entries"]] == ["alt_2"]
    assert outcome.kind == "permanent"
    assert "3: refused by an earlier attempt" in outcome.detail


async def test_requests_to_a_bus_stay_under_its_size() -> None:
    told = of(4, event={"id": "e", "blob": "x" * 100_000})
    outcome, requests = await attempt(bus("https://e.example/", mode="batch"), told, put(None, None))
    assert outcome.kind == "delivered"
    assert [len(one.json["Entries"]) for one in requests] == [2, 2]
    assert all(len(one.body) < 256_000 for one in requests)


async def test_an_answer_of_other_length_is_not_the_buss() -> None:
    outcome, _ = await attempt(bus("https://e.example/", mode="batch"), of(3), put(None))
    assert (outcome.kind, outcome.reason) == ("retry", "bad_answer")
