"""The small site each process runs: `/healthz` (alive), `/readyz` (working, and if not why), `/metrics`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from streamproc import metrics
from streamproc.settings import HostPort

Readiness = Callable[[], tuple[bool, dict[str, Any]]]


class HealthSite:
    """Up from before the process joins its group until it has left, so also while tables recover."""

    def __init__(self, address: HostPort, readiness: Readiness) -> None:
        self._address = address
        self._readiness = readiness
        self._runner: web.AppRunner | None = None
        self.port = 0
        """The port in use, once started."""

    async def start(self) -> None:
        """Listen. Raises OSError when the address is taken."""
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._address.host, self._address.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, request: web.Request) -> web.Response:
        return _json({"status": "alive"}, 200)

    async def _readyz(self, request: web.Request) -> web.Response:
        ready, detail = self._readiness()
        return _json({"status": "ready" if ready else "not ready", **detail}, 200 if ready else 503)

    async def _metrics(self, request: web.Request) -> web.Response:
        metrics.READY.set(self._readiness()[0])
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _json(body: dict[str, Any], status: int) -> web.Response:
    return web.Response(body=orjson.dumps(body), status=status, content_type="application/json")
