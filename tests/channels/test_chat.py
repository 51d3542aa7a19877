"""How chat and on-call channels are set up, addressed and signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import pytest

from streamproc.channels.registry import Transports
from streamproc.model.channel import SECRET_FIELDS, SETTINGS, parse_channel
from streamproc.model.channels_chat import DINGTALK_URL, LARK_URL, PAGERDUTY_URL, WECOM_URL
from streamproc.model.document import DocumentError
from streamproc.model.notification import Purpose
from tests.channels import chat
from tests.channels.chat import TIME_MS, TIME_S, query, sent, target
from tests.channels.receiver import ALERT, answer, http, notification, receiving, webhook


@pytest.mark.parametrize(
    ("purpose", "action"),
    [
        (Purpose.TRIGGERED, "trigger"),
        (Purpose.UPDATED, "trigger"),
        (Purpose.REOPENED, "trigger"),
        (Purpose.ESCALATED, "trigger"),
        (Purpose.ACKNOWLEDGED, "acknowledge"),
        (Purpose.RESOLVED, "resolve"),
    ],
)
async def test_pagerduty_has_one_incident_per_alert(purpose: Purpose, action: str) -> None:
    body = (await sent(chat.pagerduty, purpose=purpose)).json
    assert (body["routing_key"], body["event_action"]) == (chat.ROUTING_KEY, action)
    assert body["dedup_key"] == ALERT["id"]
    assert ("payload" in body) is (action == "trigger")


# Signatures and addresses


async def test_dingtalk_is_signed_and_encoded_once() -> None:
    # the first secret whose signature holds all three characters that encoding is about
    for number in range(10_000):
        secret = f"SEC{number:040d}"
        signed = hmac.new(secret.encode(), f"{TIME_MS}\n{secret}".encode(), hashlib.sha256).digest()
        expected = base64.b64encode(signed).decode()
        if {"+", "/", "="} <= set(expected):
            break
    request = await sent(chat.dingtalk, secret=secret)
    assert query(request) == {"access_token": chat.ACCESS_TOKEN, "timestamp": TIME_MS, "sign": expected}
    assert "+" not in target(request)
    assert "%25" not in target(request)
    assert request.json["msgtype"] == "markdown"


async def test_dingtalk_without_a_secret_is_not_signed() -> None:
    assert query(await sent(chat.dingtalk)) == {"access_token": chat.ACCESS_TOKEN}


async def test_dingtalk_by_the_address_that_it_shows() -> None:
    request = await sent(chat.dingtalk, path="/robot/send?access_token=t0ken", access_token=None, secret="SECx")
    assert list(query(request)) == ["access_token", "timestamp", "sign"]
    assert query(request)["access_token"] == "t0ken"


async def test_wecom_has_its_key_in_the_address() -> None:
    assert target(await sent(chat.wecom)) == f"/hook?key={chat.WECOM_KEY}"
    assert target(await sent(chat.wecom, path="/send?key=abc", key=None)) == "/send?key=abc"


async def test_lark_is_signed_in_the_body() -> None:
    request = await sent(chat.lark, secret="l4rk-s3cret")
    expected = hmac.new(f"{TIME_S}\nl4rk-s3cret".encode(), digestmod=hashlib.sha256).digest()
    body = request.json
    assert target(request) == f"/hook/{chat.LARK_TOKEN}"
    assert (body["timestamp"], body["sign"]) == (TIME_S, base64.b64encode(expected).decode())
    assert body["msg_type"] == "interactive"


async def test_lark_without_a_secret_is_not_signed() -> None:
    request = await sent(chat.lark, path="/hook/whole", token=None)
    assert target(request) == "/hook/whole"
    assert set(request.json) == {"msg_type", "card"}


async def test_secrets_may_be_variables() -> None:
    environment = {"KEY": "from-the-env", "HOST": "127.0.0.1"}
    assert (await sent(chat.pagerduty, environment=environment, routing_key="${KEY}")).json["routing_key"] == (
        "from-the-env"
    )
    assert query(await sent(chat.wecom, environment=environment, key="${KEY}")) == {"key": "from-the-env"}
    assert query(await sent(chat.dingtalk, environment=environment, access_token="${KEY}")) == {
        "access_token": "from-the-env"
    }
    assert target(await sent(chat.lark, environment=environment, token="${KEY}")) == "/hook/from-the-env"


async def test_a_key_with_odd_characters_does_not_add_parameters() -> None:
    assert query(await sent(chat.wecom, key="a&b=c #/é")) == {"key": "a&b=c #/é"}
    assert target(await sent(chat.lark, token="a/../b?c")).startswith("/hook/a%2F..%2Fb%3Fc")


# PagerDuty by a webhook


@pytest.mark.parametrize(
    "url", ["https://events.pagerduty.com/v2/enqueue", "https://events.eu.pagerduty.com/v2/enqueue", "${PD_URL}"]
)
async def test_a_webhook_with_pagerdutys_address_is_spoken_to_as_pagerduty(url: str) -> None:
    async with http() as client:
        transports = Transports(client, {"PD_URL": PAGERDUTY_URL})
        assert transports._transport(webhook(url)) == "pagerduty"
        assert transports._transport(webhook("https://x.example/events.pagerduty.com")) == "webhook"
    assert not webhook(PAGERDUTY_URL).patient


@pytest.mark.parametrize(
    "settings", [{"secret": chat.ROUTING_KEY}, {"headers": {"x-routing-key": chat.ROUTING_KEY, "X-Own": "1"}}]
)
async def test_a_webhooks_routing_key(settings: dict[str, Any]) -> None:
    says = answer(202, chat.PAGERDUTY_ACCEPTED)
    async with receiving(says) as receiver, http() as client:
        transport = Transports(client, {})._transports["pagerduty"]
        outcome = await transport.send(notification(), webhook(receiver.url, **settings))
    assert outcome.kind == "delivered"
    [request] = receiver.requests
    assert request.json["routing_key"] == chat.ROUTING_KEY
    assert request.json["event_action"] == "trigger"
    assert not {"webhook-signature", "x-routing-key"} & set(request.headers)
    assert ("x-own" in request.headers) is ("headers" in settings)


def test_a_routing_key_need_not_be_a_signing_secret() -> None:
    assert webhook(PAGERDUTY_URL, secret="short").transport == "pagerduty"
    with pytest.raises(DocumentError, match="is not a Standard Webhooks secret"):
        webhook("https://x.example/", secret="short")


async def test_a_webhook_without_a_routing_key() -> None:
    async with http() as client:
        outcome = await Transports(client, {}).send(notification(), webhook(PAGERDUTY_URL))
    assert (outcome.kind, outcome.reason) == ("permanent", "settings")
    assert "routing key" in outcome.detail


# Settings


def test_the_providers_addresses_are_the_default() -> None:
    def url(doc: dict[str, Any]) -> str:
        channel: Any = parse_channel(doc, default_tenant="acme")
        return str(channel.url.get_secret_value())

    assert url({"id": "pagerduty", "routingKey": "k"}) == PAGERDUTY_URL
    assert url({"id": "dingtalk", "accessToken": "t"}) == DINGTALK_URL
    assert url({"id": "wecom", "key": "k"}) == WECOM_URL
    assert url({"id": "lark", "token": "t"}) == LARK_URL


@pytest.mark.parametrize(
    ("doc", "problem"),
    [
        ({"id": "teams"}, "url: is required"),
        ({"id": "pagerduty"}, "routing_key: is required"),
        ({"id": "dingtalk"}, "access_token: is required, unless url holds it"),
        (
            {"id": "dingtalk", "access_token": "t", "url": f"{DINGTALK_URL}?access_token=t"},
            "access_token: is given twice (in url too)",
        ),
        ({"id": "wecom"}, "key: is required, unless url holds it"),
        ({"id": "wecom", "url": "https://x.example/?key="}, "key: is required, unless url holds it"),
        ({"id": "lark"}, "token: is required, unless url is the whole address of the bot"),
        ({"id": "lark", "token": ""}, "token: the value (hidden) has fewer than 1 entries"),
    ],
)
def test_settings_written_wrongly(doc: dict[str, Any], problem: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_channel(doc, default_tenant="acme")
    assert str(caught.value) == problem


@pytest.mark.parametrize("type", ["teams", "pagerduty", "dingtalk", "wecom", "lark"])
def test_every_secret_setting_is_sealed(type: str) -> None:
    secret = {name for name, field in SETTINGS[type].model_fields.items() if "SecretStr" in str(field.annotation)}
    assert secret
    assert secret <= SECRET_FIELDS["channel"]
