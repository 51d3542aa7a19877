"""How channels are written down, and what is said when they are written wrongly."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from streamproc.channels.secrets import Environment, SettingError
from streamproc.model.channel import SECRET_FIELDS, SETTINGS, SlackChannel, Webhook, parse_channel, parse_webhook
from streamproc.model.channel_settings import ChannelRef
from streamproc.model.document import DocumentError, snake
from tests.channels.receiver import SECRET

HOOK = {"id": "hook", "tenant_id": "acme", "url": "https://x.example/hook"}


def test_the_trailbase_document_is_understood() -> None:
    hook = parse_webhook(
        {
            "id": "custom",
            "name": "Custom Security System",
            "url": "https://yourdomain.com/api/trailbase-alerts",
            "events": ["alert.triggered", "compliance.check.failed"],
            "headers": {"Content-Type": "application/json", "X-API-Key": "${CUSTOM_WEBHOOK_KEY}"},
            "retryConfig": {"maxAttempts": 5, "backoffMultiplier": 2},
        },
        default_tenant="acme",
    )
    assert (hook.tenant_id, hook.ref) == ("acme", ChannelRef("webhook", "custom"))
    assert hook.retry_config is not None
    assert (hook.retry_config.max_attempts, hook.retry_config.backoff_multiplier) == (5, 2)
    assert set(hook.headers) == {"Content-Type", "X-API-Key"}


def test_both_spellings_mean_the_same() -> None:
    camel = {**HOOK, "tenantId": "acme", "retryConfig": {"maxSeconds": 9}, "maxConcurrency": 3}
    del camel["tenant_id"]
    assert parse_webhook(camel) == parse_webhook({**HOOK, "retry_config": {"max_seconds": 9}, "max_concurrency": 3})


@pytest.mark.parametrize(
    ("name", "expected"),
    [("retryConfig", "retry_config"), ("webhookIds", "webhook_ids"), ("tenantID", "tenant_id"), ("url", "url")],
)
def test_snake(name: str, expected: str) -> None:
    assert snake(name) == expected


@pytest.mark.parametrize(
    ("change", "problems"),
    [
        ({"retryConfg": {}}, ["retryConfg: is not a known field; did you mean retry_config?"]),
        (
            {"retryConfig": {"backofMultiplier": 2}},
            ["retryConfig.backofMultiplier: is not a known field; did you mean backoff_multiplier?"],
        ),
        ({"tenantId": "b"}, ["tenantId: is given twice (as tenant_id too)"]),
        ({"id": None}, ["id: None is not text"]),
        ({"id": "a b"}, ["id: 'a b' does not have the form ^[A-Za-z0-9][A-Za-z0-9_.:-]*$"]),
        ({"url": "ftp://x"}, ["url: the value (hidden) is not an http or https address"]),
        ({"url": "https://"}, ["url: the value (hidden) is not an http or https address"]),
        ({"url": "https://x:99999/"}, ["url: the value (hidden) is not an http or https address"]),
        ({"url": "https://[::1"}, ["url: the value (hidden) is not an http or https address"]),
        ({"url": "https://a b"}, ["url: the value (hidden) is not an http or https address"]),
        (
            {"url": "https://me:pw@x.example"},
            ["url: the value (hidden) holds a user name or password; put credentials in headers"],
        ),
        ({"format": "xml"}, ["format: 'xml' is not 'standard', 'trailbase', 'immutable' or 'template'"]),
        (
            {"signature": "rsa"},
            ["signature: 'rsa' is not standard-webhooks, nor a map of header, prefix, algorithm and encoding"],
        ),
        ({"signature": {"header": "a b"}}, ["signature.header: 'a b' is not a header name that can be set"]),
        ({"signature": {"header": "Host"}}, ["signature.header: 'Host' is not a header name that can be set"]),
        ({"signature": {"header": "X", "algorithm": "md5"}}, ["signature.algorithm: 'md5' is not 'hmac-sha256'"]),
        ({"secret": "short"}, ["secret: is not a Standard Webhooks secret: whsec_ and the base64 of 24 to 64 bytes"]),
        (
            {"headers": {"Host": "x"}},
            ["headers: the value (hidden) holds 'Host', which is not a header name that can be set"],
        ),
        (
            {"headers": {"X": "a\r\nY: b"}},
            ["headers: the value (hidden) holds a line break or control character in X"],
        ),
        (
            {"headers": {"Webhook-Id": "x"}},
            ["headers: the value (hidden) holds 'Webhook-Id', which is set with the signature"],
        ),
        ({"mode": "each"}, ["mode: 'each' is not 'single' or 'batch'"]),
        ({"max_items": 0}, ["max_items: 0 is not at least 1"]),
        ({"format": "template"}, ["content_template: is required for format template"]),
        ({"enabled": "perhaps"}, ["enabled: 'perhaps' is not true or false"]),
        ({"retry_config": {"max_attempts": 0}}, ["retry_config.max_attempts: 0 is not at least 1"]),
        (
            {"retry_config": {"initial_seconds": float("nan")}},
            ["retry_config.initial_seconds: nan is not a finite number"],
        ),
        (
            {"events": ["alert.fired"]},
            [
                "events: ['alert.fired'] holds 'alert.fired', which is not one of alert.triggered, alert.updated, "
                "alert.acknowledged, alert.resolved, alert.escalated, compliance.check.failed"
            ],
        ),
        ({"kind": "slack"}, ["kind: 'slack' is not 'webhook'"]),
    ],
)
def test_problems_name_the_path_and_what_is_expected(change: dict[str, Any], problems: list[str]) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_webhook({**HOOK, **change})
    assert [str(problem) for problem in caught.value.problems] == problems


def test_every_problem_is_listed() -> None:
    with pytest.raises(DocumentError) as caught:
        parse_webhook({"id": "x", "enabld": True, "max_concurrency": 0})
    assert {problem.path for problem in caught.value.problems} == {"enabld", "max_concurrency", "tenant_id", "url"}


def test_secrets_appear_in_no_repr_and_no_error() -> None:
    hook = parse_webhook({**HOOK, "secret": SECRET, "headers": {"X-Key": "s3cr3t-k3y"}})
    assert SECRET not in repr(hook)
    assert "s3cr3t-k3y" not in repr(hook)
    assert "x.example" not in repr(hook)
    with pytest.raises(DocumentError) as caught:
        parse_webhook({**HOOK, "secret": ["s3cr3t-k3y"], "secrets": [{"value": 5, "expires_at": "s3cr3t-k3y"}]})
    assert "s3cr3t-k3y" not in str(caught.value)


@pytest.mark.parametrize(
    "doc",
    [
        {"id": "slack", "url": "https://hooks.slack.com/services/x"},
        {"id": "team", "type": "slack", "url": "https://hooks.slack.com/services/x"},
        {"id": "team", "kind": "slack", "token": "xoxb", "channel": "#security"},
        {"id": "team", "kind": "channel", "type": "slack", "url": "${SLACK_URL}"},
    ],
)
def test_slack_channels(doc: dict[str, Any]) -> None:
    channel = parse_channel(doc, default_tenant="acme")
    assert isinstance(channel, SlackChannel)
    assert channel.transport == "slack"
    assert channel.ref == ChannelRef("channel", doc["id"])


@pytest.mark.parametrize(
    ("doc", "problem"),
    [
        ({"id": "slack"}, "url: give either url (an incoming webhook), or token and channel"),
        (
            {"id": "slack", "url": "https://x.example", "token": "t"},
            "url: give either url (an incoming webhook), or token and channel",
        ),
        ({"id": "slack", "token": "t"}, "channel: is required beside token"),
        ({"id": "fax"}, f"type: 'fax' is not one of {', '.join(sorted(SETTINGS))}"),
        ({"id": "x", "type": ["slack"]}, f"type: ['slack'] is not one of {', '.join(sorted(SETTINGS))}"),
    ],
)
def test_slack_channels_written_wrongly(doc: dict[str, Any], problem: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_channel(doc, default_tenant="acme")
    assert str(caught.value) == problem


def test_a_channel_of_type_webhook_is_not_a_webhook_of_that_name() -> None:
    channel = parse_channel({**HOOK, "type": "webhook"})
    assert not isinstance(channel, Webhook)
    assert channel.ref == ChannelRef("channel", "hook")
    assert ChannelRef.parse(str(channel.ref)) == channel.ref


def test_every_secret_of_a_channel_is_sealed() -> None:
    secret = {
        name for model in SETTINGS.values() for name, field in model.model_fields.items() if "SecretStr" in repr(field)
    }
    assert secret - SECRET_FIELDS["channel"] == set()
    assert {"url", "password", "auth_token", "access_key_secret"} <= secret


@pytest.mark.parametrize(
    ("name", "allowed", "usable"),
    [
        ("HOOK", ("*",), True),
        ("HOOK", ("SOC_*",), False),
        ("SOC_HOOK", ("SOC_*",), True),
        ("AWS_SECRET_ACCESS_KEY", ("*",), False),
        ("AWS_SECRET_ACCESS_KEY", ("AWS_*",), False),
        ("AWS_SECRET_ACCESS_KEY", ("*", "AWS_SECRET_ACCESS_KEY"), True),
        ("aws_secret_access_key", ("*",), False),
        ("STREAMPROC_SECRET_KEY", ("STREAMPROC_SECRET_KEY",), False),
    ],
)
def test_a_tenant_cannot_have_the_machine_s_own_secrets_sent(name: str, allowed: tuple[str, ...], usable: bool) -> None:
    environment = Environment({name: "value"}, allowed)
    if usable:
        assert environment.text(SecretStr(f"x${{{name}}}")) == "xvalue"
    else:
        with pytest.raises(SettingError, match="this variable cannot be used here"):
            environment.text(SecretStr(f"x${{{name}}}"))
