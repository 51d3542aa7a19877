"""The config tailer on a real broker: loaded at start, following within moments, through restarts."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable

import pytest
from aiokafka import AIOKafkaProducer

from streamproc.config.record import ConfigRecord
from streamproc.config.snapshot import Snapshot
from streamproc.kafka.broker.resolve import start_broker
from streamproc.kafka.client import BrokerUnavailableError, client_options
from streamproc.kafka.config_writer import ConfigWriter
from streamproc.kafka.tailer import ConfigTailer
from streamproc.kafka.topics import apply_topics
from streamproc.settings import Settings

pytestmark = pytest.mark.broker


def rule(id: str, revision: int = 1, **fields: object) -> ConfigRecord:
    spec = {"name": id, "type": "pattern", "condition": {"action": "user.login"}, **fields}
    return ConfigRecord("rule", "acme", id, revision, spec, "2026-01-01T00:00:00.000Z", "test")


@pytest.fixture
async def tailer(settings_with_topics: Settings) -> AsyncIterator[ConfigTailer]:
    tailer = ConfigTailer(settings_with_topics)
    yield tailer
    await tailer.stop()


async def test_start_returns_with_all_that_was_there(settings_with_topics: Settings, tailer: ConfigTailer) -> None:
    async with ConfigWriter(settings_with_topics) as writer:
        offset = await writer.put([rule(f"r{number}") for number in range(1500)])
        await writer.delete(["acme/rule/r0"])
    await tailer.start()
    snapshot = tailer.snapshot
    assert offset == 1500
    assert snapshot.offset == 1501
    assert snapshot.rule("acme", "r0") is None
    assert sum(1 for _ in snapshot.records("rule")) == 1499
    assert snapshot.rules.get("acme", "r1499") is snapshot.rule("acme", "r1499") is not None


async def test_an_empty_topic_is_loaded_at_once(tailer: ConfigTailer) -> None:
    await asyncio.wait_for(tailer.start(), 5)
    assert tailer.snapshot.offset == 0
    assert tailer.age < 2


async def test_a_change_is_in_force_within_two_seconds(settings_with_topics: Settings, tailer: ConfigTailer) -> None:
    await tailer.start()
    seen: list[Snapshot] = []
    tailer.subscribe(seen.append)
    async with ConfigWriter(settings_with_topics) as writer:
        for revision in (1, 2, 3):
            offset = await writer.put([rule("r", revision)])
            assert offset is not None
            acknowledged = time.monotonic()
            snapshot = await asyncio.wait_for(tailer.wait_for(offset), 2)
            assert time.monotonic() - acknowledged < 2
            assert snapshot is tailer.snapshot is seen[-1]
            compiled = snapshot.rule("acme", "r")
            assert compiled is not None
            assert compiled.revision == revision


async def test_a_bad_record_is_a_problem_and_the_next_is_taken(
    settings_with_topics: Settings, tailer: ConfigTailer
) -> None:
    await tailer.start()
    topic = settings_with_topics.topic("config")
    bad = [(b"acme/rule/x", b"{"), (b"no key", b"{}"), (b"acme/rule/y", b"[1]"), (b"\xff", b"{}")]
    async with AIOKafkaProducer(**client_options(settings_with_topics)) as producer:
        for key, value in bad:
            await producer.send_and_wait(topic, key=key, value=value, partition=0)
    async with ConfigWriter(settings_with_topics) as writer:
        offset = await writer.put([rule("broken", type="no such type"), rule("fine")])
    assert offset is not None
    snapshot = await asyncio.wait_for(tailer.wait_for(offset), 5)
    assert snapshot.rule("acme", "fine") is not None
    assert {problem.key for problem in snapshot.problems} >= {"acme/rule/x", "acme/rule/y", "acme/rule/broken"}
    assert len(snapshot.problems) == len(bad) + 1


async def test_two_tailers_see_the_same(settings_with_topics: Settings, tailer: ConfigTailer) -> None:
    other = ConfigTailer(settings_with_topics)
    await tailer.start()
    await other.start()
    try:
        async with ConfigWriter(settings_with_topics) as writer:
            offset = await writer.put([rule("a"), rule("b")])
        assert offset is not None
        one, two = await asyncio.wait_for(asyncio.gather(tailer.wait_for(offset), other.wait_for(offset)), 5)
        assert list(one.records("rule")) == list(two.records("rule"))
    finally:
        await other.stop()


async def test_age_is_small_while_nothing_changes(tailer: ConfigTailer) -> None:
    await tailer.start()
    await asyncio.sleep(1.5)
    assert tailer.age < 1


async def test_without_a_broker_start_says_so(new_settings: Callable[..., Settings]) -> None:
    with pytest.raises(BrokerUnavailableError, match=r"127\.0\.0\.1:1\b"):
        await ConfigTailer(new_settings(kafka="127.0.0.1:1")).start()


@pytest.mark.slow
async def test_it_outlives_the_broker_even_when_the_address_changes(new_settings: Callable[..., Settings]) -> None:
    settings = new_settings()
    first = await asyncio.to_thread(start_broker, settings)
    await apply_topics(settings)
    tailer = ConfigTailer(settings)
    try:
        await tailer.start()
        async with ConfigWriter(settings) as writer:
            offset = await writer.put([rule("before")])
        assert offset is not None
        before = await tailer.wait_for(offset)
        await asyncio.to_thread(first.stop)

        port = int(first.bootstrap.rpartition(":")[2])
        with socket.create_server(("127.0.0.1", port)):  # so that the broker has to move
            second = await asyncio.to_thread(start_broker, settings)
        try:
            assert second.bootstrap != first.bootstrap
            assert tailer.snapshot is before, "the last snapshot stays in force"
            async with ConfigWriter(settings) as writer:
                offset = await writer.put([rule("after")])
            assert offset is not None
            snapshot = await asyncio.wait_for(tailer.wait_for(offset), 30)
            assert [record.id for record in snapshot.records("rule")] == ["after", "before"]
            assert tailer.age < 2
        finally:
            await asyncio.to_thread(second.stop)
    finally:
        await tailer.stop()
        await asyncio.to_thread(first.stop)
