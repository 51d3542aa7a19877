"""The same events in the same order give the same alerts live, through Kafka, as in the backtest."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from streamproc.generate import ATTACKS, Plan, generate
from streamproc.kafka.topics import apply_topics, load_topics
from streamproc.settings import Settings
from tests.cases.runner import check, events_of, in_order, waits
from tests.cases.test_cases import OURS, THEIRS
from tests.faults.harness import Process, apply_config, lag, latest, produce, read_topic

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(180)]

REAL = Path(os.environ.get("STREAMPROC_REAL_DATA", Path(__file__).parents[3] / "shared" / "data"))
INVICTUS = REAL / "cloudtrail_invictus" / "events.jsonl"
RULES = Path(__file__).parents[1] / "real" / "rules" / "cloudtrail.yaml"
DEMO = Path(__file__).parents[2] / "streamproc" / "runtime" / "demo" / "rules.yaml"


def streamproc(settings: Settings, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "STREAMPROC_KAFKA": settings.kafka,
        "STREAMPROC_TOPIC_PREFIX": settings.topic_prefix,
        "STREAMPROC_DATA_DIR": str(settings.data_dir),
    }
    command = [sys.executable, "-m", "streamproc", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
async def live(broker: str, new_settings: Callable[..., Settings]) -> Settings:
    settings = new_settings(kafka=broker, session_timeout=6.0, commit_interval=0.5)
    await apply_topics(settings, load_topics(settings))
    return settings


async def settle(settings: Settings, worker: Process, done: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The alerts once `done` says so and nothing is left to read; as they are after 40 s otherwise."""
    alerts: dict[str, Any] = {}
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        alerts = latest([r for r in await read_topic(settings, "alerts") if r.value])
        if done(alerts) and await lag(settings, settings.worker_group, ["events"]) == 0:
            break
        assert worker.alive, worker.tail()
        await asyncio.sleep(0.5)
    return alerts


def essence(alerts: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    """What must be equal: the id, and what it was derived from and counted."""
    return {
        id_: (a["rule"]["id"], a["tenant_id"], a["group"], a["trigger_count"], a["revision"], a["event"]["id"])
        for id_, a in alerts.items()
    }


async def parity(settings: Settings, tmp_path: Path, rules: Path, events: Path, format: str) -> dict[str, Any]:
    """Run both ways, compare, and answer the alerts."""
    output = tmp_path / "backtest.jsonl"
    ran = streamproc(
        settings, "backtest", "-r", rules, "-e", events, "--format", format, "--delivery-order", "-o", output
    )
    assert ran.returncode == 0, ran.stderr
    expected = {alert["id"]: alert for alert in map(orjson.loads, output.read_bytes().splitlines())}

    applied = streamproc(settings, "rules", "apply", rules, "--tenant", "*")
    assert applied.returncode == 0, applied.stderr
    worker = Process(["worker"], settings, tmp_path / "w", "worker")
    worker.start()
    try:
        sent = streamproc(settings, "events", "send", events, "--format", format)
        assert sent.returncode == 0, sent.stderr
        alerts = await settle(settings, worker, lambda found: essence(found) == essence(expected))
    finally:
        worker.stop()
    assert essence(alerts) == essence(expected), worker.tail()
    return alerts


async def test_generated_events(live: Settings, tmp_path: Path) -> None:
    plan = Plan(start_ms=1_770_724_800_000, seed=3, tenants=4, count=4000, rate=4.0, attacks=tuple(ATTACKS))
    events = tmp_path / "events.jsonl"
    events.write_bytes(b"".join(orjson.dumps(event) + b"\n" for event in generate(plan)))
    alerts = await parity(live, tmp_path, DEMO, events, "event")
    assert {alert["rule"]["id"] for alert in alerts.values()} == {
        rule["id"] for rule in yaml.safe_load(DEMO.read_text())
    }


@pytest.mark.skipif(not INVICTUS.exists(), reason=f"no recorded CloudTrail at {INVICTUS} (STREAMPROC_REAL_DATA)")
async def test_recorded_cloudtrail(live: Settings, tmp_path: Path) -> None:
    alerts = await parity(live, tmp_path, RULES, INVICTUS, "cloudtrail")
    titles = {alert["title"] for alert in alerts.values()}
    assert titles == {rule["name"] for rule in yaml.safe_load(RULES.read_text())}, "each rule finds its attack"


async def test_the_cases_hold_live(live: Settings, tmp_path: Path) -> None:
    """All cases at once, each with tenants of its own; tests/runtime/test_driven_clock.py has those that wait."""
    all_ = [case for _, case in (*OURS, *THEIRS) if case.get("live", True) and not waits(case)]
    chosen = [case for case in all_ if all("tenant_id" not in rule for rule in case["rules"])]
    rules, events = [], []
    for number, case in enumerate(chosen):
        rules += [{**rule, "tenant_id": f"acme-{number}"} for rule in case["rules"]]
        for event in events_of(case):
            tenant = f"{event['tenant_id']}-{number}"
            events.append((tenant, orjson.dumps({**event, "tenant_id": tenant}), event))
    await apply_config(live, rules)
    worker = Process(["worker"], live, tmp_path / "w", "worker")
    worker.start()
    try:
        await produce(live, events)

        def holds(case: dict[str, Any], number: int, alerts: dict[str, Any]) -> None:
            mine = [a for a in alerts.values() if a["tenant_id"].endswith(f"-{number}")]
            mine.sort(key=in_order(case))
            check(case, lambda _rules, _events: mine)

        def all_hold(alerts: dict[str, Any]) -> bool:
            try:
                for number, case in enumerate(chosen):
                    holds(case, number, alerts)
            except AssertionError:
                return False
            return True

        alerts = await settle(live, worker, all_hold)
        for number, case in enumerate(chosen):
            holds(case, number, alerts)
    finally:
        worker.stop()
