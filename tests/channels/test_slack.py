"""What Slack gets. Limits are checked by Slack's own block models."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import orjson
import pytest
from hypothesis import given
from slack_sdk.models.blocks import Block

from streamproc.alerting.message import Message
from streamproc.alerting.render import plain
from streamproc.alerting.render_slack import escaped
from streamproc.alerting.render_slack import slack as slack_message
from streamproc.channels.registry import Transports
from streamproc.channels.slack import SlackTransport
from streamproc.model.notification import Notification, Purpose
from tests.channels.receiver import ALERT, answer, http, notification, receiving, slack, slack_api, webhook


def test_the_layout() -> None:
    assert slack_message(Message(ALERT, Purpose.UPDATED, 2)) == {
        "text": "🚨 Alert Triggered: Excessive Failed Logins",
        "blocks": [
            {
                "type": "section",
                "text": {
                    "type": "mrkdwn",
                    "text": "*Alert:* Excessive Failed Logins\n*Severity:* High\n*Triggered:* 2026-02-10 14:32:15 UTC",
                },
            },
            {
                "type": "section",
                "text": {
                    "type": "mrkdwn",
                    "text": "*Details:*\n• Action: user.login\n• Outcome: failure\n• Count: 5 in 5 minutes\n"
                    "• Actor: user_alice\n• actor.ip: 203.0.113.7\n"
                    "• Reason: 5 events in 300 s for actor.ip 203.0.113.7\n• Triggers: 3\n• Tenant: acme",
                },
            },
            {
                "type": "context",
                "elements": [{"type": "mrkdwn", "text": "2 more triggers were silent since the last notification."}],
            },
        ],
    }


@pytest.mark.parametrize(
    ("purpose", "text"),
    [
        (Purpose.TRIGGERED, "🚨 Alert Triggered: Excessive Failed Logins"),
        (Purpose.ACKNOWLEDGED, "👀 Alert Acknowledged: Excessive Failed Logins"),
        (Purpose.RESOLVED, "✅ Alert Resolved: Excessive Failed Logins"),
    ],
)
def test_the_head_says_what_happened(purpose: Purpose, text: str) -> None:
    assert slack_message(Message(ALERT, purpose, 0))["text"] == text


def test_who_acknowledged_and_why_it_was_resolved() -> None:
    alert = {
        **ALERT,
        "status": "resolved",
        "acknowledged_by": "bob",
        "resolution": "mitigated",
        "notes": [{"text": "locked"}],
        "runbook": "https://wiki.example/a?b=1&c",
    }
    text = orjson.dumps(slack_message(Message(alert, Purpose.RESOLVED, 1))).decode()
    for part in (
        "*Status:* Resolved",
        "Acknowledged by: bob",
        "Resolution: mitigated",
        "Note: locked",
        "<https://wiki.example/a?b=1&amp;c|Runbook>",
        "1 more trigger was silent",
    ):
        assert part in text


def test_an_event_can_neither_mention_anybody_nor_add_lines_or_links() -> None:
    event = {"action": "x\n*Alert:* forged <!channel> & <http://evil|click>", "actor": {"id": "<@U1>"}}
    alert = {**ALERT, "event": event, "runbook": "javascript:alert(1)"}
    blocks = slack_message(Message(alert, Purpose.TRIGGERED))["blocks"]
    text = blocks[1]["text"]["text"]
    assert "• Action: x *Alert:* forged &lt;!channel&gt; &amp; &lt;http://evil|click&gt;\n" in text
    assert "• Actor: &lt;@U1&gt;" in text
    assert len(blocks) == 2


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        ("a&b", 7, "a&amp;b"),
        ("a&b", 6, "a…"),
        ("&&", 5, "…"),
        ("&&", 10, "&amp;&amp;"),
        ("<<<", 9, "&lt;&lt;…"),
        ("", 3, ""),
    ],
)
def test_an_entity_is_never_cut_in_half(text: str, limit: int, expected: str) -> None:
    assert escaped(text, limit) == expected


words = st.text(max_size=4000) | st.sampled_from(["<" * 4000, "&" * 4000, "a" * 10_000, "\n" * 500])
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=30),
    max_leaves=40,
)


@given(
    title=words,
    reason=words,
    group=st.dictionaries(words, anything, max_size=40),
    event=anything,
    notes=st.lists(st.fixed_dictionaries({"text": words}), max_size=2),
    purpose=st.sampled_from(list(Purpose)),
    silent=st.integers(0, 10**9),
)
def test_slacks_limits_hold_for_any_alert(
    title: str, reason: str, group: dict[str, Any], event: Any, notes: Any, purpose: Purpose, silent: int
) -> None:
    alert = {**ALERT, "title": title, "reason": reason, "group": group, "event": event, "notes": notes}
    message = slack_message(Message(alert, purpose, silent))
    for block in message["blocks"]:
        Block.parse(block).validate_json()  # type: ignore[union-attr]
    assert len(message["blocks"]) <= 50
    assert len(orjson.dumps(message).decode()) < 9_500
    assert len(plain(Message(alert, purpose, silent))) < 12_000


def test_an_alert_with_almost_nothing_in_it() -> None:
    message = slack_message(Message({"id": "a"}, Purpose.TRIGGERED, 0))
    assert message["text"] == "🚨 Alert Triggered: Alert"
    assert "*Triggered:* unknown" in message["blocks"][0]["text"]["text"]


def test_plain_text() -> None:
    assert plain(Message(ALERT, Purpose.UPDATED, 1)).splitlines()[:6] == [
        "🚨 Alert Triggered: Excessive Failed Logins",
        "Alert: Excessive Failed Logins",
        "Severity: High",
        "Triggered: 2026-02-10 14:32:15 UTC",
        "",
        "Details:",
    ]


async def test_post_message() -> None:
    async with receiving(answer(200, '{"ok": true}')) as receiver, http() as client:
        transports = Transports(client, {"SLACK_TOKEN": "xoxb-1-abcdef"})
        transport = SlackTransport(client, transports._environment, api=receiver.url)
        outcome = await transport.send(notification(), slack_api("${SLACK_TOKEN}"))
    assert outcome.kind == "delivered"
    [request] = receiver.requests
    assert request.line.startswith("POST /services/T00/B00/xyzzy/chat.postMessage ")
    assert request.headers["authorization"] == "Bearer xoxb-1-abcdef"
    assert request.json["channel"] == "C123"
    assert request.json["blocks"]
    assert request.json["text"] == "🚨 Alert Triggered: Excessive Failed Logins"


async def test_the_address_of_an_incoming_webhook_is_a_secret() -> None:
    async with receiving(answer(404, "no_service T00/B00/xyzzy")) as receiver, http() as client:
        outcome = await Transports(client, {}).send(notification(), slack(receiver.url))
        assert "xyzzy" not in repr(slack(receiver.url))
    assert outcome.excerpt == "no_service ***"


@pytest.mark.parametrize("url", ["https://hooks.slack.com/services/T/B/x", "${SLACK_URL}"])
async def test_a_webhook_with_slacks_address_is_spoken_to_as_slack(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with http() as client:
        transports = Transports(client, {"SLACK_URL": "https://hooks.slack.com/services/T/B/x"})
        channel = webhook(url)
        assert transports._transport(channel) == "slack"
        assert transports._transport(webhook("https://x.example/hooks.slack.com")) == "webhook"


def sent_before(purpose: Purpose, reference: str = "C123:1700.5") -> Notification:
    return replace(notification(purpose), reference=reference)


async def test_with_a_token_the_message_changes_when_the_alert_does() -> None:
    script = [answer(200, '{"ok": true, "channel": "C123", "ts": "1700.5"}'), answer(200, '{"ok": true}')]
    async with receiving(*script) as receiver, http() as client:
        transport = SlackTransport(client, Transports(client, {})._environment, api=receiver.url)
        first = await transport.send(notification(), slack_api("xoxb-1"))
        assert first.reference == "C123:1700.5"
        outcome = await transport.send(sent_before(Purpose.RESOLVED, first.reference), slack_api("xoxb-1"))
    assert outcome.kind == "delivered"
    update = receiver.requests[1]
    assert " /services/T00/B00/xyzzy/chat.update " in f" {update.line} ".replace("POST", "")
    assert (update.json["channel"], update.json["ts"]) == ("C123", "1700.5")
    assert update.json["text"] == "✅ Alert Resolved: Excessive Failed Logins"


@pytest.mark.parametrize("code", ["message_not_found", "edit_window_closed", "cant_update_message"])
async def test_where_the_message_cannot_be_changed_there_is_a_new_one(code: str) -> None:
    script = [answer(200, f'{{"ok": false, "error": "{code}"}}'), answer(200, '{"ok": true}')]
    async with receiving(*script) as receiver, http() as client:
        transport = SlackTransport(client, Transports(client, {})._environment, api=receiver.url)
        outcome = await transport.send(sent_before(Purpose.ACKNOWLEDGED), slack_api("xoxb-1"))
    assert outcome.kind == "delivered"
    assert [request.line.split()[1].rpartition("/")[2] for request in receiver.requests] == [
        "chat.update",
        "chat.postMessage",
    ]


@pytest.mark.parametrize("purpose", [Purpose.UPDATED, Purpose.REOPENED])
async def test_what_is_news_is_a_new_message(purpose: Purpose) -> None:
    async with receiving(answer(200, '{"ok": true}')) as receiver, http() as client:
        transport = SlackTransport(client, Transports(client, {})._environment, api=receiver.url)
        await transport.send(sent_before(purpose), slack_api("xoxb-1"))
    assert "chat.postMessage" in receiver.requests[0].line


async def test_a_change_that_must_wait_is_tried_again() -> None:
    async with receiving(answer(429, "", "Retry-After: 3")) as receiver, http() as client:
        transport = SlackTransport(client, Transports(client, {})._environment, api=receiver.url)
        outcome = await transport.send(sent_before(Purpose.RESOLVED), slack_api("xoxb-1"))
    assert (outcome.kind, outcome.retry_after) == ("retry", 3.0)
