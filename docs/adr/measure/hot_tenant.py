"""What a tenant that sends a great deal at once does to others, on its partition and beside it (docs/adr/0011).

Run it as `.venv/bin/python docs/adr/measure/hot_tenant.py [EVENTS [LIMIT]]`: with LIMIT its plan allows it so many
events a second. Starts a broker and a worker; a minute.
"""

import asyncio
import os
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL
from pathlib import Path

import orjson
from aiokafka import AIOKafkaProducer

from streamproc.config.record import ConfigRecord
from streamproc.kafka.broker.resolve import open_broker
from streamproc.kafka.client import client_options
from streamproc.kafka.config_writer import ConfigWriter
from streamproc.kafka.partition import partition_by
from streamproc.kafka.topics import apply_topics, load_topics
from streamproc.kafka.whole_topic import read_whole
from streamproc.model.times import iso
from streamproc.settings import Settings

QUIET_S, EVERY_S = 8.0, 0.1
RULES = [
    {"id": "seen", "name": "Seen", "type": "pattern", "condition": {"action": "seen", "group_by": "actor.id"}},
    {
        "id": "many",
        "name": "Many",
        "type": "threshold",
        "condition": {"action": "bulk", "count": 1_000_000, "window": "1h", "group_by": "actor.id"},
    },
]


def event(tenant: str, n: int, action: str, actor: str) -> bytes:
    doc = {"id": f"{tenant}-{n}", "tenant_id": tenant, "action": action, "event_time": iso(int(time.time() * 1000))}
    return orjson.dumps(doc | {"outcome": "success", "actor": {"id": actor}, "metadata": {"text": "x" * 200}})


def names(partitions: int) -> tuple[str, str, str]:
    """A hot tenant, a calm one on its partition, a calm one on another."""
    all_ = [f"tenant-{n}" for n in range(100)]
    hot = all_[0]
    beside = next(t for t in all_[1:] if partition_by(t, partitions) == partition_by(hot, partitions))
    return hot, beside, next(t for t in all_ if partition_by(t, partitions) != partition_by(hot, partitions))


async def measure(settings: Settings, count: int, limit: int | None) -> None:
    topics = load_topics(settings)
    spec = topics["events"]
    hot, beside, elsewhere = names(spec.partitions)
    await apply_topics(settings)
    async with ConfigWriter(settings) as writer:
        now = "2026-01-01T00:00:00.000Z"
        await writer.put([ConfigRecord("rule", "*", str(r["id"]), 1, {**r, "tenant_id": "*"}, now, "m") for r in RULES])
        if limit is not None:
            plan = {"id": "plan", "tenant_id": hot, "plan": "pro", "events_per_second": limit}
            await writer.put([ConfigRecord("plan", hot, "plan", 1, plan, now, "m")])
    environment = {**os.environ, "STREAMPROC_KAFKA": settings.kafka, "STREAMPROC_DATA_DIR": str(settings.data_dir)}
    environment["STREAMPROC_WORKER_HTTP"] = "127.0.0.1:0"
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "streamproc", "worker"), env=environment, stdout=DEVNULL, stderr=DEVNULL
    )
    producer = AIOKafkaProducer(**client_options(settings), linger_ms=5, max_batch_size=1 << 19)
    await producer.start()
    arrived: dict[str, int] = {}
    calm = True

    async def trickle(tenant: str) -> None:
        n = 0
        while calm:
            actor, n = f"{tenant}/{n}", n + 1
            value, place = event(tenant, n, "seen", actor), partition_by(tenant, spec.partitions)
            sent = await producer.send_and_wait(spec.topic, value, partition=place)
            arrived[actor] = sent.timestamp
            await asyncio.sleep(EVERY_S)

    try:
        await asyncio.sleep(8)
        tasks = [asyncio.create_task(trickle(tenant)) for tenant in (beside, elsewhere)]
        await asyncio.sleep(QUIET_S)
        began = int(time.time() * 1000)
        place = partition_by(hot, spec.partitions)
        for n in range(0, count, 1000):
            values = [event(hot, m, "bulk", f"u{m % 5000}") for m in range(n, n + 1000)]
            waits = [await producer.send(spec.topic, value, partition=place) for value in values]
        await asyncio.gather(*waits)
        sent_all = int(time.time() * 1000)
        await asyncio.sleep(20)
        calm = False
        await asyncio.gather(*tasks)
        await asyncio.sleep(3)
    finally:
        await producer.stop()
        worker.terminate()
        await worker.wait()
    alerted: dict[str, int] = {}
    async for record in read_whole(settings, topics["alerts"]):
        alerted.setdefault(orjson.loads(record.value)["group"]["actor.id"], record.timestamp)
    print(f"{count:,} events of one tenant came within {(sent_all - began) / 1000:.1f} s, beside ten a second")
    for name, tenant in (("on the same partition", beside), ("on another partition", elsewhere)):
        mine = {actor: at for actor, at in arrived.items() if actor.startswith(f"{tenant}/")}
        for when, chosen in (("before", range(began)), ("after", range(began, 1 << 60))):
            late = sorted(alerted[a] - at for a, at in mine.items() if at in chosen and a in alerted)
            lost = sum(a not in alerted for a, at in mine.items() if at in chosen)
            figures = f"p50 {late[len(late) // 2]} ms, p95 {late[len(late) * 95 // 100]} ms, worst {late[-1]} ms"
            print(f"  {name}, {when}: {figures}; not alerted: {lost}")


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
    limit = int(sys.argv[2]) if len(sys.argv) > 2 else None
    jars = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "streamproc" / "jars"
    with tempfile.TemporaryDirectory(prefix="streamproc-measure-") as directory:
        base = Settings(broker="java", data_dir=Path(directory), broker_jars=jars)
        with open_broker(base, lambda _: None) as started:
            asyncio.run(measure(base.model_copy(update={"kafka": started.bootstrap}), count, limit))


if __name__ == "__main__":
    main()
