"""Ends a process that has records waiting and gets nowhere, with a reason: a supervisor starts it again, and another
process can take its partitions meanwhile. A process that hangs is the one failure that nobody sees."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from faust.types import TP

from streamproc.kafka.client import client_options
from streamproc.kafka.closing import close_consumer
from streamproc.runtime.app import LaneApp
from streamproc.runtime.lag import fetched_position

log = structlog.get_logger(__name__)

LOOK_S = 5.0


class StalledError(RuntimeError):
    """Records wait in a partition and none of them is processed."""


class Place(NamedTuple):
    """Where the work on a partition stands: the next offset to fetch, the next to acknowledge, the partition's end."""

    fetched: int
    done: int
    end: int
    busy: bool
    """Whether anything that was fetched is still being worked on."""

    @property
    def waiting(self) -> bool:
        """Whether there is something to do."""
        return self.busy or self.fetched < self.end


@dataclass(slots=True)
class Watchdog:
    """Decides; `look` is given what there is every few seconds. Times are seconds of any steady clock."""

    limit_s: float
    _since: dict[str, tuple[tuple[int, int], float]] = field(default_factory=dict)

    def look(self, places: Mapping[str, Place], now: float) -> str | None:
        """What is wrong, if a partition that has something to do has not moved for `limit_s`."""
        for name in self._since.keys() - places.keys():
            del self._since[name]
        for name, place in places.items():
            moved = (place.fetched, place.done)
            before, since = self._since.get(name, (None, now))
            if not place.waiting or before != moved:
                self._since[name] = (moved, now)
            elif now - since >= self.limit_s:
                waiting = max(place.end - max(place.done, 0), 0)
                return (
                    f"{name} did not move from offset {place.fetched} for {now - since:.0f} s, "
                    f"though there are records up to {place.end} ({waiting} at most wait)"
                )
        return None


async def watch(app: LaneApp, limit_s: float) -> None:
    """Look until cancelled; `app.fail` when the app gets nowhere. A broker that does not answer is no verdict."""
    watchdog = Watchdog(limit_s)
    consumer: Any = None
    try:
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                if consumer is None:
                    consumer = AIOKafkaConsumer(**client_options(app.settings), isolation_level="read_committed")
                    await asyncio.wait_for(consumer.start(), LOOK_S)
                places = await asyncio.wait_for(_places(app, consumer), LOOK_S)
            except (KafkaError, OSError, TimeoutError):
                watchdog = Watchdog(limit_s)
                if consumer is not None:
                    await close_consumer(consumer)
                    consumer = None
                continue
            problem = watchdog.look(places, time.monotonic())
            if problem is not None:
                app.fail(StalledError(problem))
                return
    finally:
        if consumer is not None:
            await close_consumer(consumer)


async def _places(app: LaneApp, consumer: Any) -> dict[str, Place]:
    lanes = {(tp.topic, tp.partition): lane for tp, lane in app.lanes.items()}
    if not lanes:
        return {}
    ends = await consumer.end_offsets([TopicPartition(*tp) for tp in lanes])
    found: dict[str, Place] = {}
    for tp, end in ends.items():
        lane = lanes[tp.topic, tp.partition]
        fetched = fetched_position(app.consumer, tp)
        if fetched is not None:
            done = lane.next_offsets.get(tp.topic, -1)
            found[f"{tp.topic}/{tp.partition}"] = Place(fetched, done, end, not lane.idle)
            held = app.held(TP(tp.topic, tp.partition))
            if held is not None:
                found[f"{tp.topic}/{tp.partition}, second reading,"] = Place(held, held, fetched, True)
    return found
