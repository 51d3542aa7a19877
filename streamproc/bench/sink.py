"""A receiver of webhooks that notes when each came."""

from __future__ import annotations

import time

import orjson
from aiohttp import web


class Sink:
    """An async context manager; listens on a free port of 127.0.0.1."""

    def __init__(self) -> None:
        self.received: dict[str, float] = {}
        """By the id of the alert's event: when its first request had come whole, by `time.monotonic()`."""
        self.requests = 0
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Sink:
        app = web.Application()
        app.router.add_post("/hook", self._take)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        assert self._runner is not None
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/hook"

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        now = time.monotonic()
        self.requests += 1
        self.received.setdefault(orjson.loads(body)["data"]["event"]["id"], now)
        return web.Response(status=204)
