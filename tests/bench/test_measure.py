"""A whole small measurement on a real broker: loaded once, drained by each contestant, alerts as the oracle says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from streamproc.bench.cluster import Cluster
from streamproc.bench.contestant import BenchError, Contestant, Place
from streamproc.bench.draw import W2, draws
from streamproc.bench.measure import run_once
from streamproc.bench.oracle import expected
from streamproc.bench.preload import preload
from streamproc.bench.rivals import RawClient, StockFaust
from streamproc.bench.rules import BUSY_HOUR
from streamproc.bench.worker import Worker
from streamproc.settings import Settings

pytestmark = [pytest.mark.broker, pytest.mark.slow]

COUNT = 6_000


async def test_contestants_drain_the_events_and_are_judged(
    broker: str, new_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = new_settings(kafka=broker)
    wanted = expected([BUSY_HOUR], draws(W2, COUNT))
    assert wanted
    contestants: list[Contestant] = [
        RawClient(),
        StockFaust(),
        Worker("worker", "the worker", [BUSY_HOUR.document()]),
        Worker("workers", "two workers", [BUSY_HOUR.document()], processes=2),
    ]
    loaded: list[int] = []
    async with aiohttp.ClientSession() as session, Cluster(settings) as cluster:
        events = await preload(cluster, settings, W2, COUNT, loaded.append)
        before = await cluster.ends(await cluster.partitions([events]))
        assert events == await preload(cluster, settings, W2, COUNT, loaded.append)
        assert await cluster.ends(await cluster.partitions([events])) == before, "loaded twice"
        assert sum(before.values()) == COUNT == loaded[-1]
        for contestant in contestants:
            directory = tmp_path / contestant.name
            tag = f"{settings.topic_prefix}{contestant.name}"
            place = Place(settings, cluster, session, directory, tag, events, COUNT, W2)
            result = await run_once(contestant, place, wanted, None, 120, lambda *_: None)
            assert result.correct, result.verdict
            assert result.cpu_s_per_million > 0
            assert result.notes["taken"] == COUNT, "each event once, by whichever process"
            assert (result.verdict is None) == (contestant.name == "raw")
        left = [name for name in await cluster.names("changelog") if f"bench-faust-{settings.topic_prefix}" in name]
        assert left == []


async def test_a_contestant_that_is_refused_says_why(
    broker: str, new_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = new_settings(kafka=broker)
    broken = BUSY_HOUR.document() | {"severity": "purple"}
    async with aiohttp.ClientSession() as session, Cluster(settings) as cluster:
        events = await preload(cluster, settings, W2, 1_000, lambda _: None)
        place = Place(settings, cluster, session, tmp_path / "run", "x", events, 1_000, W2)
        with pytest.raises(BenchError, match="purple"):
            await run_once(Worker("worker", "the worker", [broken]), place, {}, None, 60, lambda *_: None)
