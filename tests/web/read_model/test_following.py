"""The read model on a real broker: built from the topics, resumed, made anew when it must be, through kills."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from streamproc.kafka.admin import ClusterAdmin
from streamproc.kafka.client import client_options
from streamproc.kafka.partition import partition_by
from streamproc.kafka.producer import AwaitedProducer
from streamproc.kafka.topics import apply_topics, load_topics
from streamproc.settings import Settings
from streamproc.web.read_model import queries
from streamproc.web.read_model.lists import Filters
from streamproc.web.read_model.store import Store, StoreInUseError
from tests.faults.harness import latest, read_topic
from tests.web.read_model.records import alert, uid

pytestmark = [pytest.mark.broker, pytest.mark.timeout(180)]

FOLLOW = """
import asyncio, sys
from pathlib import Path
from streamproc.kafka.topics import load_topics
from streamproc.settings import Settings
from streamproc.web.read_model import follower
from streamproc.web.read_model.store import Store

async def main() -> None:
    follower.BATCH_RECORDS = 200
    settings = Settings(kafka=sys.argv[1], topic_prefix=sys.argv[2], data_dir=Path(sys.argv[3]))
    await Store(settings, load_topics(settings)).start()
    print("started", flush=True)
    await asyncio.sleep(3600)

asyncio.run(main())
"""


@asynccontextmanager
async def sending(settings: Settings) -> AsyncIterator[Any]:
    topics = load_topics(settings)
    spec, dead = topics["alerts"], topics["dead-letters"]
    producer = AwaitedProducer(client_options(settings), 15, dead.topic, dead.partitions)
    await producer.start()

    async def send(docs: list[dict[str, Any] | str]) -> None:
        records: dict[tuple[str, int], list[Any]] = {}
        for doc in docs:
            key, value = (doc, None) if isinstance(doc, str) else (doc["id"], orjson.dumps(doc))
            tenant = "acme" if isinstance(doc, str) else doc["tenant_id"]
            partition = partition_by(tenant, spec.partitions)
            records.setdefault((spec.topic, partition), []).append((key.encode(), value, []))
        await producer.send(records)

    try:
        yield send
    finally:
        await producer.stop()


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Store]:
    store = Store(settings, load_topics(settings))
    await store.start()
    try:
        assert await store.wait_until_ready(60)
        yield store
    finally:
        await store.stop()


async def everything(store: Store) -> dict[str, dict[str, Any]]:
    """Every alert by id, read in pages; and that none comes twice."""
    found: dict[str, dict[str, Any]] = {}
    before = None
    while True:
        page = await store.read(queries.list_alerts, Filters(), before, 500)
        for doc in page.items:
            assert doc["id"] not in found, "shown twice"
            found[doc["id"]] = doc
        before = page.more
        if before is None:
            return found


def some(count: int, start: int = 0) -> list[dict[str, Any] | str]:
    return [alert(n, tenant_id=f"t{n % 7}") for n in range(start, start + count)]


async def test_it_is_resumed_and_not_read_again(settings_with_topics: Settings) -> None:
    settings = settings_with_topics
    async with sending(settings) as send:
        await send(some(1500))
        async with running(settings) as store:
            first = await everything(store)
            assert (len(first), store.changed) == (1500, 1500)
            with pytest.raises(StoreInUseError, match="another API process"):
                await Store(settings, load_topics(settings)).start()
        await send([alert(3, 2, tenant_id="t3"), *some(10, 1500)])
        async with running(settings) as store:
            assert store.changed == 1511, "only what was new was applied"
            assert len(await everything(store)) == 1510
            epoch = store.epoch
        async with running(settings) as store:
            assert (store.changed, store.epoch) == (1511, epoch)
            kept = await everything(store)
        shutil.rmtree(settings.data_dir / "api")
        async with running(settings) as store:
            assert store.epoch != epoch
            assert await everything(store) == kept == latest(await read_topic(settings, "alerts"))


async def test_new_rows_are_told_of_and_tombstones_delete(settings_with_topics: Settings) -> None:
    async with sending(settings_with_topics) as send, running(settings_with_topics) as store:
        waiting = asyncio.create_task(store.wait_for_change(store.changed, 10))
        answer = asyncio.create_task(store.seen_command("c1", 10))
        await send([alert(1, last_command={"id": "c1", "action": "resolve", "result": "done"})])
        assert await waiting == 1
        assert await answer == "done"
        assert await store.seen_command("c1", 0.1) == "done"
        assert await store.seen_command("c2", 0.1) is None
        await send([alert(2), uid(1)])
        assert await store.wait(lambda: store.changed == 2, 10)
        assert set(await everything(store)) == {uid(2)}


@pytest.mark.parametrize("count", [40, 100, 300])
async def test_a_topic_that_was_made_anew_is_noticed(settings_with_topics: Settings, count: int) -> None:
    """Shorter, as long, and longer than the one that was read."""
    settings, topics = settings_with_topics, load_topics(settings_with_topics)
    async with sending(settings) as send:
        await send(some(100))
    async with running(settings) as store:
        assert len(await everything(store)) == 100
    async with ClusterAdmin(settings) as admin:
        await admin.delete([topics["alerts"].topic])
    for _ in range(100):
        applied = await apply_topics(settings, topics)
        if applied.created:
            break
        await asyncio.sleep(0.1)
    async with sending(settings) as send:
        await send(some(count, 1000))
    async with running(settings) as store:
        assert await store.wait(lambda: store.changed == count, 30)
        assert set(await everything(store)) == {uid(n) for n in range(1000, 1000 + count)}


async def test_a_file_that_breaks_is_made_anew(settings_with_topics: Settings) -> None:
    settings = settings_with_topics
    async with sending(settings) as send:
        await send(some(300))
        async with running(settings) as store:
            path = store.path
            await everything(store)
        whole = path.read_bytes()
        assert not path.with_name(path.name + "-wal").exists(), "stopped in order, all is in the file"
        for start in (0, 4096, len(whole) // 2):
            content = bytearray(whole)
            content[start:] = b"\xab" * (len(content) - start)
            path.write_bytes(content)
            async with running(settings) as store:
                async with asyncio.timeout(30):
                    while True:
                        with contextlib.suppress(sqlite3.DatabaseError, zlib.error):
                            if len(await everything(store)) == 300:
                                break
                        await asyncio.sleep(0.1)
                assert len(await everything(store)) == 300


@pytest.mark.slow
async def test_killed_at_any_moment_it_loses_nothing_and_shows_nothing_twice(
    settings_with_topics: Settings, tmp_path: Path
) -> None:
    settings = settings_with_topics
    command = [sys.executable, "-c", FOLLOW, settings.kafka, settings.topic_prefix, str(settings.data_dir)]
    rng = random.Random(7)
    async with sending(settings) as send:

        async def keep_sending() -> None:
            for start in range(0, 12_000, 400):
                changed = [
                    alert(n, 2 + start, tenant_id=f"t{n % 7}") for n in rng.sample(range(start + 1), min(start, 30))
                ]
                await send([*some(400, start), *changed])
                await asyncio.sleep(0.15)

        sender = asyncio.create_task(keep_sending())
        for _ in range(8):
            process = await asyncio.to_thread(subprocess.Popen, command, stdout=subprocess.PIPE)
            assert process.stdout is not None
            assert await asyncio.to_thread(process.stdout.readline) == b"started\n"
            await asyncio.sleep(rng.uniform(0, 0.6))
            process.send_signal(signal.SIGKILL)
            await asyncio.to_thread(process.wait)
            process.stdout.close()
        await sender
    async with running(settings) as store:
        found = await everything(store)
        assert len(found) == 12_000
        assert found == latest(await read_topic(settings, "alerts"))
        check = await store.read(lambda connection: connection.execute("PRAGMA integrity_check").fetchone())
        assert check == ("ok",)
