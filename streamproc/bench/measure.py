"""One run of one contestant: start it, watch it drain the events, and say what that took."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from aiokafka import TopicPartition

from streamproc.bench.child import Child
from streamproc.bench.cluster import Cluster, Offsets
from streamproc.bench.contestant import BenchError, Contestant, Entry, Launch, Place
from streamproc.bench.oracle import Alerts, Verdict, compare
from streamproc.bench.progress import Progress
from streamproc.bench.usage import Sampler, Trace

START_LIMIT_S = 180.0
POLL_S = 0.1
LONGEST_PAUSE_S = 1.0
FIRST_POLL_S = 0.05
ALERTS_QUIET_S = 3.0
"""streamproc writes an alert's updates at most once a second, so the last one comes a little later."""
ALERTS_LIMIT_S = 60.0

Tell = Callable[[str, int, int], None]
"""(what, events taken, of how many)"""


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run took, per million events where the name says so."""

    contestant: str
    events: int
    startup_s: float
    """From the process's start to the first record."""
    wall_s: float
    """From the first record to the last one, in any stage."""
    drained_s: float
    """From the first record until everything was committed and every alert written."""
    events_per_s: float
    cpu_s_per_million: float
    """User and system, of all its processes and what they started, over that time."""
    broker_cpu_s_per_million: float | None
    rss_peak_mib: float
    foreign_cores: float | None
    """What other processes used meanwhile; None when the broker's share is not known."""
    verdict: Verdict | None
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def correct(self) -> bool:
        return self.verdict is None or self.verdict.equal


async def run_once(
    contestant: Contestant, place: Place, wanted: Alerts, broker: int | None, limit_s: float, tell: Tell
) -> RunResult:
    """Measure. Raises BenchError when the contestant ends, stalls or is refused."""
    tell(f"{contestant.label}: preparing", 0, place.count)
    entry = await contestant.enter(place)
    source = await place.cluster.ends(await place.cluster.partitions([place.events]))
    writes = await place.cluster.partitions(entry.writes)
    try:
        async with AsyncExitStack() as stack:
            if entry.door is not None:
                await stack.enter_async_context(entry.door)
            started = time.monotonic()
            children = [stack.enter_context(start(launch, place)) for launch in entry.launches]
            sampler = stack.enter_context(Sampler([child.pid for child in children], broker))
            watch = Watch(entry, place, children, contestant.label, tell)
            if entry.door is not None:
                await entry.door.open_for(len(children), watch.check)
            await watch.first_record(started + START_LIMIT_S)
            done = await watch.all_taken(time.monotonic() + limit_s)
            drained = await watch.drained(source, time.monotonic() + limit_s)
            drained = max(drained, await watch.last_alert(writes))
        verdict = None if entry.alerts is None else compare(wanted, await entry.alerts())
        done = await _latest(entry, done)
        entry.notes.update(taken=done.taken, records_written=await _written(place, entry))
    finally:
        await entry.clean()
    result = _result(contestant.name, place.count, started, done, drained, sampler.trace, broker, verdict, entry)
    shutil.rmtree(place.directory / "state", ignore_errors=True)
    return result


def start(launch: Launch, place: Place) -> Child:
    """The process, to be entered."""
    return Child(launch.command, launch.environment, place.directory, place.directory / f"{launch.name}.log")


async def _written(place: Place, entry: Entry) -> dict[str, int]:
    """How many records each of the contestant's own topics got (with marks of transactions), by name."""
    # A client that has asked for a topic goes on asking, which makes it anew where the cluster allows that.
    async with Cluster(place.settings) as once:
        names = [name for name in await once.names(entry.own_topics) if name != place.events]
        ends = await once.ends(await once.partitions(names))
    sums: dict[str, int] = {}
    for tp, end in ends.items():
        name = tp.topic.removeprefix(entry.own_topics)
        sums[name] = sums.get(name, 0) + end
    return {name: count for name, count in sorted(sums.items()) if count}


async def _latest(entry: Entry, seen: Progress) -> Progress:
    """A peer's last word, written after we looked; a worker that has stopped says nothing more."""
    return await entry.progress.read() or seen


def pause(seen: Progress | None, count: int, now: float) -> float:
    """How long to look away: half of what seems to remain, because a look is work for the one looked at."""
    if seen is None or seen.taken >= count or now <= seen.first:
        return POLL_S
    left = (count - seen.taken) * (now - seen.first) / seen.taken
    return min(max(left / 2, POLL_S), LONGEST_PAUSE_S)


