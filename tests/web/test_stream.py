"""The stream by itself: it ends for a client that is gone, for one that takes nothing, and at the end."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest

from streamproc.web.routes import stream
from streamproc.web.routes.stream import Listeners
from tests.web.conftest import Api
from tests.web.read_model.records import alert
from tests.web.test_alert_routes import Listener, send, until

pytestmark = [pytest.mark.broker, pytest.mark.timeout(90)]


async def listening(api: Api, count: int) -> None:
    async with asyncio.timeout(10):
        while api.site.part(Listeners).count != count:
            await asyncio.sleep(0.05)


async def test_a_client_that_is_gone_is_noticed(api: Api) -> None:
    async with Listener(api) as listener:
        await listener.next()
        await listening(api, 1)
    await listening(api, 0)


async def test_one_that_takes_nothing_is_dropped_and_memory_is_not_its_queue(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "TAKEN_WITHIN_S", 1.0)
    connector = aiohttp.TCPConnector()
    headers = {"Authorization": f"Bearer {api.token}"}
    async with aiohttp.ClientSession(connector=connector, read_bufsize=1024) as session:
        response = await session.get(f"{api.url}/v1/stream", headers=headers)
        await listening(api, 1)
        # never read from; sockets hold some megabytes, and then nothing goes
        for start in range(0, 1200, 100):
            await send(api, "alerts", [alert(n, description="x" * 30_000) for n in range(start, start + 100)])
        await listening(api, 0)
        response.close()


async def test_the_server_ends_with_clients_that_listen(api: Api) -> None:
    async with Listener(api) as listener:
        await listener.next()
        began = time.monotonic()
        api.site.closing.set()
        assert await listener._response.content.read() == b""
        assert time.monotonic() - began < 2.5


async def test_no_more_than_so_many_listen(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MOST_CLIENTS", 1)
    async with Listener(api) as listener:
        await listener.next()
        await api("GET", "/v1/stream", status=503)
    await listening(api, 0)


async def test_one_that_missed_much_is_told_to_load_anew(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "REPLAYED", 3)
    async with Listener(api) as listener:
        _, hello, _ = await listener.next()
    for number in range(5):
        await send(api, "alerts", [alert(number)])
    await until(api, "/v1/alerts", lambda page: len(page["items"]) == 5)
    async with Listener(api, last=hello) as listener:
        assert (await listener.next())[0] == "reset"
    async with Listener(api, f"?last_event_id={hello[:-1]}3") as listener:
        assert (await listener.next())[0] == "hello"
        assert (await listener.next())[2]["id"] == alert(3)["id"]
