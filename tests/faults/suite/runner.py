"""Runs scenarios and says what they lost, what they invented and how long they kept people waiting."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from streamproc.engine.frame import Frame, unpack
from streamproc.kafka.client import client_options
from streamproc.kafka.closing import close_consumer
from streamproc.kafka.partition import partition_by
from streamproc.kafka.table import META, TIMER, LocalTable, is_damage
from streamproc.kafka.topics import load_topics
from streamproc.settings import Settings
from tests.faults.harness import GRANTED, Expected, apply_config, differences, lag, oracle, read_topic, workload
from tests.faults.suite.cluster import Cluster
from tests.faults.suite.scenarios import FAKETIME, Scenario, small_disk
from tests.faults.suite.site import Site

SPREAD_S = 4.0
SETTLE_S = 90.0
DISK_MB = 24
LONG_S = 12.0


@dataclass
class Outcome:
    """Of all runs of a scenario. `problems`: what was wrong, by run, with the seed that makes it again."""

    scenario: str
    about: str
    runs: int = 0
    events: int = 0
    alerts: int = 0
    lost: int = 0
    extra: int = 0
    wrong: int = 0
    """Alerts with another number of triggers, or seen going back."""
    longest_pause_s: float = 0.0
    state_equal: bool | None = None
    problems: list[str] = field(default_factory=list)
    skipped: str | None = None

    @property
    def passed(self) -> bool:
        return self.skipped is None and not self.problems and self.state_equal is not False


Say = Callable[[str], None]


async def run_scenario(
    scenario: Scenario, cluster: Cluster, runs: int, seed: int, events: int, say: Say, keep: Path | None = None
) -> Outcome:
    """`runs` times the fault, each with a seed of its own, on processes that go on from one to the next.

    `keep`: where the processes' logs go after a run that was wrong or paused for longer than `LONG_S`.
    """
    outcome = Outcome(scenario.name, scenario.about, skipped=scenario.needs())
    if outcome.skipped is not None:
        return outcome
    with tempfile.TemporaryDirectory(prefix="streamproc-fault-") as name:
        directory = Path(name)
        site = Site(cluster, directory, f"{scenario.name}-{seed}")
        away = small_disk(directory / "worker-0", DISK_MB) if scenario.small_disk else None
        try:
            _processes(site, scenario)
            async with site.running():
                for number in range(runs):
                    pause = await _one(scenario, site, seed + number, events, outcome)
                    if keep is not None and (outcome.problems or pause > LONG_S):
                        _keep(site, keep / f"{scenario.name}-{seed + number}")
                    say(f"{scenario.name:<20} run {number + 1}/{runs}  {_line(outcome)}")
            outcome.state_equal = await _state_is_the_changelog(site)
            if outcome.state_equal is False:
                outcome.problems.append("the local state is not what the changelog says")
        finally:
            if away is not None:
                away()
    return outcome


def _processes(site: Site, scenario: Scenario) -> None:
    clock: dict[str, str] = {}
    if scenario.clock:
        (site.directory / "clock").write_text("+0\n")
        clock = {
            "LD_PRELOAD": str(FAKETIME),
            "FAKETIME_TIMESTAMP_FILE": str(site.directory / "clock"),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
    site.add("worker-0", "worker", clock)
    site.add("worker-1", "worker")
    if scenario.by == "delivery":
        site.add("delivery", "delivery")
    if scenario.by == "api":
        site.add("api", "api")


async def _one(scenario: Scenario, site: Site, seed: int, count: int, outcome: Outcome) -> float:
    """One run; how long the longest pause was, in seconds."""
    rng = random.Random(seed)
    start = int(time.time() * 1000) - count * scenario.step_ms - 60_000
    prefix = f"r{seed}"
    events = workload(count, seed, start, prefix, scenario.step_ms)
    expected = oracle(events, start, scenario.step_ms)
    if scenario.by == "delivery":
        await apply_config(site.direct, _hooks(site, prefix), kind="webhook")
    if scenario.limited:
        await apply_config(site.direct, _plans(prefix), kind="plan")
    await _ready(site, seed)
    began = int(time.time() * 1000)
    sent, poison = _poisoned(events, scenario.poison, rng)
    await asyncio.gather(scenario.hurt(site, rng), _send(scenario, site, sent))
    problems = await _settled(scenario, site, expected, prefix)
    outcome.runs += 1
    outcome.events += len(events)
    outcome.alerts += len(expected.alerts)
    pause = site.pause(began, max(site.times[-1:], default=began))
    outcome.longest_pause_s = max(outcome.longest_pause_s, pause)
    if poison:
        letters = [
            one for one in await read_topic(site.direct, "dead-letters") if prefix.encode() in (one.value or b"")
        ]
        if len(letters) < poison:
            problems.append(f"lost: {poison - len(letters)} dead letters")
    problems += [f"wrong: {one}" for one in site.wrong]
    site.wrong.clear()
    outcome.lost += sum(problem.startswith("lost") for problem in problems)
    outcome.extra += sum(problem.startswith("invented") for problem in problems)
    outcome.wrong += sum(not problem.startswith(("lost", "invented")) for problem in problems)
    outcome.problems += [f"seed {seed}: {problem}" for problem in problems[:10]]
    if problems:
        outcome.problems += await _trace(site, events, expected, prefix)
        outcome.problems += [f"{name}: {process.tail(60)}" for name, process in site.processes.items()]
    return pause


def _keep(site: Site, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, process in site.processes.items():
        (directory / f"{name}.log").write_text(process.tail(4000))


async def _ready(site: Site, seed: int) -> None:
    """Every process is up, and an event of each partition becomes an alert, before the first fault."""
    deadline = time.monotonic() + 60
    partitions = load_topics(site.direct)["events"].partitions
    waiting = {f"warm{n}-{seed}" for n in range(200)}
    by_partition = {partition_by(tenant, partitions): tenant for tenant in sorted(waiting)}
    waiting = set(by_partition.values())
    attempt = 0
    while waiting and time.monotonic() < deadline:
        attempt += 1
        events = []
        for tenant in sorted(waiting):
            event = {"id": f"w{attempt}", "tenant_id": tenant, "action": "role.grant", "actor": {"id": "u"}}
            events.append((tenant, orjson.dumps(event), event))
        await _produce(site.direct, events)
        await asyncio.sleep(0.3)
        waiting -= {alert["tenant_id"] for alert in site.alerts.values()}


def _poisoned(events: list[Any], share: float, rng: random.Random) -> tuple[list[Any], int]:
    sent: list[Any] = []
    poison = 0
    for tenant, value, event in events:
        if rng.random() < share:
            poison += 1
            sent.append(
                (tenant, b'{"tenant_id": "' + tenant.encode() + rng.choice((b'"', b'", "action": 7}', b"\xff")), None)
            )
        sent.append((tenant, value, event))
    return sent, poison


async def _send(scenario: Scenario, site: Site, events: list[Any]) -> None:
    chunks = max(1, len(events) // 40)
    for begin in range(0, len(events), chunks):
        chunk = events[begin : begin + chunks]
        await (_post(site, chunk) if scenario.by == "api" else _produce(site.direct, chunk))
        await asyncio.sleep(SPREAD_S / 40)


async def _produce(settings: Settings, events: list[Any]) -> None:
    """As a producer that does not give up; the broker may be down meanwhile."""
    topic = load_topics(settings)["events"]
    deadline = time.monotonic() + 60
    left = list(events)
    while left:
        producer = AIOKafkaProducer(**client_options(settings), acks="all", linger_ms=2, request_timeout_ms=3000)
        try:
            await asyncio.wait_for(producer.start(), 5)
            async with asyncio.timeout(10):
                waits = [
                    await producer.send(
                        topic.topic, value=value, key=tenant.encode(), partition=partition_by(tenant, topic.partitions)
                    )
                    for tenant, value, _ in left
                ]
                await asyncio.gather(*waits)
            left = []
        except (KafkaError, OSError, TimeoutError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.3)  # sent again: an event id counts once
        finally:
            await producer.stop()


async def _post(site: Site, events: list[Any]) -> None:
    """Post until the API says that it has them."""
    deadline = time.monotonic() + 60
    body = orjson.dumps([event for _, _, event in events])
    while True:
        try:
            key = (site.directory / "api" / "admin.key").read_text().strip()
            async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
                headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
                url = f"http://127.0.0.1:{site.api_port}/v1/events"
                async with session.post(url, data=body, headers=headers) as response:
                    if response.status < 300:
                        return
                    problem = f"{response.status} {(await response.text())[:200]}"
        except (OSError, aiohttp.ClientError, TimeoutError) as error:
            problem = repr(error)
        if time.monotonic() > deadline:
            raise RuntimeError(f"the API does not take events: {problem}")
        await asyncio.sleep(0.2)


async def _settled(scenario: Scenario, site: Site, expected: Expected, prefix: str) -> list[str]:
    deadline = time.monotonic() + SETTLE_S
    problems = ["nothing looked at yet"]
    while time.monotonic() < deadline:
        await asyncio.sleep(0.3)
        mine = {id: alert for id, alert in site.alerts.items() if alert["tenant_id"].startswith(prefix + "_")}
        problems = differences(expected, mine)
        if not problems and scenario.by == "delivery":
            problems = _untold(site, expected)
        if not problems:
            try:
                if await lag(site.direct, site.direct.worker_group, ["events"]) == 0:
                    return []
                problems = ["wrong: events are left that nobody has read"]
            except (KafkaError, OSError):
                problems = ["wrong: the broker does not answer"]
    return problems


async def _trace(site: Site, events: list[Any], expected: Expected, prefix: str) -> list[str]:
    """Where the events of lost alerts went: their places in `events`, and in the frames of `signals`."""
    lost = {(rule, group) for id, (rule, group, _) in expected.alerts.items() if id not in site.alerts}
    wanted = {
        event["id"]
        for tenant, _, event in events
        if event["action"] == "role.grant" and (GRANTED, event["actor"]["id"]) in lost
    }
    places: dict[str, list[str]] = {id: [] for id in sorted(wanted)[:12]}
    for record in await read_topic(site.direct, "events"):
        event = orjson.loads(record.value)
        if event["tenant_id"].startswith(prefix + "_") and event["id"] in places:
            places[event["id"]].append(f"events/{event['tenant_id']} at {record.offset} ({record.timestamp})")
    for record in await read_topic(site.direct, "signals"):
        signal = unpack(record.value)
        for row in signal.rows if isinstance(signal, Frame) else ():
            if row[6] in places and prefix.encode() + b"_" in row[8]:
                owner = signal.refs[row[0]][1]
                places[row[6]].append(
                    f"frame of {signal.source} at signals {record.offset} ({record.timestamp}), {owner}"
                )
    return [f"{id}: {'; '.join(found)}" for id, found in places.items()]


def _untold(site: Site, expected: Expected) -> list[str]:
    wanted = {id for id, (rule, _, _) in expected.alerts.items() if rule == GRANTED}
    ids: dict[str, set[str]] = {}
    for received in site.sink.received:
        if received.body["data"].get("revision") == 1 or received.body["type"] == "alert.triggered":
            ids.setdefault(received.body["data"]["id"], set()).add(received.webhook_id)
    return [f"lost: nobody was told of {id}" for id in wanted - ids.keys()]


def _hooks(site: Site, prefix: str) -> list[dict[str, Any]]:
    retry = {"max_attempts": 50, "initial_seconds": 0.2, "max_seconds": 1.0}
    return [
        {"id": "hook", "tenant_id": f"{prefix}_{n:02d}", "name": "Sink", "url": site.sink.url(), "retry_config": retry}
        for n in range(24)
    ]


def _plans(prefix: str) -> list[dict[str, Any]]:
    tenants = [f"{prefix}_{n:02d}" for n in range(0, 24, 2)]
    return [{"id": "plan", "tenant_id": tenant, "plan": "pro", "events_per_second": 1} for tenant in tenants]


async def _state_is_the_changelog(site: Site) -> bool | None:
    """Whether every local table that is up to date holds what its changelog says; None where there is none."""
    spec = load_topics(site.direct)["detectors-changelog"]
    compared = None
    for partition in range(spec.partitions):
        rows, end = await _folded(site.direct, spec.topic, partition)
        for path in site.directory.glob(f"worker*/worker-0/detectors/{partition}"):
            try:
                table = LocalTable(path)
            except Exception:  # one that was damaged after its partition had gone to another worker
                continue
            try:
                mine = {key: value for key, value in table.items(b"") if key[:1] not in (TIMER, META)}
                if table.offset >= end - 1:
                    compared = True
                    if mine != rows:
                        return False
            except Exception as error:
                if not is_damage(error):
                    raise  # the other is damage that nobody has come upon: nothing has read there since
            finally:
                with suppress(Exception):  # RocksDB's own threads may have come upon it meanwhile
                    table.close()
    return compared


async def _folded(settings: Settings, topic: str, partition: int) -> tuple[dict[bytes, bytes], int]:
    where = TopicPartition(topic, partition)
    consumer = AIOKafkaConsumer(
        **client_options(settings), isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        consumer.assign([where])
        await consumer.seek_to_beginning(where)
        end = (await consumer.end_offsets([where]))[where]
        rows: dict[bytes, bytes] = {}
        while await consumer.position(where) < end:
            for records in (await consumer.getmany(where, timeout_ms=300)).values():
                for record in records:
                    if record.value is None:
                        rows.pop(record.key, None)
                    elif record.key[:1] not in (TIMER, META):
                        rows[record.key] = record.value
        return rows, end
    finally:
        await close_consumer(consumer)


def _line(outcome: Outcome) -> str:
    return (
        f"lost {outcome.lost}  extra {outcome.extra}  wrong {outcome.wrong}  "
        f"longest pause {outcome.longest_pause_s:.1f} s"
    )
