"""A running worker and delivery process: rules change under them, people act on alerts, webhooks arrive."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from streamproc.kafka.topics import apply_topics, load_topics
from streamproc.model.times import iso
from streamproc.settings import Settings
from tests.faults.harness import Process, apply_config, latest, produce, read_topic
from tests.faults.sink import Sink

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(180)]


class Site:
    """A worker and a delivery process on topics of their own."""

    def __init__(self, settings: Settings, directory: Path) -> None:
        self.settings = settings
        self.directory = directory
        self.processes = [Process([name], settings, directory, name) for name in ("worker", "delivery")]
        self._sent = 0

    async def cli(self, *arguments: str, status: int = 0) -> Any:
        """Run a command with --json where it prints; its parsed output."""
        environment = {
            **os.environ,
            "STREAMPROC_KAFKA": self.settings.kafka,
            "STREAMPROC_TOPIC_PREFIX": self.settings.topic_prefix,
            "STREAMPROC_DATA_DIR": str(self.directory),
        }
        command = [sys.executable, "-m", "streamproc", *arguments]
        done = await asyncio.to_thread(
            subprocess.run, command, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == status, (arguments, done.stdout, done.stderr)
        return json.loads(done.stdout) if "--json" in arguments else done.stdout

    async def events(self, count: int, **fields: Any) -> None:
        """Send events of the tenant acme, now."""
        made = []
        for _ in range(count):
            self._sent += 1
            doc = {"id": f"e{self._sent}", "tenant_id": "acme", "event_time": iso(int(time.time() * 1000)), **fields}
            made.append(("acme", orjson.dumps(doc), doc))
        await produce(self.settings, made)

    async def alerts(self, until: Callable[[dict[str, Any]], bool], limit_s: float = 20) -> dict[str, Any]:
        """Alerts by rule id, once `until` holds of them (or as they are at the limit)."""
        deadline = time.monotonic() + limit_s
        while True:
            found = latest([r for r in await read_topic(self.settings, "alerts") if r.value])
            by_rule = {alert["rule"]["id"]: alert for alert in found.values()}
            if until(by_rule) or time.monotonic() > deadline:
                return by_rule
            await asyncio.sleep(0.2)

    def rules_file(self, *rules: dict[str, Any]) -> str:
        path = self.directory / "rules.yaml"
        path.write_text(yaml.safe_dump(list(rules)))
        return str(path)


@pytest.fixture
async def site(broker: str, new_settings: Callable[..., Settings], tmp_path: Path) -> AsyncIterator[Site]:
    settings = new_settings(kafka=broker, session_timeout=6.0, commit_interval=0.5)
    await apply_topics(settings, load_topics(settings))
    made = Site(settings, tmp_path)
    for process in made.processes:
        process.start()
    yield made
    for process in made.processes:
        assert process.stop() == 0, process.tail()


def rule(id_: str, **more: Any) -> dict[str, Any]:
    return {"id": id_, "tenant_id": "acme", "name": id_, "type": "pattern", "condition": {"action": id_}, **more}


async def test_rules_change_under_a_running_worker(site: Site) -> None:
    await site.events(1, action="warm.up")
    await site.cli("rules", "apply", site.rules_file(rule("first")))
    await asyncio.sleep(2)  # the promise: in force in every worker within 2 s of the acknowledgement
    await site.events(1, action="first")
    assert set(await site.alerts(lambda found: "first" in found)) == {"first"}

    changed = rule("first", severity="critical", condition={"action": "second"})
    await site.cli("rules", "apply", site.rules_file(changed, rule("third")))
    await asyncio.sleep(2)
    await site.events(1, action="first")
    await site.events(1, action="second")
    await site.events(1, action="third")
    found = await site.alerts(lambda found: "third" in found and found["first"]["trigger_count"] == 2)
    assert found["first"]["trigger_count"] == 2, "the old condition counts no more, the new one does"
    assert found["first"]["severity"] == "critical", "the episode goes on, as the rule is now"
    assert found["first"]["rule"]["revision"] == 2

    await site.cli("config", "delete", "rule", "first", "--tenant", "acme")
    found = await site.alerts(lambda found: found["first"]["status"] == "resolved")
    assert (found["first"]["status"], found["first"]["resolution"]) == ("resolved", "rule_deleted")
    assert found["third"]["status"] == "open"


async def test_a_rule_that_cannot_be_read_stops_only_itself(site: Site) -> None:
    await apply_config(site.settings, [rule("good"), {**rule("bad"), "type": "horoscope"}])
    await asyncio.sleep(2)
    await site.events(1, action="bad")
    await site.events(1, action="good")
    assert set(await site.alerts(lambda found: "good" in found)) == {"good"}
    listed = {row["id"]: row for row in await site.cli("rules", "list", "--json")}
    assert "horoscope" in json.dumps(listed["bad"])


async def test_people_act_on_alerts_and_are_told(site: Site) -> None:
    async with Sink() as sink:
        await apply_config(site.settings, [rule("seen", webhook_ids=["hook"], cooldown_min=30)])
        hook = {"id": "hook", "tenant_id": "acme", "name": "Hook", "url": sink.url()}
        await apply_config(site.settings, [hook], kind="webhook")
        await asyncio.sleep(2)
        await site.events(3, action="seen")
        alert = (await site.alerts(lambda found: found.get("seen", {}).get("trigger_count") == 3))["seen"]
        assert (alert["trigger_count"], alert["status"]) == (3, "open")

        acked = await site.cli("alerts", "ack", alert["id"][:12], "--note", "on it", "--json")
        assert acked["status"] == "acknowledged"
        assert acked["notes"][0]["text"] == "on it"
        await site.events(1, action="seen")
        again = (await site.alerts(lambda found: found["seen"]["trigger_count"] == 4))["seen"]
        assert again["status"] == "acknowledged", "a further trigger keeps it"

        refused = await site.cli("alerts", "ack", alert["id"], "--json", status=1)
        assert "refused" in refused["last_command"]["result"]

        await site.cli("alerts", "resolve", alert["id"], "--resolution", "mitigated")
        reopened = await site.cli("alerts", "reopen", alert["id"], "--json")
        assert (reopened["status"], reopened["id"]) == ("open", alert["id"])
        resolved = await site.cli("alerts", "resolve", alert["id"], "--json")
        assert resolved["status"] == "resolved"
        await site.events(1, action="seen")
        opened = await site.alerts(lambda found: found["seen"]["id"] != alert["id"])
        assert opened["seen"]["id"] != alert["id"], "the next trigger opens another"

        deadline = time.monotonic() + 15
        wanted = ["alert.triggered", "alert.acknowledged", "alert.resolved", "alert.updated", "alert.resolved"]
        while time.monotonic() < deadline:
            told = [r.body["type"] for r in sink.received if r.body["data"]["id"] == alert["id"]]
            if told == wanted:
                break
            await asyncio.sleep(0.3)
        assert told == wanted
        listed = await site.cli("alerts", "list", "--status", "resolved", "--json")
        assert [a["id"] for a in listed] == [alert["id"]]


async def test_silent_triggers_are_counted_and_told_next_time(site: Site) -> None:
    async with Sink() as sink:
        await apply_config(site.settings, [rule("often", webhook_ids=["hook"], cooldown_min=0.05)])
        hook = {"id": "hook", "tenant_id": "acme", "name": "Hook", "url": sink.url()}
        await apply_config(site.settings, [hook], kind="webhook")
        await asyncio.sleep(2)
        await site.events(1, action="often")
        deadline = time.monotonic() + 15
        while not sink.received and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        await site.events(4, action="often")  # within the cooldown of 3 s
        await asyncio.sleep(4)
        await site.events(1, action="often")
        while len(sink.received) < 2 and time.monotonic() < deadline + 15:
            await asyncio.sleep(0.1)
        assert [r.body["data"]["silent_count"] for r in sink.received] == [0, 4]
        logged = [orjson.loads(r.value) for r in await read_topic(site.settings, "deliveries") if r.value]
        assert {d["reason"] for d in logged if d["state"] == "suppressed"} <= {"cooldown", "waiting"}
