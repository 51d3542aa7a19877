"""`streamproc topics resize` on a real broker: cut off anywhere, and what detection makes of it afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
import yaml
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from streamproc.alerting.fingerprint import partition_of
from streamproc.alerting.outbox_entry import Ailing, Entry, Mark
from streamproc.engine import state as codec
from streamproc.engine.frame import Frame, RuleRef, frames, pack_frame, pack_tick, unpack
from streamproc.kafka.admin import ClusterAdmin, TopicState
from streamproc.kafka.client import client_options
from streamproc.kafka.closing import close_consumer
from streamproc.kafka.ledger import Ledger, Output, ResizeUnfinishedError
from streamproc.kafka.partition import partition_by
from streamproc.kafka.producer import AwaitedProducer
from streamproc.kafka.tailer import ConfigTailer
from streamproc.kafka.topic_file import shipped_file
from streamproc.kafka.topics import apply_topics, load_topics
from streamproc.kafka.whole_topic import read_partition
from streamproc.model.channel_settings import ChannelRef
from streamproc.model.delivery import DeliveryState
from streamproc.model.notification import Notification
from streamproc.runtime import resize_table
from streamproc.runtime.resize import plan, planned, resize
from streamproc.runtime.resize_table import ResizeError
from streamproc.runtime.route import Route
from streamproc.runtime.takeover import StillRunningError, taken_over
from streamproc.settings import Settings
from tests.alerting.making import delivery, notification
from tests.faults.harness import RULES, Process, apply_config, oracle, produce, settled, workload

DETECT = ("signals", "detectors-changelog")
NewSettings = Callable[..., Settings]


def declaring(path: Path, counts: dict[str, int]) -> Path:
    """A topics.yaml in which some topics have other numbers of partitions."""
    content = yaml.safe_load(shipped_file().read_text())
    for name, count in counts.items():
        content["topics"][name]["partitions"] = count
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def with_counts(settings: Settings, tmp_path: Path, **counts: int) -> Settings:
    named = {name.replace("_", "-"): count for name, count in counts.items()}
    return settings.model_copy(
        update={"topics_file": declaring(tmp_path / f"{len(list(tmp_path.iterdir()))}.yaml", named)}
    )


def states(settings: Settings) -> dict[str, TopicState]:
    return {spec.topic: TopicState(spec.partitions, 1, {}, {}) for spec in load_topics(settings).values()}


def test_what_cannot_be_done_is_refused_with_its_reason(new_settings: NewSettings, tmp_path: Path) -> None:
    settings = new_settings(topic_prefix="x.")
    found = states(settings)

    def refused(**counts: int) -> str:
        made = plan(load_topics(with_counts(settings, tmp_path, **counts)), found)
        assert len(made.refused) == 1
        return made.refused[0]

    assert "x.events: has 4 partitions and cannot be given 3: Kafka cannot take partitions away" in refused(events=3)
    assert "`alerts` is public" in refused(alerts=6, deliveries=6, notify_state_changelog=6)
    assert "compacted keys would move" in refused(incidents=2)
    assert "readers want one order" in refused(audit=2)
    missing = {name: state for name, state in found.items() if name != "x.audit"}
    assert plan(load_topics(settings), missing).refused == ["x.audit: is missing; run `streamproc topics apply` first"]
    uneven = found | {"x.signals": TopicState(6, 1, {}, {})}
    grown = load_topics(with_counts(settings, tmp_path, signals=6, detectors_changelog=6))
    assert "have 4 and 6 partitions" in plan(grown, uneven).refused[0]


def test_steps_are_tables_first(new_settings: NewSettings, tmp_path: Path) -> None:
    settings = new_settings()
    counts = {"events": 8, "signals": 6, "detectors_changelog": 6, "dead_letters": 2}
    made = plan(load_topics(with_counts(settings, tmp_path, **counts)), states(settings))
    assert not made.refused
    assert [(step.topics, step.old, step.new, step.group) for step in made.steps] == [
        (DETECT, 4, 6, "detect"),
        (("events",), 4, 8, None),
        (("dead-letters",), 1, 2, None),
    ]


# on the broker


class Killed(BaseException):
    """As if the process had ended here."""


REF = RuleRef("*", "r", 1, b"h" * 8, "acme")


def fp(n: int) -> bytes:
    return blake2b(b"%d" % n, digest_size=16).digest()


async def fill(settings: Settings, old: int, rng: random.Random) -> tuple[dict[bytes, bytes], dict[bytes, list[int]]]:
    """A table of keys and retired alerts, and signals of which it has not applied all. Answers both."""
    topics = load_topics(settings)
    signals, alerts = topics["signals"], topics["alerts"]
    rows: dict[bytes, bytes] = {}
    pending: dict[bytes, list[int]] = defaultdict(list)
    dead = topics["dead-letters"]
    producer = AwaitedProducer(client_options(settings), 30.0, dead.topic, dead.partitions)
    await producer.start()
    applied: list[int] = []
    place = 0
    for round_ in range(6):
        hits = []
        for _ in range(80):
            place += 1
            key = rng.randrange(200)
            hits.append((0, fp(key), (), place, place, place, f"e{place}", None, b"{}"))
            if round_ >= 2:
                pending[fp(key)].append(place)
        for target, frame in frames("events/0", 0, hits, lambda _: REF, old):
            await producer.send({(signals.topic, target): [(None, pack_frame(frame), [])]})
        await producer.send({(signals.topic, p): [(None, pack_tick({"events/0": place}), [])] for p in range(old)})
        if round_ == 1:
            applied = [sum([1 async for _ in read_partition(settings, signals.topic, p)]) for p in range(old)]
    await producer.send({(signals.topic, 1): [(b"?", b"cannot be read", [])]})
    await producer.stop()
    for partition in range(old):
        puts: dict[bytes, bytes | None] = {}
        told = []
        for n in range(200):
            if partition_of(fp(n), old) == partition:
                puts[b"k" + fp(n)] = codec._HEADER.pack(2, n, b"r" * 8) + bytes(rng.randrange(60))
                alert = f"alt_{n}".encode()
                puts[b"r" + alert] = codec.retired(n, "acme")
                told.append(Output(alerts.topic, n % 4, alert, orjson.dumps({"fingerprint": fp(n).hex()})))
        puts[b"ralt_unknown_%d" % partition] = codec.retired(1, "acme")
        rows |= {key: value for key, value in puts.items() if value is not None}
        async with taken_over(settings, topics["detectors-changelog"], partition) as ledger:
            await ledger.commit(puts, (), (), told, {signals.topic: applied[partition]})
    return rows, dict(pending)


async def expect_moved(
    settings: Settings, old: int, new: int, rows: dict[bytes, bytes], pending: dict[bytes, list[int]]
) -> None:
    """Every row once and where it belongs; every signal that was not applied once, in order, where its key is."""
    topics = load_topics(settings)
    signals = topics["signals"]
    found: dict[bytes, bytes] = {}
    left: dict[bytes, list[int]] = defaultdict(list)
    broken = 0
    for partition in range(new):
        async with taken_over(settings, topics["detectors-changelog"], partition) as ledger:
            for key, value in ledger.table.items(b""):
                if key[:1] == b"m":
                    continue
                assert key not in found
                found[key] = value
                if key[:1] == b"k":
                    assert partition_of(key[1:], new) == partition
                elif key.startswith(b"ralt_unknown"):
                    assert key == b"ralt_unknown_%d" % partition, "of this alert nothing is known, so it stays"
                else:
                    assert partition_of(fp(int(key[5:])), new) == partition, "with the key that its alert is of"
            position = ledger.position(signals.topic)
        async for record in read_partition(settings, signals.topic, partition):
            if record.offset < position:
                continue
            if record.key == b"?":
                broken += 1
                assert partition == 1
                continue
            signal = unpack(record.value)
            if isinstance(signal, Frame):
                for _, key, _, _, _, place, *_ in signal.rows:
                    assert partition_of(key, new) == partition
                    left[key].append(place)
    assert found == rows
    assert left == pending
    assert broken == 1


@pytest.mark.broker
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
async def test_cut_off_at_any_commit_it_is_continued_and_nothing_is_lost_or_twice(
    broker: str, new_settings: NewSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rng = random.Random(seed)
    before = new_settings(kafka=broker)
    await apply_topics(before)
    rows, pending = await fill(before, 4, rng)
    after = with_counts(before, tmp_path, signals=6, detectors_changelog=6)
    monkeypatch.setattr(resize_table, "CHUNK_ROWS", 20)
    real = Ledger.commit
    budget = 0

    async def commit(self: Ledger, *arguments: Any) -> None:
        nonlocal budget
        budget -= 1
        if budget == 0 and early:
            raise Killed
        await real(self, *arguments)
        if budget == 0:
            raise Killed

    monkeypatch.setattr(Ledger, "commit", commit)
    kills = 0
    while True:
        budget, early = (rng.randrange(1, 9), rng.random() < 0.5) if kills < 14 else (-1, False)
        try:
            made = await resize(after, lambda _: None)
            break
        except Killed:
            kills += 1
            if kills == 3:
                with pytest.raises(ResizeUnfinishedError, match="topics resize"):
                    async with taken_over(after, load_topics(before)["detectors-changelog"], 2):
                        pass
                assert (await planned(after)).steps[0].begun
    monkeypatch.undo()
    assert kills >= 5, "it was not cut off often enough to mean anything"
    assert not made.refused
    if "detect" in made.done:  # else it was cut off right after its last commit
        assert made.done["detect"].rows == len(rows)
    await expect_moved(after, 4, 6, rows, pending)
    assert not (await resize(after, lambda _: None)).steps, "once more does nothing"


@pytest.mark.broker
async def test_rows_that_changed_on_the_way_are_noticed(
    broker: str, new_settings: NewSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = new_settings(kafka=broker)
    await apply_topics(before)
    await fill(before, 4, random.Random(1))
    after = with_counts(before, tmp_path, signals=6, detectors_changelog=6)
    real = resize_table.TableResize._moved

    async def forgetful(self: Any, holder: Any, ledger: Any, plan_: Any, gone: Any, there: list[Any]) -> None:
        await real(self, holder, ledger, plan_, gone, there[1:])

    monkeypatch.setattr(resize_table.TableResize, "_moved", forgetful)
    with pytest.raises(ResizeError, match=r"rows .* are not the"):
        await resize(after, lambda _: None)
    with pytest.raises(ResizeUnfinishedError):
        async with taken_over(after, load_topics(after)["detectors-changelog"], 5):
            pass


@pytest.mark.broker
async def test_what_is_being_delivered_moves_with_its_channel(
    broker: str, new_settings: NewSettings, tmp_path: Path
) -> None:
    before = new_settings(kafka=broker)
    await apply_topics(before)
    topics = load_topics(before)
    outbox, spec, dead = topics["outbox-changelog"], topics["notifications"], topics["dead-letters"]
    told = [
        notification(revision, tenant=f"tenant{n % 5}", channel=ChannelRef("webhook", f"hook{n}"))
        for n in range(20)
        for revision in (1, 2, 3)
    ]

    def place(one: Any, partitions: int) -> int:
        return partition_by(f"{one.tenant}/{one.channel}", partitions)

    rows: dict[bytes, bytes] = {}
    for partition in range(4):
        puts: dict[bytes, bytes | None] = {}
        for n, one in enumerate(told):
            if place(one, 4) == partition:
                mark = Mark(delivery(one, DeliveryState.DELIVERED, 5), 99, failed=False)
                ailing = Ailing(one.tenant, one.channel, 1, 2, 3)
                item = (Entry(one, 7), mark, ailing)[n % 3]
                puts[b"o%d" % n] = item.encode()
        rows |= {key: value for key, value in puts.items() if value is not None}
        async with taken_over(before, outbox, partition) as ledger:
            await ledger.commit(puts, (), (), (), {})
    producer = AwaitedProducer(client_options(before), 30.0, dead.topic, dead.partitions)
    await producer.start()
    for one in told:
        await producer.send({(spec.topic, place(one, 4)): [(one.delivery_id.encode(), one.encode(), [])]})
    await producer.stop()

    after = with_counts(before, tmp_path, notifications=6, outbox_changelog=6)
    made = await resize(after, lambda _: None)
    assert made.done["deliver"].resent == len(told)
    found: dict[bytes, bytes] = {}
    again: list[tuple[bytes, bytes]] = []
    for partition in range(6):
        async with taken_over(after, outbox, partition) as ledger:
            held = dict(ledger.table.items(b"o"))
            position = ledger.position(spec.topic)
        for key, value in held.items():
            assert place(told[int(key[1:])], 6) == partition
            assert found.setdefault(key, value) is value, "twice"
        async for record in read_partition(after, spec.topic, partition):
            if record.offset >= position:
                assert place(Notification.decode(record.value), 6) == partition
                again.append((record.key, record.value))
    assert found == rows
    wanted = [(one.delivery_id.encode(), one.encode()) for one in told]
    assert sorted(again) == sorted(wanted)
    for n in range(20):  # of one channel in the order they had
        mine = set(wanted[3 * n : 3 * n + 3])
        assert [one for one in again if one in mine] == wanted[3 * n : 3 * n + 3]


def run_resize(settings: Settings, directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "STREAMPROC_KAFKA": settings.kafka,
        "STREAMPROC_TOPIC_PREFIX": settings.topic_prefix,
        "STREAMPROC_DATA_DIR": str(directory),
        "STREAMPROC_TOPICS_FILE": str(settings.topics_file),
    }
    command = [sys.executable, "-m", "streamproc", "topics", "resize", "--json", *options]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


async def route_by_hand(settings: Settings) -> int:
    """What route does with everything on `events` that is not committed, without anybody who would apply it."""
    topics = load_topics(settings)
    spec, dead = topics["events"], topics["dead-letters"]
    tailer = ConfigTailer(settings)
    producer = AwaitedProducer(client_options(settings), 30.0, dead.topic, dead.partitions)
    consumer = AIOKafkaConsumer(
        **client_options(settings), group_id=settings.group(settings.worker_group), enable_auto_commit=False
    )
    await tailer.start()
    await producer.start()
    await consumer.start()
    count = 0
    try:
        app: Any = SimpleNamespace(lanes={}, settings=settings, fail=None)
        route = Route(app, tailer, producer, topics.sources, topics["signals"])
        where = [TopicPartition(spec.topic, p) for p in range(spec.partitions)]
        consumer.assign(where)
        for tp in where:
            start = await consumer.committed(tp) or 0
            records = [r async for r in read_partition(settings, spec.topic, tp.partition) if r.offset >= start]
            lane = await route.open_lane(spec.topic, tp.partition)
            for begin in range(0, len(records), 300):
                await route._slice(
                    spec.topic, tp.partition, f"{spec.topic}/{tp.partition}", records[begin : begin + 300]
                )
                value = pack_tick(route._times)
                targets = range(topics["signals"].partitions)
                await producer.send({(topics["signals"].topic, p): [(None, value, [])] for p in targets})
            await lane.stop(1)
            if records:
                await consumer.commit({tp: OffsetAndMetadata(records[-1].offset + 1, "")})
            count += len(records)
    finally:
        await close_consumer(consumer)
        await producer.stop()
        await tailer.stop()
    return count


@pytest.mark.broker
@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_detection_goes_on_as_if_there_had_been_no_resize(
    broker: str, new_settings: NewSettings, tmp_path: Path
) -> None:
    """State in the table, signals not applied, and more events after: the alerts are those of an undisturbed run. The
    resize is killed twice on its way."""
    before = new_settings(kafka=broker, session_timeout=6.0, commit_interval=0.5)
    await apply_topics(before)
    await apply_config(before, RULES)
    after = with_counts(before, tmp_path, events=6, signals=6, detectors_changelog=6)
    start = int(time.time() * 1000) - 2 * 3_600_000
    events = workload(30_000, 11, start)
    expected = oracle(events, start)
    worker = Process(["worker"], before, tmp_path / "w", "worker")
    worker.start()
    try:
        await worker.joined()
        await produce(before, events[:10_000])
        wrong = await settled(before, oracle(events[:10_000], start), 60, [worker])
        assert not wrong, worker.tail()
        refused = await asyncio.to_thread(run_resize, after, tmp_path / "cli")
        assert refused.returncode == 2
        assert "members: stop all" in refused.stderr
        with pytest.raises(StillRunningError):
            await resize(after, lambda _: None)
    finally:
        assert worker.stop() == 0, worker.tail()

    await produce(before, events[10_000:20_000])
    assert await route_by_hand(before) == 10_000
    dry = await asyncio.to_thread(run_resize, after, tmp_path / "cli", "--dry-run")
    assert [step["topics"] for step in json.loads(dry.stdout)["steps"]] == [list(DETECT), ["events"]]
    for delay in (2.0, 3.5):
        command = Process(
            ["topics", "resize"], after, tmp_path / "cli", "r", {"STREAMPROC_TOPICS_FILE": str(after.topics_file)}
        )
        command.start()
        await asyncio.sleep(delay)
        command.kill()
    done = await asyncio.to_thread(run_resize, after, tmp_path / "cli")
    assert done.returncode == 0, done.stderr
    async with ClusterAdmin(after) as admin:
        found = await admin.topics([after.topic(name) for name in ("events", *DETECT)])
    assert {state.partitions for state in found.values()} == {6}

    old = Process(["worker"], before, tmp_path / "old", "old")  # with the topics.yaml of before
    old.start()
    for _ in range(100):
        if not old.alive:
            break
        await asyncio.sleep(0.2)
    assert not old.alive
    assert "partitions is 6, topics.yaml says 4" in old.tail()

    worker = Process(["worker"], after, tmp_path / "w", "again", {"STREAMPROC_TOPICS_FILE": str(after.topics_file)})
    worker.start()
    try:
        await worker.joined()
        await produce(after, events[20_000:])
        wrong = await settled(after, expected, 90, [worker])
        assert not wrong, "\n".join([*wrong, worker.tail()])
    finally:
        worker.stop()
