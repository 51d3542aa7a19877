"""Chat and on-call channels that point to a test's server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from streamproc.channels.outcome import Outcome
from streamproc.channels.registry import Transports
from streamproc.model.channel import parse_channel
from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.notification import Purpose
from tests.channels.receiver import Request, answer, http, notification, receiving

NOW = 1_770_733_940.25
TIME_MS, TIME_S = "1770733940250", "1770733940"
OK = '{"errcode": 0, "code": 0, "status": "success"}'

ROUTING_KEY = "R0UT1NGKEY0123456789ABCDEF012345"
ACCESS_TOKEN = "d1ngt4lk-access-token"
WECOM_KEY = "693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa"
LARK_TOKEN = "1a2b3c4d-lark-bot-token"
PAGERDUTY_ACCEPTED = '{"status": "success", "message": "Event processed", "dedup_key": "alt_1"}'


def teams(url: str, **settings: Any) -> ChannelSettings:
    return _channel("teams", url, settings)


def pagerduty(url: str, **settings: Any) -> ChannelSettings:
    return _channel("pagerduty", url, {"routing_key": ROUTING_KEY, **settings})


def dingtalk(url: str, **settings: Any) -> ChannelSettings:
    return _channel("dingtalk", url, {"access_token": ACCESS_TOKEN, **settings})


def wecom(url: str, **settings: Any) -> ChannelSettings:
    return _channel("wecom", url, {"key": WECOM_KEY, **settings})


def lark(url: str, **settings: Any) -> ChannelSettings:
    return _channel("lark", url, {"token": LARK_TOKEN, **settings})


def _channel(type: str, url: str, settings: dict[str, Any]) -> ChannelSettings:
    return parse_channel({"id": "chat", "type": type, "tenant_id": "acme", "url": url, **settings})


async def tried(
    make: Callable[..., ChannelSettings],
    says: bytes,
    environment: dict[str, str] | None = None,
    path: str = "/hook",
    purpose: Purpose = Purpose.UPDATED,
    **settings: Any,
) -> tuple[Outcome, list[Request]]:
    async with receiving(says) as receiver, http(clock=lambda: NOW) as client:
        channel = make(f"http://127.0.0.1:{receiver.port}{path}", **settings)
        outcome = await Transports(client, environment or {}).send(notification(purpose), channel)
    return outcome, receiver.requests


async def sent(make: Callable[..., ChannelSettings], **settings: Any) -> Request:
    outcome, requests = await tried(make, answer(200, OK if make is not teams else "1"), **settings)
    assert outcome.kind == "delivered", outcome
    return requests[0]


def target(request: Request) -> str:
    return request.line.split(" ")[1]


def query(request: Request) -> dict[str, str]:
    """As a server decodes it: once."""
    return {name: values[0] for name, values in parse_qs(urlsplit(target(request)).query, strict_parsing=True).items()}