class Watch:
    """Waits for what a contestant does, and gives up when one of its processes ends or it takes too long."""

    def __init__(self, entry: Entry, place: Place, children: Sequence[Child], label: str, tell: Tell) -> None:
        self._entry = entry
        self._place = place
        self._children = children
        self._label = label
        self._tell = tell

    async def first_record(self, deadline: float) -> Progress:
        """Wait until something is taken."""
        self._tell(f"{self._label}: starting", 0, self._place.count)
        while True:
            progress = await self._entry.progress.read()
            if progress is not None:
                return progress
            self._check(deadline, "took no record")
            await asyncio.sleep(FIRST_POLL_S)

    async def all_taken(self, deadline: float) -> Progress:
        """Wait until every event is taken and, where that is known, done in every stage."""
        seen = None
        while True:
            progress = await self._entry.progress.read()
            if progress is not None:
                seen = progress
                self._tell(self._label, seen.taken, self._place.count)
                if seen.taken >= self._place.count and seen.behind <= 0:
                    return seen
            self._check(deadline, f"took {seen.taken if seen else 0} of {self._place.count} events")
            await asyncio.sleep(pause(seen, self._place.count, time.monotonic()))

    async def drained(self, source: Offsets, deadline: float) -> float:
        """Wait until the group has committed all it was given; answers when that was seen.

        What the source topic's commit covers is in the later stages already, so their ends at that moment count:
        stream time goes on being written to them.
        """
        cluster, group = self._place.cluster, self._entry.group
        while await cluster.lag(group, source) > 0:
            self._check(deadline, "did not commit all events")
            await asyncio.sleep(POLL_S)
        later = await cluster.partitions(self._entry.later_stages)
        absent = set(self._entry.later_stages) - {tp.topic for tp in later}
        if absent:
            raise BenchError(f"{self._label} has no topic {', '.join(sorted(absent))} between its stages")
        ends = await cluster.ends(later)
        while (left := await cluster.lag(group, ends)) > 0:
            self._check(deadline, f"left {left} records of a later stage uncommitted")
            await asyncio.sleep(POLL_S)
        return time.monotonic()

    async def last_alert(self, writes: Sequence[TopicPartition]) -> float:
        """Wait until no alert record has come for `ALERTS_QUIET_S`; answers when the last one was seen."""
        if not writes:
            return 0.0
        cluster = self._place.cluster
        ends, changed = await cluster.ends(writes), 0.0
        started = time.monotonic()
        while time.monotonic() < max(started, changed) + ALERTS_QUIET_S:
            await asyncio.sleep(POLL_S)
            now = await cluster.ends(writes)
            if now != ends:
                ends, changed = now, time.monotonic()
            self._check(started + ALERTS_LIMIT_S, "went on writing alerts, and did not end")
        return changed

    def check(self) -> None:
        """Raise BenchError when a process has ended."""
        for child in self._children:
            if child.status is not None:
                raise BenchError(f"{self._label} ended with status {child.status}:\n{child.last_lines()}")

    def _check(self, deadline: float, what: str) -> None:
        self.check()
        if time.monotonic() > deadline:
            said = "\n".join(child.last_lines() for child in self._children)
            raise BenchError(f"{self._label} {what} in time:\n{said}")


def _result(
    name: str,
    events: int,
    started: float,
    done: Progress,
    drained: float,
    trace: Trace,
    broker: int | None,
    verdict: Verdict | None,
    entry: Entry,
) -> RunResult:
    millions = events / 1e6
    wall = done.last - done.first
    return RunResult(
        contestant=name,
        events=events,
        startup_s=round(done.first - started, 2),
        wall_s=round(wall, 3),
        drained_s=round(drained - done.first, 3),
        events_per_s=round(events / wall),
        cpu_s_per_million=round(trace.between(done.first, drained) / millions, 3),
        broker_cpu_s_per_million=(
            None if broker is None else round(trace.between(done.first, drained, "broker") / millions, 3)
        ),
        rss_peak_mib=round(trace.rss_peak / 2**20, 1),
        foreign_cores=None if broker is None else round(trace.foreign_cores(done.first, drained), 3),
        verdict=verdict,
        notes=entry.notes,
    )
