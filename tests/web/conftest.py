"""A real API server on a free port of loopback, on topics and with keys of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from streamproc.config.record import ConfigRecord
from streamproc.settings import Settings
from streamproc.web.keys import ADMIN_FILE, KIND, key_spec, new_key
from streamproc.web.principal import Scope
from streamproc.web.server import serving
from streamproc.web.site import Site

EVERY_SCOPE = tuple(scope.value for scope in Scope)


@dataclass
class Reply:
    """An answer as a test looks at it; `json` is None where it is none."""

    status: int
    headers: Any
    text: str
    json: Any


@dataclass
class Api:
    """Talks to the server. `token` is acme's admin key; `operator` the admin key of the first start."""

    site: Site
    url: str
    session: aiohttp.ClientSession
    operator: str = ""
    token: str = ""
    keys: dict[tuple[str, tuple[str, ...]], str] = field(default_factory=dict)

    async def key(self, tenant: str, *scopes: str) -> str:
        """The text of a key of `tenant`'s with these scopes (none: admin), made once."""
        wanted = scopes or (Scope.ADMIN.value,)
        found = self.keys.get((tenant, wanted))
        if found is None:
            made = new_key(self.site.keyring)
            now = datetime.now(UTC)
            spec = key_spec(made, f"{tenant} test", wanted, None, now=now)
            record = ConfigRecord(KIND, tenant, made.id, 1, spec, now.isoformat(), "test")
            offset = await self.site.writer.put([record])
            assert offset is not None
            await self.site.tailer.wait_for(offset)
            found = self.keys[tenant, wanted] = made.token
        return found

    async def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = "",
        status: int | tuple[int, ...] | None = None,
        headers: dict[str, str] | None = None,
        data: bytes | str | None = None,
    ) -> Reply:
        """One request with acme's admin key, another `token`, or None; fails unless it is answered with `status`
        (by default any success)."""
        sent = dict(headers or {})
        if token is not None:
            sent.setdefault("Authorization", f"Bearer {token or self.token}")
        more: dict[str, Any] = {"json": body} if body is not None else {"data": data} if data is not None else {}
        async with self.session.request(method, self.url + path, headers=sent, allow_redirects=False, **more) as answer:
            text = await answer.text()
            is_json = "json" in answer.content_type and text and "ndjson" not in answer.content_type
            reply = Reply(
                answer.status, answer.headers, text, await answer.json(content_type=None) if is_json else None
            )
        wanted = (status,) if isinstance(status, int) else status or tuple(range(200, 300))
        assert reply.status in wanted, f"{method} {path}: {reply.status} {text[:2000]}"
        return reply


@asynccontextmanager
async def running_api(settings: Settings) -> AsyncIterator[Api]:
    """The server on these settings, whose topics exist."""
    async with serving(settings) as served, aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        api = Api(served.site, served.url, session)
        api.operator = (settings.data_dir / ADMIN_FILE).read_text().strip()
        api.token = await api.key("acme")
        async with asyncio.timeout(30):
            while not api.site.store.ready:
                await asyncio.sleep(0.02)
        yield api


@pytest.fixture
async def api(settings_with_topics: Settings) -> AsyncIterator[Api]:
    """A fresh server for one test, without a limit of requests."""
    async with running_api(settings_with_topics.model_copy(update={"rate_limit": 0.0})) as api:
        yield api
