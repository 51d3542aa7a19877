"""The floor: read everything and parse it, and do nothing with it. Commits once a second, as streamproc does."""

from __future__ import annotations

import asyncio
import os
import signal

import orjson
from aiokafka import AIOKafkaConsumer

from streamproc.bench.peers.progress_writer import ProgressWriter, end_with_parent


async def consume() -> None:
    """Until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    progress = ProgressWriter(os.environ["BENCH_PROGRESS"])
    consumer = AIOKafkaConsumer(
        os.environ["BENCH_EVENTS"],
        bootstrap_servers=os.environ["BENCH_KAFKA"],
        group_id=os.environ["BENCH_GROUP"],
        auto_offset_reset="earliest",
        auto_commit_interval_ms=1000,
    )
    await consumer.start()
    loads = orjson.loads
    try:
        while not stop.is_set():
            for records in (await consumer.getmany(timeout_ms=200)).values():
                progress.begin()
                for record in records:
                    loads(record.value)
                progress.source(len(records))
    finally:
        await consumer.stop()


if __name__ == "__main__":
    end_with_parent()
    asyncio.run(consume())
