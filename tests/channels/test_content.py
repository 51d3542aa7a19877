"""Content templates through every channel, and what happens when one fails."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import pytest
from standardwebhooks import Webhook

from streamproc import metrics
from streamproc.alerting.alert_link import AlertLinks, verify
from streamproc.channels.outcome import Outcome
from streamproc.channels.registry import Transports
from streamproc.model.channel import parse_channel
from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.content_template import ContentTemplate, parse_content_template
from streamproc.model.notification import Notification, Purpose
from tests.channels import chat
from tests.channels.mail_server import mailbox
from tests.channels.providers import AWS_OK, TWILIO_OK, bus, function, sms_twilio, voice_twilio
from tests.channels.receiver import (
    ALERT,
    SECRET,
    Request,
    answer,
    bundle,
    http,
    notification,
    receiving,
    slack,
    webhook,
)

KEY = b"k" * 32


def template(contents: dict[str, Any]) -> ContentTemplate:
    return parse_content_template({"id": "soc", "tenant_id": "acme", "contents": contents})


async def tried(
    make: Callable[[str], ChannelSettings],
    contents: dict[str, Any] | None,
    told: Notification | None = None,
    says: bytes = answer(200, chat.OK),
    public_url: str = "",
    **settings: Any,
) -> tuple[Outcome, list[Request]]:
    found = {("acme", "soc"): template(contents)} if contents is not None else {}
    async with receiving(says) as receiver, http() as client:
        transports = Transports(client, {}, lambda tenant, id: found.get((tenant, id)), AlertLinks(public_url, KEY))
        channel = make(receiver.url).model_copy(update={"content_template": "soc", **settings})
        outcome = await transports.send(told or notification(), channel)
    return outcome, receiver.requests


TITLED = {"title": "T {{ severity }}", "text": "Hello {{ alert_name }}"}


@pytest.mark.parametrize(
    ("make", "method", "says", "find"),
    [
        (slack, "slack", answer(200, "ok"), lambda r: [r.json["text"], r.json["blocks"][1]["text"]["text"]]),
        (chat.dingtalk, "dingtalk", answer(200, chat.OK),
         lambda r: [r.json["markdown"]["title"], r.json["markdown"]["text"].split("\n\n")[1]]),
        (chat.wecom, "wecom", answer(200, chat.OK),
         lambda r: r.json["markdown"]["content"].removeprefix("### ").split("\n")),
        (chat.lark, "lark", answer(200, chat.OK),
         lambda r: [r.json["card"]["header"]["title"]["content"], r.json["card"]["elements"][0]["text"]["content"]]),
        (chat.teams, "teams", answer(202),
         lambda r: [block["inlines"][0]["text"] for block in r.json["attachments"][0]["content"]["body"]]),
    ],
)  # fmt: skip
async def test_chats(make: Any, method: str, says: bytes, find: Callable[[Request], list[str]]) -> None:
    outcome, [request] = await tried(make, {method: TITLED}, says=says)
    assert (outcome.kind, outcome.detail) == ("delivered", "")
    assert find(request) == ["T high", "Hello Excessive Failed Logins"]


async def test_phones() -> None:
    _, [request] = await tried(sms_twilio, {"sms": {"en": "EN", "zh": "{{ severity }}"}}, says=TWILIO_OK,
                               content_language="zh")  # fmt: skip
    assert parse_qs(request.body.decode())["Body"] == ["high"]
    _, [request] = await tried(voice_twilio, {"voice": "Look at <{{ alert_name }}>"}, says=TWILIO_OK)
    assert "Look at &lt;Excessive Failed Logins&gt;" in parse_qs(request.body.decode())["Twiml"][0]


async def test_mail() -> None:
    contents = {"email": {"zh": {"subject": "告警 {{ alert_name }}", "text": "t", "html": "<p>{{ reason }}</p>"}}}
    async with mailbox() as box, http() as client:
        transports = Transports(client, {}, lambda tenant, id: template(contents))
        outcome = await transports.send(notification(), box.channel(content_template="soc", content_language="zh"))
    assert outcome.kind == "delivered"
    [(_, mail)] = box.got
    assert mail["Subject"] == "告警 Excessive Failed Logins"
    text, html = mail.iter_parts()
    assert (text.get_content().strip(), html.get_content().strip()) == ("t", f"<p>{ALERT['reason']}</p>")


async def test_the_message_centers_excerpt_is_the_text() -> None:
    async with http() as client:
        transports = Transports(client, {}, lambda tenant, id: template({"message_center": TITLED}))
        channel = parse_channel({"id": "message_center", "content_template": "soc"}, default_tenant="acme")
        outcome = await transports.send(notification(), channel)
    assert outcome.excerpt == "T high\n\nHello Excessive Failed Logins"


async def test_a_webhooks_format_can_be_a_template() -> None:
    make = lambda url: webhook(url, format="template", content_template="soc", secret=SECRET)  # noqa: E731
    _, [request] = await tried(make, {"webhook": '{"n": "{{ alert_name }}", "c": {{ count }}}'})
    assert request.json == {"n": "Excessive Failed Logins", "c": 5}
    assert request.headers["content-type"] == "application/json;charset=utf-8"
    Webhook(SECRET).verify(request.body, request.headers)
    _, [request] = await tried(make, {"webhook": "{{ alert_name }} is {{ severity }}"})
    assert request.body == b"Excessive Failed Logins is high"


@pytest.mark.parametrize("make", [webhook, function])
async def test_single_and_batch(make: Callable[[str], ChannelSettings]) -> None:
    method = "webhook" if make is webhook else "function_compute"
    as_json, as_text = '{"n": "{{ alert_name }}"}', "{{ alert_name }}"
    names = ["Excessive Failed Logins", "Root login"]

    async def sent(text: str, mode: str, **more: Any) -> list[bytes]:
        _, requests = await tried(make, {method: {"send_mode": mode, "text": text, **more}}, bundle())
        return [request.body for request in requests]

    assert [json.loads(body) for body in await sent(as_json, "batch")] == [[{"n": name} for name in names]]
    assert [json.loads(body) for body in await sent(as_text, "batch")] == [names]
    assert [json.loads(body) for body in await sent(as_json, "single")] == [{"n": name} for name in names]
    assert await sent(as_text, "single") == [name.encode() for name in names]
    assert [json.loads(body) for body in await sent(as_json, "batch", max_items=1)] == [[{"n": name}] for name in names]


async def test_event_buses() -> None:
    _, [request] = await tried(bus, {"eventbridge": '{"n": "{{ alert_name }}"}'}, says=AWS_OK)
    assert json.loads(request.json["Entries"][0]["Detail"]) == {"n": "Excessive Failed Logins"}
    _, [request] = await tried(bus, {"eventbridge": {"subject": "{{ severity }}", "text": "hi"}}, says=AWS_OK)
    assert json.loads(request.json["Entries"][0]["Detail"]) == {"subject": "high", "content": "hi"}


async def test_the_notifications_template_comes_before_the_channels() -> None:
    found = {"own": template({"slack": "own"}), "soc": template({"slack": "channel"})}
    async with receiving() as receiver, http() as client:
        transports = Transports(client, {}, lambda tenant, id: found.get(id))
        channel = slack(receiver.url).model_copy(update={"content_template": "soc"})
        await transports.send(replace(notification(), template="own"), channel)
        await transports.send(notification(), channel)
    assert [request.json["blocks"][0]["text"]["text"] for request in receiver.requests] == ["own", "channel"]


@pytest.mark.parametrize(
    ("contents", "why"),
    [
        (None, "is not configured"),
        ({"slack": "{{ 1 | divided_by: 0 }}"}, "contents.slack.text: divided_by: can't divide by 0"),
        ({"slack": "{% for i in (1..2000) %}{{ alert.title }}{{ alert | json }}{% endfor %}"}, "contents.slack.text: "),
    ],
)
async def test_a_template_that_fails_gives_way_and_says_so(
    contents: dict[str, Any] | None, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    counter = metrics.TEMPLATE_FAILURES.labels("slack")
    before = counter._value.get()
    with caplog.at_level(logging.WARNING):
        outcome, [request] = await tried(slack, contents, says=answer(200, "ok"))
    assert outcome.kind == "delivered"
    assert outcome.detail.startswith(f"template soc: {why}")
    assert outcome.detail.endswith("; the built-in text was sent")
    assert request.json["text"] == "🚨 Alert Triggered: Excessive Failed Logins"
    assert counter._value.get() == before + 1
    assert "template soc of acme" in caplog.text


async def test_a_webhooks_template_that_fails_gives_way_to_the_standard_body() -> None:
    make = lambda url: webhook(url, format="template", content_template="soc", mode="batch")  # noqa: E731
    outcome, [request] = await tried(make, {"webhook": "{{ 1 | divided_by: 0 }}"})
    assert [item["type"] for item in request.json] == ["alert.triggered"]
    assert "the built-in text was sent" in outcome.detail


@pytest.mark.parametrize(("make", "says"), [(chat.dingtalk, chat.OK), (chat.lark, chat.OK), (chat.wecom, chat.OK),
                                            (slack, "ok"), (chat.teams, "1")])  # fmt: skip
@pytest.mark.parametrize("contents", [None, {"default": "x"}])
async def test_messages_carry_a_link_unless_disabled(make: Any, says: str, contents: Any) -> None:
    url = "https://alerts.example"
    told = notification(Purpose.TRIGGERED)
    _, [request] = await tried(make, contents, told, answer(200, says), url)
    text = request.body.decode()
    token = text.partition(f"{url}/a/")[2].split('"')[0].split(")")[0].split("|")[0]
    assert verify(token, KEY, told.created_at) == ("acme", ALERT["id"])
    _, [request] = await tried(make, contents, told, answer(200, says), url, disable_details=True)
    assert url not in request.body.decode()
    _, [request] = await tried(make, contents, told, answer(200, says), "")
    assert "/a/" not in request.body.decode()
