"""Policies, silences and grouping in running processes: what notify asks of detect comes back to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from tests.faults.harness import apply_config, read_topic
from tests.faults.sink import Sink
from tests.runtime.test_live import Site, rule, site

__all__ = ["site"]
pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(180)]


async def until(holds: Callable[[], bool], limit_s: float = 20) -> None:
    deadline = time.monotonic() + limit_s
    while not holds() and time.monotonic() < deadline:
        await asyncio.sleep(0.1)


async def reasons(site: Site) -> list[tuple[str, str]]:
    logged = {r.key: orjson.loads(r.value) for r in await read_topic(site.settings, "deliveries") if r.value}
    return sorted((one["state"], one["reason"]) for one in logged.values())


async def test_a_policy_groups_what_a_rule_finds_and_a_silence_keeps_it_quiet(site: Site) -> None:
    async with Sink() as sink:
        channels = [
            {"id": "chat", "tenant_id": "acme", "type": "slack", "url": sink.url("chat")},
            {"id": "quiet", "tenant_id": "acme", "type": "slack", "url": sink.url("quiet")},
        ]
        policy: dict[str, Any] = {
            "id": "default",
            "tenant_id": "acme",
            "groups": [{"id": "team", "channels": ["chat"]}],
            "steps": [{"group": "team"}],
            "grouping": {"wait_seconds": 2, "interval_seconds": 0},
        }
        silence = {
            "id": "works",
            "tenant_id": "acme",
            "matchers": {"rule.id": "hushed"},
            "ends_at": "2100-01-01T00:00:00Z",
            "author": "ann",
            "comment": "maintenance",
        }
        rules = [rule("one"), rule("two"), rule("three"), rule("hushed")]
        await apply_config(site.settings, rules)
        await apply_config(site.settings, channels, kind="channel")
        await apply_config(site.settings, [policy], kind="policy")
        await apply_config(site.settings, [silence], kind="silence")
        await asyncio.sleep(2)
        for action in ("one", "two", "three", "hushed"):
            await site.events(1, action=action)
        await until(lambda: bool(sink.received))
        assert [one.path for one in sink.received] == ["/chat"]
        text = str(sink.received[0].body)
        assert all(name in text for name in ("one", "two", "three"))
        assert "hushed" not in text

        found = await site.alerts(lambda found: found.get("hushed", {}).get("status") == "suppressed")
        assert (found["hushed"]["status"], found["hushed"]["suppressed_by"]) == ("suppressed", "silence:works")
        await site.events(2, action="hushed")
        found = await site.alerts(lambda found: found["hushed"]["trigger_count"] == 3)
        assert found["hushed"]["status"] == "suppressed", "triggers are counted while it holds"

        await site.cli("config", "delete", "silence", "works", "--tenant", "acme")
        await until(lambda: len(sink.received) > 1)
        assert "hushed" in str(sink.received[1].body)
        found = await site.alerts(lambda found: found["hushed"]["status"] == "open")
        assert found["hushed"]["status"] == "open"
        for _ in range(50):  # the record follows its message
            told = await reasons(site)
            if sum(one == ("delivered", "ok") for one in told) == 6:
                break
            await asyncio.sleep(0.1)
        # two bundles, and each of the four alerts in them
        assert told.count(("delivered", "ok")) == 6
        assert ("suppressed", "silence") in told
