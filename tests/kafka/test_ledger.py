"""A ledger on the real broker: atomic batches, recovery, and fencing of a former owner."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from streamproc.kafka.client import client_options
from streamproc.kafka.closing import close_consumer
from streamproc.kafka.ledger import Fenced, Ledger, LedgerSettings, Output
from streamproc.kafka.local_copy import LocalCopy, RecoveryStalledError, TopicRecreatedError
from streamproc.settings import Settings
from tests.kafka.damage import overwrite

pytestmark = pytest.mark.broker

CHANGELOG, ALERTS, SIGNALS = "detectors-changelog", "alerts", "signals"


def timer_of(key: bytes, value: bytes) -> int | None:
    return int(value) if key[:1] == b"k" else None


@pytest.fixture
async def make(settings_with_topics: Settings, tmp_path: Path) -> AsyncIterator[object]:
    settings = settings_with_topics
    made: list[Ledger] = []

    def one(name: str = "a", partition: int = 1) -> Ledger:
        ledger = Ledger(
            LedgerSettings(client_options(settings), 10.0),
            settings.topic(CHANGELOG),
            partition,
            tmp_path / name,
            timer_of,
        )
        made.append(ledger)
        return ledger

    yield one
    for ledger in made:
        await ledger.close()


async def committed(settings: Settings, topic: str, partition: int) -> list[tuple[bytes, bytes]]:
    """What a read_committed consumer sees of a partition."""
    where = TopicPartition(settings.topic(topic), partition)
    consumer = AIOKafkaConsumer(
        **client_options(settings), isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        consumer.assign([where])
        await consumer.seek_to_beginning(where)
        end = (await consumer.end_offsets([where]))[where]
        seen = []
        while await consumer.position(where) < end:
            for records in (await consumer.getmany(where, timeout_ms=300)).values():
                seen += [(record.key, record.value) for record in records]
        return seen
    finally:
        await close_consumer(consumer)


async def test_a_batch_is_there_after_reopening_with_its_position_and_timers(make) -> None:
    ledger = make()
    await ledger.open()
    await ledger.commit({b"k1": b"50", b"k2": b"20"}, [(50, b"k1"), (20, b"k2")], (), (), {SIGNALS: 7})
    await ledger.commit({b"k2": None, b"k3": b"30"}, [(30, b"k3")], [(20, b"k2")], (), {SIGNALS: 9})
    await ledger.close()

    again = make()
    await again.open()
    assert again.recovered == 0, "everything was on disk"
    assert again.table.get(b"k1") == b"50"
    assert again.table.get(b"k2") is None
    assert again.position(SIGNALS) == 9
    assert again.table.due(40, 10) == [(30, b"k3")]
    assert again.table.due(50, 10) == [(30, b"k3"), (50, b"k1")]


async def test_a_lost_disk_is_rebuilt_from_the_changelog(make, tmp_path: Path) -> None:
    ledger = make()
    await ledger.open()
    for n in range(20):
        await ledger.commit({b"k%d" % n: b"%d" % (100 + n)}, [(100 + n, b"k%d" % n)], (), (), {SIGNALS: n + 1})
    await ledger.commit({b"k3": None}, (), (), (), {SIGNALS: 21})
    await ledger.close()
    shutil.rmtree(tmp_path / "a")

    again = make()
    await again.open()
    assert again.recovered >= 21
    assert [key for key, _ in again.table.items(b"k")] == sorted(b"k%d" % n for n in range(20) if n != 3)
    assert again.position(SIGNALS) == 21
    assert again.table.due(102, 10) == [(100, b"k0"), (101, b"k1"), (102, b"k2")]


async def test_a_damaged_disk_is_rebuilt_from_the_changelog(make, tmp_path: Path) -> None:
    ledger = make()
    await ledger.open()
    await ledger.commit({b"k1": b"5"}, (), (), (), {SIGNALS: 1})
    await ledger.close()
    for file in (tmp_path / "a").iterdir():
        if file.name.startswith(("MANIFEST", "CURRENT")):
            file.write_bytes(b"not what it was")

    again = make()
    await again.open()
    assert again.table.get(b"k1") == b"5"


async def test_a_former_owner_can_write_nothing_any_more(make, settings_with_topics: Settings) -> None:
    zombie, owner = make("zombie"), make("owner")
    await zombie.open()
    await zombie.commit({b"k1": b"1"}, (), (), [Output(settings_with_topics.topic(ALERTS), 0, b"a", b"rev 1")], {})
    await owner.open()
    assert owner.table.get(b"k1") == b"1"
    await owner.commit({b"k1": b"2"}, (), (), [Output(settings_with_topics.topic(ALERTS), 0, b"a", b"rev 2")], {})

    with pytest.raises(Fenced):
        await zombie.commit({b"k1": b"0"}, (), (), [Output(settings_with_topics.topic(ALERTS), 0, b"a", b"stale")], {})

    assert await committed(settings_with_topics, ALERTS, 0) == [(b"a", b"rev 1"), (b"a", b"rev 2")]
    assert await committed(settings_with_topics, CHANGELOG, 1) == [(b"k1", b"1"), (b"k1", b"2")]
    await owner.commit({b"k1": b"3"}, (), (), (), {})


async def test_what_a_crash_left_half_written_is_as_if_it_never_was(make, settings_with_topics: Settings) -> None:
    crashed, heir = make("crashed"), make("heir")
    await crashed.open()
    await crashed.commit({b"k1": b"1"}, (), (), (), {SIGNALS: 1})
    producer = crashed._producer
    await producer.begin_transaction()
    batch = producer.create_batch()
    batch.append(key=b"k1", value=b"666", timestamp=None)
    await (await producer.send_batch(batch, crashed.changelog, partition=1))  # and no commit

    await heir.open()
    assert heir.table.get(b"k1") == b"1"
    assert heir.position(SIGNALS) == 1


async def test_more_than_fits_one_batch_and_one_large_value(make) -> None:
    ledger = make()
    await ledger.open()
    puts = {b"v%05d" % n: bytes([n % 251]) * 3000 for n in range(1000)}
    puts[b"v-large"] = b"x" * 950_000
    await ledger.commit(puts, (), (), (), {SIGNALS: 1})
    await ledger.close()

    again = make("b")
    await again.open()
    assert dict(again.table.items(b"v")) == puts


async def test_damage_that_shows_while_running_is_rebuilt_at_the_next_start(make, tmp_path: Path) -> None:
    ledger = make()
    await ledger.open()
    puts: dict[bytes, bytes | None] = {b"x%05d" % n: b"%d" % n * 50 for n in range(20_000)}
    await ledger.commit(puts, (), (), (), {SIGNALS: 1})
    await ledger.close()
    again = make()
    await again.open()  # what was in memory and the log is written as a file now
    await again.close()
    files = [file for file in (tmp_path / "a").iterdir() if file.suffix == ".sst" and file.stat().st_size > 100_000]
    assert files
    for file in files:
        overwrite(file, 10_000, 20_000)  # blocks of data; its index and filter are sound, so it opens

    damaged = make()
    await damaged.open()
    assert damaged.recovered == 0
    with pytest.raises(Exception, match="Corruption"):
        for key in puts:
            damaged.table.get(key)
    await damaged.close()
    rebuilt = make()
    await rebuilt.open()
    assert all(rebuilt.table.get(key) == value for key, value in puts.items())


async def test_a_recovery_that_stalls_is_begun_anew_once_and_then_ends(
    make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make()
    await first.open()
    await first.commit({b"k1": b"5"}, (), (), (), {SIGNALS: 1})
    await first.close()
    shutil.rmtree(tmp_path / "a")
    monkeypatch.setattr("streamproc.kafka.local_copy.STALL_S", 0.2)
    getmany, hung = AIOKafkaConsumer.getmany, [True]

    async def nothing_at_first(self: AIOKafkaConsumer, *args: object, **more: object) -> object:
        return {} if hung and self._isolation_level == "read_committed" else await getmany(self, *args, **more)

    wipe = LocalCopy.wipe

    def wiped(self: LocalCopy) -> object:
        hung.clear()
        return wipe(self)

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", nothing_at_first)
    monkeypatch.setattr(LocalCopy, "wipe", wiped)
    again = make()
    await again.open()
    assert again.table.get(b"k1") == b"5"
    await again.close()

    shutil.rmtree(tmp_path / "a")
    monkeypatch.setattr(LocalCopy, "wipe", wipe)
    hung.append(True)
    with pytest.raises(RecoveryStalledError, match="nothing came after offset 0"):
        await make().open()


async def test_a_deletion_by_somebody_else_leaves_no_timer_behind(make) -> None:
    ledger = make()
    await ledger.open()
    await ledger.commit({b"k1": b"950", b"k2": b"20"}, [(950, b"k1"), (20, b"k2")], (), (), {SIGNALS: 1})
    await ledger.commit({b"k1": b"900"}, [(900, b"k1")], (), (), {SIGNALS: 2})  # the entry of before stays, unused
    await ledger.close()
    other = make("other")
    await other.open()
    await other.commit({b"k1": None}, (), (), (), {})
    await other.close()

    again = make()
    await again.open()
    assert dict(again.table.items(b"k")) == {b"k2": b"20"}
    assert [key for key, _ in again.table.items(b"t")] == [b"t" + (20).to_bytes(8, "big") + b"k2"]
    assert again.table.due(1000, 10) == [(20, b"k2")]


async def test_a_topic_that_was_made_anew_is_refused_rather_than_passed_over(
    make, settings_with_topics: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    signals = settings_with_topics.topic(SIGNALS)
    ledger = make()
    await ledger.open()
    await ledger.commit({b"k1": b"5"}, (), (), (), {signals: 3})
    await ledger.close()
    monkeypatch.setattr("streamproc.kafka.local_copy.BEYOND_S", 0.2)
    with pytest.raises(TopicRecreatedError, match=f"{signals}/1 ends at 0, but .* says that it was read up to 3"):
        await make().open()


async def test_an_opening_that_is_overtaken_leaves_no_lock_behind(make, monkeypatch: pytest.MonkeyPatch) -> None:
    opening, go = threading.Event(), threading.Event()
    plain = LocalCopy._open_table

    def slow(self: LocalCopy) -> object:
        opening.set()
        go.wait(20)
        return plain(self)

    monkeypatch.setattr(LocalCopy, "_open_table", slow)
    overtaken = asyncio.create_task(make().open())
    await asyncio.to_thread(opening.wait, 20)
    overtaken.cancel()
    asyncio.get_running_loop().call_later(0.2, go.set)
    with pytest.raises(asyncio.CancelledError):
        await overtaken
    monkeypatch.setattr(LocalCopy, "_open_table", plain)
    again = make()
    await again.open()
    assert again.table.get(b"k1") is None


async def test_however_often_an_opening_is_cancelled_its_lock_is_let_go(make, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = make()
    entered, go = threading.Event(), threading.Event()
    open_table = LocalCopy._open_table

    def slowly(self: LocalCopy) -> object:
        table = open_table(self)
        entered.set()
        go.wait(20)
        return table

    monkeypatch.setattr(LocalCopy, "_open_table", slowly)
    task = asyncio.create_task(ledger.open())
    await asyncio.to_thread(entered.wait, 20)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0.05)
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    monkeypatch.setattr(LocalCopy, "_open_table", open_table)
    again = make()
    await again.open()
    await again.close()
