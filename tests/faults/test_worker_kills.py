"""Workers are killed and paused under load; what comes out is what an undisturbed run gives, to the last revision."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from streamproc.kafka.topics import apply_topics, load_topics
from streamproc.settings import Settings

from .harness import RULES, Process, apply_config, differences, latest, oracle, produce, read_topic, settled, workload

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(600)]

SESSION_S = 3.0


@pytest.fixture
async def faulty(broker: str, new_settings: Callable[..., Settings]) -> Settings:
    settings = new_settings(kafka=broker, session_timeout=SESSION_S, commit_interval=0.5)
    await apply_topics(settings, load_topics(settings))
    await apply_config(settings, RULES)
    return settings


async def test_sigkill_at_random_instants(faulty: Settings, tmp_path: Path) -> None:
    """Two workers, 200,000 events, ten kills: ids, trigger counts and revisions equal the oracle's."""
    seed = 20260210
    rng = random.Random(seed)
    start = int(time.time() * 1000) - 2 * 3_600_000
    events = workload(200_000, seed, start)
    expected = oracle(events, start)
    workers = [Process(["worker"], faulty, tmp_path / f"w{n}", f"worker-{n}") for n in range(2)]
    try:
        for worker in workers:
            worker.start()
        sending = asyncio.create_task(produce(faulty, events, per_second=6_000))
        for _ in range(10):
            await asyncio.sleep(rng.uniform(0.5, 4.5))
            victim = rng.choice(workers)
            victim.kill()
            await asyncio.sleep(rng.uniform(0, 0.5))
            victim.start()
        await sending
        wrong = await settled(faulty, expected, 240, workers)
        assert not wrong, "\n".join([*wrong, *(worker.tail() for worker in workers)])
        assert not await read_topic(faulty, "dead-letters")
    finally:
        for worker in workers:
            worker.stop()


async def test_a_paused_worker_that_wakes_up_changes_nothing(faulty: Settings, tmp_path: Path) -> None:
    """SIGSTOP beyond the session timeout, then SIGCONT, under load: the zombie is fenced and rejoins."""
    seed = 7
    start = int(time.time() * 1000) - 2 * 3_600_000
    events = workload(60_000, seed, start)
    expected = oracle(events, start)
    workers = [Process(["worker"], faulty, tmp_path / f"w{n}", f"worker-{n}") for n in range(2)]
    try:
        for worker in workers:
            worker.start()
        sending = asyncio.create_task(produce(faulty, events, per_second=2_500))
        await asyncio.sleep(6)
        for victim in workers:
            victim.signal(signal.SIGSTOP)
            await asyncio.sleep(SESSION_S * 2 + 1)
            victim.signal(signal.SIGCONT)
            await asyncio.sleep(4)
        await sending
        wrong = await settled(faulty, expected, 120, workers)
        assert not wrong, "\n".join([*wrong, *(worker.tail() for worker in workers)])
        # Also for those who read without waiting for commits: nothing that is not the truth.
        seen = latest_uncommitted(await read_topic(faulty, "alerts", "read_uncommitted"))
        assert not differences(expected, seen)
    finally:
        for worker in workers:
            worker.stop()


def latest_uncommitted(records: list[object]) -> dict[str, dict[str, object]]:
    """As `latest`, for a reader that sees aborted records too: they may repeat a revision, never invent one."""
    return latest(sorted(records, key=lambda record: orjson.loads(record.value)["revision"]))
