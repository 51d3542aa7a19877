"""What the answers of chat and on-call providers mean, and what of them is kept."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from streamproc.channels.answer_code import Codes
from streamproc.channels.dingtalk import CODES as DINGTALK
from streamproc.channels.lark import CODES as LARK
from streamproc.channels.registry import Transports
from streamproc.channels.wecom import CODES as WECOM
from streamproc.model.channel_settings import ChannelSettings
from tests.channels import chat
from tests.channels.chat import TIME_MS, tried
from tests.channels.receiver import answer, http, notification, receiving

TAKEN = ("delivered", "ok")
REFUSED = ("permanent", "provider_error")
LIMITED = ("retry", "rate_limited")
BUSY = ("retry", "provider_error")
STRANGE = ("retry", "bad_answer")
FAILED = (
    "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error {} with ContextId tcid=0"
)
UNREACHED = "Webhook message delivery failed with error: Error contacting Microsoft Teams endpoint"


@pytest.mark.parametrize(
    ("make", "status", "body", "kind", "reason", "detail"),
    [
        (chat.dingtalk, 200, '{"errcode":0,"errmsg":"ok"}', *TAKEN, ""),
        (chat.dingtalk, 200, '{"errcode":"0","errmsg":"ok"}', *TAKEN, ""),
        (chat.dingtalk, 200, '{"errcode":310000,"errmsg":"sign not match"}', *REFUSED, "310000 sign not match"),
        (chat.dingtalk, 200, '{"errcode":300001,"errmsg":"token is not exist"}', *REFUSED, "300001 token is not exist"),
        (chat.dingtalk, 200, '{"errcode":130101,"errmsg":"send too fast"}', *LIMITED, "130101 send too fast"),
        (chat.dingtalk, 200, '{"errcode":410100,"errmsg":"too fast"}', *LIMITED, "410100 too fast"),
        (chat.dingtalk, 200, '{"errcode":90030,"errmsg":"webhook over limit"}', *LIMITED, "90030 webhook over limit"),
        (chat.dingtalk, 200, '{"errcode":-1,"errmsg":"busy"}', *BUSY, "-1 busy"),
        (chat.dingtalk, 200, '{"errcode":true}', *STRANGE, "not an answer of DingTalk's"),
        (chat.dingtalk, 200, '{"code":0}', *STRANGE, "not an answer of DingTalk's"),
        (chat.dingtalk, 400, '{"errcode":-1}', *BUSY, "-1"),
        (chat.dingtalk, 503, '{"errcode":0}', "retry", "server_error", ""),
        (chat.wecom, 200, '{"errcode":0,"errmsg":"ok"}', *TAKEN, ""),
        (
            chat.wecom,
            200,
            '{"errcode":45009,"errmsg":"api freq out of limit"}',
            *LIMITED,
            "45009 api freq out of limit",
        ),
        (chat.wecom, 200, '{"errcode":45033}', *LIMITED, "45033"),
        (chat.wecom, 200, '{"errcode":-1,"errmsg":"system busy"}', *BUSY, "-1 system busy"),
        (chat.wecom, 200, '{"errcode":93000,"errmsg":"invalid webhook url"}', *REFUSED, "93000 invalid webhook url"),
        (chat.wecom, 200, "<html>log in</html>", *STRANGE, "not an answer of WeCom's"),
        (chat.lark, 200, '{"code":0,"msg":"success"}', *TAKEN, ""),
        (chat.lark, 200, '{"StatusCode":0,"StatusMessage":"success"}', *TAKEN, ""),
        (chat.lark, 200, '{"code":9499,"msg":"Bad Request"}', *REFUSED, "9499 Bad Request"),
        (chat.lark, 200, '{"code":9499,"msg":"Too Many Requests"}', *LIMITED, "9499 Too Many Requests"),
        (chat.lark, 200, '{"code":11232,"msg":"frequency limited"}', *LIMITED, "11232 frequency limited"),
        (chat.lark, 200, '{"code":19021,"msg":"sign match fail"}', *REFUSED, "19021 sign match fail"),
        (
            chat.lark,
            200,
            '{"code":19024,"StatusCode":0,"msg":"Key Words Not Found"}',
            *REFUSED,
            "19024 Key Words Not Found",
        ),
        (chat.lark, 200, '{"code":2200,"msg":"Internal Error"}', *BUSY, "2200 Internal Error"),
        (
            chat.lark,
            400,
            '{"code":99991400,"msg":"request trigger frequency limit"}',
            *LIMITED,
            "99991400 request trigger frequency limit",
        ),
        (chat.lark, 400, '{"code":19001,"msg":"param invalid"}', "permanent", "client_error", "19001 param invalid"),
        (chat.lark, 400, '{"code":0}', "permanent", "client_error", ""),
        (chat.lark, 200, "[]", *STRANGE, "not an answer of Lark's"),
        (chat.lark, 200, "", *STRANGE, "not an answer of Lark's"),
        (chat.pagerduty, 202, chat.PAGERDUTY_ACCEPTED, *TAKEN, ""),
        (chat.pagerduty, 200, '{"status":"invalid event","message":"bad"}', *REFUSED, "invalid event: bad"),
        (
            chat.pagerduty,
            200,
            '{"status":"throttle exceeded","message":"slow down"}',
            *LIMITED,
            "throttle exceeded: slow down",
        ),
        (chat.pagerduty, 400, '{"status":"invalid event","errors":["x"]}', "permanent", "client_error", ""),
        (chat.pagerduty, 202, "", *STRANGE, "not an answer of PagerDuty's"),
        (chat.pagerduty, 202, '{"status":1}', *STRANGE, "not an answer of PagerDuty's"),
        (chat.teams, 202, "", *TAKEN, ""),
        (chat.teams, 200, "1", *TAKEN, ""),
        (chat.teams, 200, '{"seen": true}', *TAKEN, ""),
        (chat.teams, 200, FAILED.format(429), *LIMITED, None),
        (chat.teams, 200, FAILED.format(413), *REFUSED, None),
        (chat.teams, 200, FAILED.format(410), *REFUSED, None),
        (chat.teams, 200, FAILED.format(502), *BUSY, None),
        (chat.teams, 200, UNREACHED, *BUSY, None),
        (chat.teams, 200, '{"error":{"code":"WorkflowTriggerThrottled"}}', *LIMITED, None),
        (chat.teams, 200, '{"error":{"code":"ResponseTimeout"}}', *BUSY, None),
        (chat.teams, 200, '{"error":{"code":"WorkflowNotFound"}}', *REFUSED, None),
        (chat.teams, 200, "Request was throttled", *LIMITED, None),
        (chat.teams, 200, "<html>throttled: log in</html>", *STRANGE, "not an answer of Microsoft's"),
        (chat.teams, 200, "0", *STRANGE, "not an answer of Microsoft's"),
    ],
)
async def test_what_an_answer_means(
    make: Callable[..., ChannelSettings], status: int, body: str, kind: str, reason: str, detail: str | None
) -> None:
    outcome, _ = await tried(make, answer(status, body))
    assert (outcome.kind, outcome.reason, outcome.status) == (kind, reason, status)
    assert outcome.detail == (body if detail is None else detail)
    assert outcome.excerpt == body


@pytest.mark.parametrize(
    ("make", "body", "pause"),
    [
        (chat.dingtalk, '{"errcode":130101}', 60.0),
        (chat.wecom, '{"errcode":45009}', 60.0),
        (chat.lark, '{"code":11232}', None),
    ],
)
async def test_a_rate_limit_in_the_body_lasts_as_documented_or_as_told(
    make: Callable[..., ChannelSettings], body: str, pause: float | None
) -> None:
    outcome, _ = await tried(make, answer(200, body))
    assert outcome.retry_after == pause
    outcome, _ = await tried(make, answer(200, body, "Retry-After: 7"))
    assert outcome.retry_after == 7


@pytest.mark.parametrize(
    ("make", "settings", "path", "secrets"),
    [
        (chat.teams, {}, "/workflows/0123456789abcdef0123/run?sig=s3cr3t-sig", ["0123456789abcdef0123", "s3cr3t-sig"]),
        (chat.pagerduty, {}, "/v2/enqueue", [chat.ROUTING_KEY]),
        (chat.dingtalk, {"secret": "SEC0123456789"}, "/robot/send", [chat.ACCESS_TOKEN, "SEC0123456789"]),
        (chat.wecom, {}, "/send", [chat.WECOM_KEY]),
        (chat.wecom, {"key": "k&y w/th odd"}, "/send", ["k&y w/th odd", "k%26y%20w%2Fth%20odd"]),
        (chat.lark, {"secret": "l4rk-s3cret"}, "/hook", [chat.LARK_TOKEN, "l4rk-s3cret"]),
    ],
)
async def test_secrets_are_in_neither_excerpt_nor_detail(
    make: Callable[..., ChannelSettings], settings: dict[str, Any], path: str, secrets: list[str]
) -> None:
    told = " ".join(secrets)
    for body in (
        orjson.dumps({"errcode": 1, "errmsg": told, "code": 1, "msg": told, "status": "bad", "message": told}),
        orjson.dumps({"error": told}),
    ):
        outcome, _ = await tried(make, answer(200, body), path=path, **settings)
        for secret in secrets:
            assert secret not in outcome.excerpt
            assert secret not in outcome.detail
        assert "***" in outcome.excerpt
    channel = make("http://x.example/", **settings)
    assert not any(secret in repr(channel) for secret in secrets)


async def test_the_signature_of_a_request_is_not_logged() -> None:
    sign = base64.b64encode(hmac.digest(b"SECx-long", f"{TIME_MS}\nSECx-long".encode(), "sha256")).decode()
    outcome, _ = await tried(chat.dingtalk, answer(200, f'{{"errcode":310000,"errmsg":"{sign}"}}'), secret="SECx-long")
    assert outcome.detail == "310000 ***"
    assert sign not in outcome.excerpt


def broken_off(body: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{body}".encode()


@pytest.mark.parametrize(
    ("make", "body", "kind", "reason"),
    [
        (chat.dingtalk, '{"errcode":0}', *TAKEN),
        (chat.dingtalk, '{"errcode":0', *STRANGE),
        (chat.pagerduty, '{"status":"success"}', *TAKEN),
        (chat.pagerduty, '{"status":"success"', *STRANGE),
        (chat.teams, "1", *STRANGE),
        (chat.teams, "", *STRANGE),
    ],
)
async def test_an_answer_that_breaks_off_counts_if_it_was_all_there(
    make: Callable[..., ChannelSettings], body: str, kind: str, reason: str
) -> None:
    async with receiving(broken_off(body), reset=True) as receiver, http() as client:
        outcome = await Transports(client, {}).send(notification(), make(receiver.url))
    assert (outcome.kind, outcome.reason) == (kind, reason)


@pytest.mark.parametrize(("type", "codes"), [("dingtalk", DINGTALK), ("wecom", WECOM), ("lark", LARK)])
def test_every_code_is_documented(type: str, codes: Codes) -> None:
    page = (Path(__file__).parents[2] / "docs/reference/channels.md").read_text()
    row = next(line for line in page.split("## What answers mean")[1].splitlines() if line.startswith(f"| `{type}`"))
    for code in codes.rate_limits | codes.transient:
        assert str(code) in row
