"""Running processes: a channel stands in, an endpoint that is gone is switched off and told of, a replay arrives."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from aiohttp import web

from streamproc.alerting.endpoint_notice import ACTION
from tests.faults.harness import apply_config, read_topic
from tests.runtime.test_live import Site, rule, site

__all__ = ["site"]
pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(180)]


@dataclass
class Receiver:
    """Answers each path with its status; `got` has what was answered with success."""

    status: dict[str, int] = field(default_factory=dict)
    got: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    ids: list[str] = field(default_factory=list)
    port: int = 0

    async def __aenter__(self) -> Receiver:
        app = web.Application()
        app.router.add_post("/{name}", self._post)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"

    async def _post(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        status = self.status.get(name, 200)
        if status == 200:
            self.got[name].append(orjson.loads(await request.read()))
            self.ids.append(request.headers.get("webhook-id", ""))
        return web.Response(status=status, text="ok")


async def until(holds: Callable[[], bool], limit_s: float = 30) -> None:
    deadline = time.monotonic() + limit_s
    while not holds() and time.monotonic() < deadline:
        await asyncio.sleep(0.1)


async def test_an_endpoint_that_is_gone(site: Site) -> None:
    async with Receiver({"gone": 410}) as receiver:
        rules = [
            rule("seen", webhook_ids=["hook"], cooldown_min=0),
            rule("watch", condition={"action": ACTION}),
            rule("own", webhook_urls=["https://127.0.0.1:1/x"], notification_types=["webhook"]),
        ]
        await apply_config(site.settings, rules)
        hook = {"id": "hook", "tenant_id": "acme", "url": receiver.url("gone"), "fallback": "chat"}
        chat = {"id": "chat", "tenant_id": "acme", "type": "slack", "url": receiver.url("chat")}
        await apply_config(site.settings, [hook], kind="webhook")
        await apply_config(site.settings, [chat], kind="channel")
        await asyncio.sleep(2)
        await site.events(1, action="seen")
        await until(lambda: len(receiver.got["chat"]) == 2)
        said = [str(body) for body in receiver.got["chat"]]
        assert any("seen" in text and "hook" in text for text in said), "it stands in, and says for whom"
        assert any("Webhook hook was switched off" in text for text in said)

        found = await site.alerts(lambda found: "watch" in found)
        assert found["watch"]["event"]["resource"] == {"type": "webhook", "id": "hook"}
        listed = await site.cli("config", "get", "webhook", "hook", "--tenant", "acme")
        assert "enabled: false" in listed
        await site.cli("alerts", "resolve", found["seen"]["id"])
        await until(lambda: len(receiver.got["chat"]) > 2)
        assert "Resolved" in str(receiver.got["chat"][2]), "who was told by the stand-in learns how it ended"


async def test_what_failed_is_replayed_once(site: Site) -> None:
    async with Receiver({"flaky": 400}) as receiver:
        await apply_config(site.settings, [rule("seen", webhook_ids=["hook"])])
        hook = {"id": "hook", "tenant_id": "acme", "url": receiver.url("flaky")}
        await apply_config(site.settings, [hook], kind="webhook")
        await asyncio.sleep(2)
        await site.events(1, action="seen")

        async def failed() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = await site.cli("deliveries", "list", "--failed", "--tenant", "acme", "--json")
            return found

        deadline = time.monotonic() + 30
        while not (found := await failed()) and time.monotonic() < deadline:
            await asyncio.sleep(0.3)
        [one] = found
        assert (one["state"], one["reason"], one["attempts"][0]["status"]) == ("gave_up", "client_error", 400)
        receiver.status.clear()
        await site.cli("deliveries", "replay", one["id"], "--request-id", "x")
        [again] = await site.cli("deliveries", "replay", one["id"], "--request-id", "x", "--json")
        await until(lambda: bool(receiver.ids))
        [another] = await site.cli("deliveries", "replay", "--failed", "--channel", "hook", "--since", "1h", "--json")
        await until(lambda: len(receiver.ids) == 2)
        assert receiver.ids == [again["new_id"], another["new_id"]]
        assert len({one["id"], *receiver.ids}) == 3
        assert [body["type"] for body in receiver.got["flaky"]] == ["alert.triggered"] * 2

        for _ in range(50):  # its record follows the message
            logged = {
                r.key.decode(): orjson.loads(r.value) for r in await read_topic(site.settings, "deliveries") if r.value
            }
            if logged.get(another["new_id"], {}).get("state") == "delivered":
                break
            await asyncio.sleep(0.1)
        assert logged[again["new_id"]]["detail"] == f"replay of {one['id']}"
        shown = await site.cli("deliveries", "show", again["new_id"])
        assert "state: delivered" in shown
        await site.cli("deliveries", "show", "dlv_none", status=2)
        [unknown] = await site.cli("deliveries", "replay", "dlv_none", "--json", status=1)
        assert unknown["problem"] == "there is no such delivery"
