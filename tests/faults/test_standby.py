"""Workers that keep copies of each other's state lose each other, and go on from the copies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from streamproc.kafka.topics import apply_topics, load_topics
from streamproc.settings import Settings

from .harness import RULES, Process, apply_config, oracle, produce, settled, workload

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(300)]


async def test_a_worker_that_dies_is_replaced_from_copies(
    broker: str, new_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """Each worker has a copy of every partition; one is killed and comes back, and nothing is lost or repeated."""
    settings = new_settings(kafka=broker, session_timeout=3.0, commit_interval=0.5)
    await apply_topics(settings, load_topics(settings))
    await apply_config(settings, RULES)
    start = int(time.time() * 1000) - 2 * 3_600_000
    events = workload(60_000, 5, start)
    often = {"STREAMPROC_STANDBY_INTERVAL": "0.5"}
    workers = [Process(["worker"], settings, tmp_path / f"w{n}", f"worker-{n}", often) for n in range(2)]
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            await worker.joined()
        sending = asyncio.create_task(produce(settings, events, per_second=3_000))
        for victim in workers:
            await asyncio.sleep(5)
            victim.kill()
            await asyncio.sleep(5)  # its partitions go to the other
            before = victim.tail(100_000).count("partitions.assigned")
            victim.start()
            await victim.joined(before + 1)
        await sending
        wrong = await settled(settings, oracle(events, start), 90, workers)
        assert not wrong, "\n".join([*wrong, *(worker.tail() for worker in workers)])
        for n, worker in enumerate(workers):
            copies = {path.parent.name for path in (tmp_path / f"w{n}").glob("worker-0/detectors/*/CURRENT")}
            assert copies == {"0", "1", "2", "3"}, "of all partitions, its own and the other's"
            assert "standby.failed" not in worker.tail(1000)
            assert "table.rebuild" not in worker.tail(1000), "no copy was thrown away"
    finally:
        for worker in workers:
            worker.stop()
