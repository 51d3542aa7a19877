"""A webhook receiver with moods: mostly well, sometimes busy, broken or slow."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web


@dataclass
class Received:
    """One request that was answered with success."""

    at: float
    webhook_id: str
    path: str
    body: dict[str, Any]
    headers: dict[str, str]

    @property
    def what(self) -> tuple[str, str]:
        """(alert id, event type) of a Standard Webhooks body."""
        return self.body["data"]["id"], self.body["type"]


@dataclass
class Sink:
    """`refuse`: the share of requests that fail in one way or another."""

    refuse: float = 0.0
    seed: int = 1
    delay_s: float = 0.0
    received: list[Received] = field(default_factory=list)
    refused: int = 0
    port: int = 0

    async def __aenter__(self) -> Sink:
        self._rng = random.Random(self.seed)
        app = web.Application()
        app.router.add_post("/{name}", self._post)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def url(self, name: str = "hook") -> str:
        return f"http://127.0.0.1:{self.port}/{name}"

    async def _post(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if self._rng.random() < self.refuse:
            self.refused += 1
            match self._rng.randrange(3):
                case 0:
                    return web.Response(status=503)
                case 1:
                    return web.Response(status=429, headers={"Retry-After": "0.2"})
                case _:
                    assert request.transport is not None
                    request.transport.abort()
                    return web.Response(status=500)
        doc = orjson.loads(body)
        self.received.append(
            Received(time.time(), request.headers.get("webhook-id", ""), request.path, doc, dict(request.headers))
        )
        return web.Response(text="ok")
