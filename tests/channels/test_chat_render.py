"""What chat and on-call messages look like, and that no alert can make them too large."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import orjson
import pytest
from hypothesis import given

from streamproc.alerting.message import Message
from streamproc.alerting.render_chat import runbook
from streamproc.alerting.render_dingtalk import MAX_BYTES as DINGTALK_BYTES
from streamproc.alerting.render_dingtalk import dingtalk
from streamproc.alerting.render_lark import MAX_BYTES as LARK_BYTES
from streamproc.alerting.render_lark import lark
from streamproc.alerting.render_pagerduty import pagerduty
from streamproc.alerting.render_teams import MAX_BYTES as TEAMS_BYTES
from streamproc.alerting.render_teams import teams
from streamproc.alerting.render_wecom import MAX_BYTES as WECOM_BYTES
from streamproc.alerting.render_wecom import wecom
from streamproc.model.notification import Purpose
from tests.channels.receiver import ALERT

HEAD = "🚨 Alert Triggered: Excessive Failed Logins"
NOTE = "2 more triggers were silent since the last notification."
DETAILS = [
    ("Action", "user.login"),
    ("Outcome", "failure"),
    ("Count", "5 in 5 minutes"),
    ("Actor", "user_alice"),
    ("actor.ip", "203.0.113.7"),
    ("Reason", "5 events in 300 s for actor.ip 203.0.113.7"),
    ("Triggers", "3"),
    ("Tenant", "acme"),
]
RUNBOOK = "https://wiki.example/a?b=1&c"


def test_teams() -> None:
    def line(name: str, value: str) -> dict[str, Any]:
        runs = [
            {"type": "TextRun", "text": f"{name}: ", "weight": "bolder"},
            {"type": "TextRun", "text": value},
        ]
        return {"type": "RichTextBlock", "inlines": runs, "spacing": "small"}

    title = {"type": "TextRun", "text": HEAD, "weight": "bolder", "size": "large", "color": "attention"}
    assert teams(Message({**ALERT, "runbook": RUNBOOK}, Purpose.UPDATED, 2)) == {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "contentUrl": None,
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.2",
                    "fallbackText": HEAD,
                    "msteams": {"width": "Full"},
                    "body": [
                        {"type": "RichTextBlock", "inlines": [title]},
                        line("Severity", "High"),
                        line("Triggered", "2026-02-10 14:32:15 UTC"),
                        {
                            "type": "RichTextBlock",
                            "inlines": [{"type": "TextRun", "text": "Details", "weight": "bolder"}],
                            "separator": True,
                        },
                        *(line(name, value) for name, value in DETAILS),
                        {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": NOTE, "isSubtle": True}]},
                    ],
                    "actions": [{"type": "Action.OpenUrl", "title": "Runbook", "url": RUNBOOK}],
                },
            }
        ],
    }


def test_pagerduty_trigger() -> None:
    event = pagerduty(Message({**ALERT, "runbook": RUNBOOK}, Purpose.UPDATED, 2), ALERT["id"])
    assert event == {
        "event_action": "trigger",
        "dedup_key": ALERT["id"],
        "client": "streamproc",
        "links": [{"href": RUNBOOK, "text": "Runbook"}],
        "payload": {
            "summary": "Excessive Failed Logins: 5 events in 300 s for actor.ip 203.0.113.7",
            "source": "acme",
            "severity": "error",
            "class": "Excessive Failed Logins",
            "timestamp": "2026-02-10T14:32:15.123+00:00",
            "custom_details": {**dict(DETAILS), "Alert ID": ALERT["id"], "Notes": NOTE},
        },
    }


@pytest.mark.parametrize(
    ("severity", "theirs"),
    [
        ("critical", "critical"),
        ("high", "error"),
        ("medium", "warning"),
        ("low", "info"),
        ("informational", "info"),
        (None, "error"),
    ],
)
def test_pagerduty_severities(severity: str | None, theirs: str) -> None:
    event = pagerduty(Message({**ALERT, "severity": severity}, Purpose.TRIGGERED, 0), "a")
    assert event["payload"]["severity"] == theirs


def test_dingtalk() -> None:
    assert dingtalk(Message({**ALERT, "runbook": RUNBOOK}, Purpose.UPDATED, 2)) == {
        "msgtype": "markdown",
        "markdown": {
            "title": HEAD,
            "text": f"### {HEAD}\n\n**Severity:** High  \n**Triggered:** 2026-02-10 14:32:15 UTC\n\n**Details:**\n\n"
            + "\n".join(f"- {name}: {value}" for name, value in DETAILS)
            + f"\n\n[Runbook]({RUNBOOK})\n\n{NOTE}",
        },
    }


def test_wecom() -> None:
    assert wecom(Message({**ALERT, "runbook": RUNBOOK}, Purpose.UPDATED, 2)) == {
        "msgtype": "markdown",
        "markdown": {
            "content": f"### {HEAD}\n>**Severity:** High\n>**Triggered:** 2026-02-10 14:32:15 UTC\n**Details:**\n"
            + "\n".join(f">{name}: {value}" for name, value in DETAILS)
            + f"\n[Runbook]({RUNBOOK})\n{NOTE}",
        },
    }


def test_lark() -> None:
    def text(content: str) -> dict[str, str]:
        return {"tag": "plain_text", "content": content}

    assert lark(Message({**ALERT, "runbook": RUNBOOK}, Purpose.UPDATED, 2)) == {
        "msg_type": "interactive",
        "card": {
            "config": {"wide_screen_mode": True},
            "header": {"template": "red", "title": text(HEAD)},
            "elements": [
                {
                    "tag": "div",
                    "fields": [
                        {"is_short": True, "text": text("Severity: High")},
                        {"is_short": True, "text": text("Triggered: 2026-02-10 14:32:15 UTC")},
                    ],
                },
                {"tag": "hr"},
                {
                    "tag": "div",
                    "text": text("Details:\n" + "\n".join(f"• {name}: {value}" for name, value in DETAILS)),
                },
                {
                    "tag": "action",
                    "actions": [{"tag": "button", "text": text("Runbook"), "url": RUNBOOK, "type": "default"}],
                },
                {"tag": "note", "elements": [text(NOTE)]},
            ],
        },
    }


@pytest.mark.parametrize(
    ("severity", "purpose", "teams_colour", "lark_colour"),
    [
        ("critical", Purpose.TRIGGERED, "attention", "red"),
        ("medium", Purpose.TRIGGERED, "warning", "orange"),
        ("low", Purpose.TRIGGERED, "accent", "blue"),
        ("high", Purpose.RESOLVED, "good", "green"),
    ],
)
def test_colours(severity: str, purpose: Purpose, teams_colour: str, lark_colour: str) -> None:
    alert = {**ALERT, "severity": severity}
    card = teams(Message(alert, purpose, 0))["attachments"][0]["content"]
    assert card["body"][0]["inlines"][0]["color"] == teams_colour
    assert lark(Message(alert, purpose, 0))["card"]["header"]["template"] == lark_colour


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in texts(item)]
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("make", [dingtalk, wecom])
def test_markdown_from_events_stays_text(make: Callable[..., dict[str, Any]]) -> None:
    event = {"action": "x\n### forged", "actor": {"id": "<@all> ![a](http://e/x) [b](http://e) **b** `c`"}}
    alert = {**ALERT, "title": "[t](http://evil)", "event": event, "runbook": "https://e/)(<@all>"}
    body = make(Message(alert, Purpose.TRIGGERED))["markdown"]
    text = body.get("text") or body["content"]
    assert "Action: x ### forged\n" in text
    assert "Actor: ＜@all＞ !［a］(http://e/x) ［b］(http://e) ＊＊b＊＊ ｀c｀" in text
    assert "### 🚨 Alert Triggered: ［t］(http://evil)\n" in text
    assert "Runbook" not in text
    assert not set("[]<`") & set(text)


def test_only_plain_text_elements_where_the_provider_has_them() -> None:
    card = teams(Message(ALERT, Purpose.UPDATED, 2))["attachments"][0]["content"]
    assert {run["type"] for block in card["body"] for run in block["inlines"]} == {"TextRun"}
    assert "lark_md" not in orjson.dumps(lark(Message(ALERT, Purpose.UPDATED, 2))).decode()


words = st.text(max_size=2000) | st.sampled_from(["<" * 2000, "😀" * 2000, '"\\' * 1000, "[" * 2000, "\n" * 500])
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=30),
    max_leaves=30,
)


@given(
    title=words,
    severity=words | st.sampled_from(["critical", "low"]),
    reason=words,
    group=st.dictionaries(words, anything, max_size=30),
    event=anything,
    runbook=st.sampled_from(["", "https://wiki.example/", "https://" + "a" * 492, "https://" + "a" * 493]),
    purpose=st.sampled_from(list(Purpose)),
    silent=st.integers(0, 10**9),
)
def test_limits_hold_for_any_alert(
    title: str, severity: str, reason: str, group: Any, event: Any, runbook: str, purpose: Purpose, silent: int
) -> None:
    alert = {
        **ALERT,
        "title": title,
        "severity": severity,
        "reason": reason,
        "group": group,
        "event": event,
        "runbook": runbook,
    }
    assert len(orjson.dumps(teams(Message(alert, purpose, silent)))) <= TEAMS_BYTES < 28 * 1024
    assert len(orjson.dumps(dingtalk(Message(alert, purpose, silent)))) <= DINGTALK_BYTES
    assert len(wecom(Message(alert, purpose, silent))["markdown"]["content"].encode()) <= WECOM_BYTES == 4096
    assert len(orjson.dumps(lark(Message(alert, purpose, silent)))) <= LARK_BYTES < 20_000
    event_sent = pagerduty(Message(alert, purpose, silent), "a" * 300)
    assert len(event_sent["dedup_key"]) == 255
    assert len(orjson.dumps(event_sent)) < 512_000
    assert len(event_sent.get("payload", {}).get("summary", "")) <= 1024


@pytest.mark.parametrize("make", [teams, dingtalk, wecom, lark])
def test_what_was_cut_is_marked(make: Callable[..., dict[str, Any]]) -> None:
    marker = "cut, as the message would be too long"
    event = {"action": "😀" * 300, "outcome": "😀" * 300, "actor": {"id": "😀" * 300}}
    long = {**ALERT, "event": event, "group": {f"{place}{'😀' * 60}": "😀" * 300 for place in range(30)}}
    assert sum(text.count(marker) for text in texts(make(Message(long, Purpose.UPDATED, 2)))) == 1
    assert any(NOTE in text for text in texts(make(Message(long, Purpose.UPDATED, 2))))
    assert not any(marker in text for text in texts(make(Message(ALERT, Purpose.UPDATED, 2))))


@pytest.mark.parametrize("make", [teams, dingtalk, wecom, lark])
@pytest.mark.parametrize("purpose", list(Purpose))
def test_an_alert_with_almost_nothing_in_it(make: Callable[..., dict[str, Any]], purpose: Purpose) -> None:
    assert any(": Alert" in text for text in texts(make(Message({"id": "a"}, purpose))))
    assert "event_action" in pagerduty(Message({"id": "a"}, purpose, 0), "a")


@pytest.mark.parametrize(
    ("address", "linked"),
    [
        ("https://wiki.example/a?b=1&c#d", True),
        ("http://wiki.example/", True),
        ("https://" + "a" * 492, True),
        ("https://" + "a" * 493, False),
        ("javascript:alert(1)", False),
        ("https://wiki.example/a b", False),
        ("https://wiki.example/a)", False),
        ("https://wiki.example/a]", False),
        ("https://wiki.example/<@all>", False),
        ("https://wiki.example/é", False),
        ("https://wiki.example/\n", False),
        (None, False),
        (7, False),
    ],
)
def test_which_runbooks_are_linked(address: Any, linked: bool) -> None:
    assert runbook({"runbook": address}) == (address if linked else "")
