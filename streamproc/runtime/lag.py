"""How far behind each partition is, for `/metrics`: what our consumer knows, at no cost to the broker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from faust.exceptions import ConsumerNotStarted

from streamproc import metrics
from streamproc.runtime.lane import Lane

LOOK_S = 2.0


def fetched_position(consumer: Any, tp: Any) -> int | None:
    """The next offset that a Faust consumer will fetch; None while that is not known. Read from its own records, as
    its loop is another thread's, which may be what hangs."""
    with contextlib.suppress(AttributeError, KeyError, IndexError):
        assignment = consumer._thread._consumer._subscription.subscription.assignment
        position = assignment.state_value(tp)._position
        return None if position is None else int(position)
    return None


def lag_of(lane: Lane, topic: str, fetched: int, end: int, held: int | None = None) -> int:
    """Records of a partition that are not worked off; those from `held` on are not, whatever is acknowledged.

    While a lane has nothing to do, the consumer's position counts and not what was acknowledged: the ends of
    transactions have offsets too, and no record that could be.
    """
    done = fetched if lane.idle else min(lane.next_offsets.get(topic, fetched), fetched)
    return max(end - (done if held is None else min(done, held)), 0)


class LagGauge:
    """Keeps `streamproc_lag_records` at the partitions that have a lane. `lanes` answers those of now."""

    def __init__(self, lanes: Callable[[], Mapping[Any, Lane]], consumer: Callable[[], Any]) -> None:
        self._lanes = lanes
        self._consumer = consumer
        self._exported: set[tuple[str, str]] = set()

    async def keep(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)

    def look(self) -> None:
        """Set the gauge; a partition of which nothing is known yet, or any more, has no value."""
        current: dict[tuple[str, str], int] = {}
        for tp, lane in self._lanes().items():
            # aiokafka's, for a partition that has just gone; Faust's, for a consumer that has
            with contextlib.suppress(AssertionError, ConsumerNotStarted):
                consumer = self._consumer()
                end, fetched = consumer.highwater(tp), fetched_position(consumer, tp)
                if end is not None and fetched is not None:
                    current[tp.topic, str(tp.partition)] = lag_of(lane, tp.topic, fetched, end, consumer.held.get(tp))
        for gone in self._exported - current.keys():
            metrics.LAG.remove(*gone)
        for labels, records in current.items():
            metrics.LAG.labels(*labels).set(records)
        self._exported = {*current}
