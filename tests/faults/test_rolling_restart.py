"""Workers are restarted one after another in order, under load, as an upgrade does it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from streamproc.kafka.topics import apply_topics, load_topics
from streamproc.settings import Settings

from .harness import RULES, Process, apply_config, differences, lag, latest, oracle, produce, read_topic, workload

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(400)]

SELDOM_S = 60
"""The longest there is: they commit when they stop or give partitions up, and what a stop leaves undone shows."""


async def test_a_rolling_restart_loses_and_repeats_nothing(
    broker: str, new_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    """Two workers, each stopped by SIGTERM twice: they end with status 0, and all that they had done is committed."""
    settings = new_settings(kafka=broker, session_timeout=6.0)
    await apply_topics(settings, load_topics(settings))
    await apply_config(settings, RULES)
    start = int(time.time() * 1000) - 2 * 3_600_000
    events = workload(75_000, 20261121, start)
    expected = oracle(events, start)
    seldom = {"STREAMPROC_COMMIT_INTERVAL": str(SELDOM_S)}
    workers = [Process(["worker"], settings, tmp_path / f"w{n}", f"worker-{n}", seldom) for n in range(2)]
    stops: list[float] = []
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            await worker.joined()
        sending = asyncio.create_task(produce(settings, events, per_second=3_000))
        for worker in workers * 2:
            await asyncio.sleep(2.5)
            stops.append(await _stop(worker))
            before = worker.tail(100_000).count("partitions.assigned")
            worker.start()
            await worker.joined(before + 1)
        await sending
        wrong = ["nothing looked at yet"]
        deadline = time.monotonic() + 90
        while wrong and time.monotonic() < deadline:
            await asyncio.sleep(1)
            wrong = differences(expected, latest(await read_topic(settings, "alerts")))
        assert not wrong, "\n".join([*wrong[:20], *(worker.tail() for worker in workers)])
        stops += [await _stop(worker) for worker in workers]
        assert await lag(settings, settings.worker_group, ["events"]) == 0, "nobody committed but those who stopped"
        assert not await read_topic(settings, "dead-letters")
        assert not [line for worker in workers for line in worker.tail(1000).splitlines() if "lane.abandoned" in line]
        assert max(stops) < 10.0, f"stops took {stops}"
    finally:
        for worker in workers:
            worker.stop()
    print(f"stops took {', '.join(f'{seconds:.1f}' for seconds in stops)} s")


async def _stop(worker: Process) -> float:
    """Stop it in order; answers how long that took (s)."""
    began = time.monotonic()
    status = await asyncio.to_thread(worker.stop)
    assert status == 0, worker.tail()
    return time.monotonic() - began
