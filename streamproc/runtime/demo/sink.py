"""A webhook receiver, as a user would write one: checks the signature, answers 200, keeps what it got."""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any, NamedTuple

import orjson
from aiohttp import web


class Receipt(NamedTuple):
    """One webhook that arrived; `verified` says whether its signature was right."""

    at: float
    delivery_id: str
    body: dict[str, Any]
    verified: bool


class DemoSink:
    """Listens on a free loopback port. `secret` is the webhook's, `whsec_` and base64 (Standard Webhooks)."""

    def __init__(self, secret: str, on_receipt: Callable[[Receipt], None]) -> None:
        self._key = base64.b64decode(secret.removeprefix("whsec_"))
        self._on_receipt = on_receipt
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self, port: int = 0) -> None:
        """Listen; sets `url`. Raises OSError when the port is taken."""
        app = web.Application()
        app.router.add_post("/alerts", self._post)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/alerts"

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _post(self, request: web.Request) -> web.Response:
        body = await request.read()
        verified = self._verified(request.headers, body)
        if verified:
            receipt = Receipt(time.time(), request.headers["webhook-id"], orjson.loads(body), True)
            self._on_receipt(receipt)
        return web.Response(status=200 if verified else 401)

    def _verified(self, headers: Any, body: bytes) -> bool:
        """As the Standard Webhooks specification says: HMAC-SHA256 over `id.timestamp.body`, within five minutes."""
        id_, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
        if not timestamp.isdigit() or abs(time.time() - int(timestamp)) > 300:
            return False
        digest = hmac.new(self._key, f"{id_}.{timestamp}.".encode() + body, sha256).digest()
        wanted = "v1," + base64.b64encode(digest).decode()
        return any(hmac.compare_digest(wanted, given) for given in headers.get("webhook-signature", "").split())
