"""A local server that answers as a test says, down to the bytes; and channels that point to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from streamproc.channels.address import networks
from streamproc.channels.http import Http
from streamproc.model.channel import parse_channel, parse_webhook
from streamproc.model.channel_settings import ChannelRef, ChannelSettings
from streamproc.model.notification import Member, Notification, Purpose, delivery_id

LOCAL = networks(["127.0.0.0/8"])
SECRET = "whsec_" + "c3RyZWFtcHJvYyB0ZXN0IHNlY3JldCBvZiAzMiBieXRl"

ALERT: dict[str, Any] = {
    "event_type": "alert.updated",
    "id": "alt_4f7a8b9c-0d1e-4f3a-8b5c-6d7e8f9a0b1c",
    "revision": 3,
    "tenant_id": "acme",
    "fingerprint": "0f" * 16,
    "status": "open",
    "severity": "high",
    "title": "Excessive Failed Logins",
    "reason": "5 events in 300 s for actor.ip 203.0.113.7",
    "rule": {"id": "r1", "revision": 1, "name": "Excessive Failed Logins", "type": "threshold"},
    "group": {"actor.ip": "203.0.113.7"},
    "trigger_count": 3,
    "context": {"count": 5, "window_seconds": 300, "sample": []},
    "event": {
        "id": "evt_1",
        "action": "user.login",
        "outcome": "failure",
        "actor": {"id": "user_alice", "country": "DE"},
    },
    "triggered_at": "2026-02-10T14:32:15.123Z",
}


@dataclass
class Request:
    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


def answer(status: int, body: bytes | str = b"", *headers: str) -> bytes:
    """An HTTP answer as it goes over the wire."""
    content = body.encode() if isinstance(body, str) else body
    head = [f"HTTP/1.1 {status} Because", f"Content-Length: {len(content)}", *headers, "", ""]
    return "\r\n".join(head).encode() + content


@dataclass
class Receiver:
    """`answers` go out one per request, the last again and again. None: never answers. b"": closes at once.

    `reset`: the connection is torn down after the answer's bytes, which need not be all that it announces.
    """

    answers: list[bytes | None] = field(default_factory=lambda: [answer(200, "ok")])
    reset: bool = False
    hold: bool = False
    requests: list[Request] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/services/T00/B00/xyzzy"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head[1:] if line)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                place = min(len(self.requests), len(self.answers) - 1)
                self.requests.append(Request(head[0], headers, body))
                say = self.answers[place]
                if say is None:
                    await asyncio.sleep(60)
                    return
                writer.write(say)
                await writer.drain()
                if self.hold:
                    await asyncio.sleep(60)
                if self.reset or not say:
                    writer.transport.abort()
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiving(*answers: bytes | None, reset: bool = False, hold: bool = False) -> AsyncIterator[Receiver]:
    receiver = Receiver(list(answers) or [answer(200, "ok")], reset, hold)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()


def http(**options: Any) -> Http:
    return Http(**{"allowed_networks": LOCAL, "total_seconds": 5, **options})


def webhook(url: str, **settings: Any) -> ChannelSettings:
    return parse_webhook({"id": "hook", "tenant_id": "acme", "url": url, **settings})


def slack(url: str) -> ChannelSettings:
    return parse_channel({"id": "slack", "tenant_id": "acme", "url": url})


def slack_api(token: str) -> ChannelSettings:
    return parse_channel({"id": "slack", "tenant_id": "acme", "token": token, "channel": "C123"})


def bundle(*members: tuple[dict[str, Any], Purpose], **changes: Any) -> Notification:
    """A notification that tells of several: (changes to the alert, purpose) of each; of two by default."""
    told = members or (({"severity": "low"}, Purpose.TRIGGERED), ({"title": "Root login"}, Purpose.RESOLVED))
    made = []
    for place, (change, purpose) in enumerate(told, start=1):
        alert = {**ALERT, "id": f"alt_{place}", **change}
        made.append(
            Member(
                delivery_id=f"dlv_{place}",
                alert_id=alert["id"],
                fingerprint=f"{place:032x}",
                revision=place,
                purpose=purpose,
                silent_count=0,
                created_at=1_770_733_935_500 + place,
                alert=orjson.dumps(alert),
            )
        )
    one = notification(told[-1][1], 0)
    return replace(
        one, delivery_id="dlv_bundle", alert_id="grp_1", alert=made[-1].alert, members=tuple(made), **changes
    )


def notification(
    purpose: Purpose = Purpose.UPDATED, silent: int = 2, record: dict[str, Any] | None = None
) -> Notification:
    ref = ChannelRef("webhook", "hook")
    return Notification(
        delivery_id=delivery_id(ALERT["id"], 3, ref, "", purpose),
        tenant="acme",
        alert_id=ALERT["id"],
        fingerprint=ALERT["fingerprint"],
        revision=3,
        channel=ref,
        purpose=purpose,
        silent_count=silent,
        created_at=1_770_733_935_500,
        alert=orjson.dumps(ALERT if record is None else record),
    )
