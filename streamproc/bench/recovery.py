"""How long a worker takes from its start until it is ready, by the keys it owns, and what memory it needs meanwhile.

A real worker counts events of which each is a key of its own, and is stopped. Then the same process is started again
twice: with its local copy as it left it, and with the copy deleted, so that it is rebuilt from the changelog.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from streamproc.bench.child import Child
from streamproc.bench.contestant import BenchError, Entry, Launch, Place
from streamproc.bench.course import Course
from streamproc.bench.measure import START_LIMIT_S, Tell, Watch, start
from streamproc.bench.parts import key_match
from streamproc.bench.product import ready
from streamproc.bench.usage import Sampler, process_usage

READY_GOAL_S = 5.0
"""With the copy, at `GOAL_KEYS`."""
REBUILD_GOAL_PER_S = 200_000
MEMORY_GOAL_MIB = 500e6 / 2**20
GOAL_KEYS = 1_000_000
LIMIT_S = 900.0
SETTLE_S = 2.0
"""So long after it was ready its memory is looked at again."""
_LOOK_S = 0.02


@dataclass(frozen=True, slots=True)
class Restart:
    """One start of the worker."""

    ready_s: float
    """From the process's start until /readyz said so."""
    open_s: float
    """Of that, from the first partition that was taken over until all were open."""
    cpu_s: float
    """Until it was ready, start-up included."""
    records: int
    """Read from the changelog."""
    peak_mib: float
    after_mib: float
    foreign_cores: float | None

    @property
    def records_per_s(self) -> float:
        """While partitions were being opened."""
        return self.records / self.open_s if self.open_s else 0.0


@dataclass(frozen=True, slots=True)
class RecoveryFigure:
    """One number of keys. `working_mib`: memory at most while they were counted; `disk_mib`: their local copy."""

    keys: int
    working_mib: float
    disk_mib: float
    kept: Restart
    """With the local copy."""
    rebuilt: Restart
    """Without."""

    @property
    def peak_mib(self) -> float:
        """The most memory that was seen, whatever it did."""
        return max(self.working_mib, self.kept.peak_mib, self.rebuilt.peak_mib)

    def as_json(self) -> dict[str, Any]:
        """All of it, and the rate."""
        return {**asdict(self), "peak_mib": self.peak_mib, "rebuilt_per_s": round(self.rebuilt.records_per_s)}


def goals(figures: Sequence[RecoveryFigure]) -> list[dict[str, Any]]:
    """What is aimed at, where `GOAL_KEYS` were measured: {goal, limit, value, reached}."""
    found: list[dict[str, Any]] = []
    for figure in figures:
        if figure.keys == GOAL_KEYS:
            ready_s, rate, memory = figure.kept.ready_s, figure.rebuilt.records_per_s, figure.peak_mib
            found += [
                _goal("s until ready with the local copy, at most", READY_GOAL_S, ready_s, ready_s <= READY_GOAL_S),
                _goal("records rebuilt a second, at least", REBUILD_GOAL_PER_S, rate, rate >= REBUILD_GOAL_PER_S),
                _goal("MiB of memory, at most", MEMORY_GOAL_MIB, memory, memory <= MEMORY_GOAL_MIB),
            ]
    return found


def _goal(text: str, limit: float, value: float, reached: bool) -> dict[str, Any]:
    return {"goal": text, "limit": round(limit, 1), "value": round(value, 2), "reached": reached}


async def measure_recovery(course: Course, keys: int, tell: Tell) -> RecoveryFigure:
    """Count, stop, start with the copy, stop, start without. Raises BenchError, TimeoutError."""
    match = key_match(keys)
    await course.prepare(match)
    await course.quiet()
    async with course.place(f"recovery-{keys}", match) as place:
        entry = await match.contestant.enter(place)
        launch = entry.launches[0]
        working = await _count(entry, place, tell)
        copy = place.directory / "state" / "worker-0" / "detectors"
        disk = sum(file.stat().st_size for file in copy.rglob("*") if file.is_file())
        await course.quiet()
        tell(f"starting with {keys:,} keys on disk", 0, 1)
        kept = await _restart(course, launch, place, "kept")
        shutil.rmtree(copy)
        await course.quiet()
        tell(f"starting with {keys:,} keys to rebuild", 0, 1)
        rebuilt = await _restart(course, launch, place, "rebuilt")
        if rebuilt.records < keys:
            raise BenchError(f"recovery: {rebuilt.records:,} records were read for {keys:,} keys")
        shutil.rmtree(place.directory / "state", ignore_errors=True)
    return RecoveryFigure(keys, round(working / 2**20, 1), round(disk / 2**20, 1), kept, rebuilt)


async def _count(entry: Entry, place: Place, tell: Tell) -> int:
    """Have every key counted; answers the most resident bytes that were seen."""
    source = await place.cluster.ends(await place.cluster.partitions([place.events]))
    with start(entry.launches[0], place) as child, Sampler([child.pid], None) as sampler:
        watch = Watch(entry, place, [child], f"counting {place.count:,} keys", tell)
        await watch.first_record(time.monotonic() + START_LIMIT_S)
        await watch.all_taken(time.monotonic() + LIMIT_S)
        await watch.drained(source, time.monotonic() + LIMIT_S)
    return sampler.trace.rss_peak


async def _restart(course: Course, launch: Launch, place: Place, name: str) -> Restart:
    log = place.directory / f"{name}.log"
    address = launch.environment["STREAMPROC_WORKER_HTTP"]
    environment = launch.environment | {"STREAMPROC_LOG_FORMAT": "json"}
    with (
        Child(launch.command, environment, place.directory, log) as child,
        Sampler([child.pid], course.broker) as sampler,
    ):
        began = time.monotonic()
        at = await ready(course.session, address, child, LIMIT_S, _LOOK_S)
        usage = process_usage(child.pid)
        async with course.session.get(f"http://{address}/metrics") as answer:
            records = recovered(await answer.text())
        await asyncio.sleep(SETTLE_S)
        after = process_usage(child.pid)
    trace = sampler.trace
    return Restart(
        ready_s=round(at - began, 3),
        open_s=opening_s(log),
        cpu_s=0.0 if usage is None else usage[0],
        records=records,
        peak_mib=round(trace.rss_peak / 2**20, 1),
        after_mib=0.0 if after is None else round(after[1] / 2**20, 1),
        foreign_cores=None if course.broker is None else round(trace.foreign_cores(began, at), 3),
    )


def recovered(text: str) -> int:
    """Records that recovery read, out of the worker's metrics."""
    return int(sum(float(n) for n in re.findall(r"^streamproc_recovered_records_total\{[^}]*\} (\S+)$", text, re.M)))


def opening_s(log: Path) -> float:
    """How long the worker says, in its JSON log, that it took to open what it was assigned last. Or BenchError."""
    lines = [orjson.loads(line) for line in log.read_bytes().splitlines() if line.startswith(b"{")]
    found = [line["seconds"] for line in lines if line.get("event") == "partitions.assigned"]
    if not found:
        raise BenchError(f"{log.stem}: the log does not say how long partitions took to open")
    return float(found[-1])
