"""How far behind each partition is, for `/metrics`: what the app's own consumer knows, so asking costs the broker nothing."""

from __future__ import annotations

import asyncio

from streamproc import metrics
from streamproc.runtime.app import LaneApp
from streamproc.runtime.watchdog import fetched_position

LOOK_S = 2.0


def lags(app: LaneApp) -> dict[tuple[str, str], int]:
    """Records not worked off, by topic and partition of those we have; without those of which nothing is known yet.

    While a lane has nothing to do, the consumer's position counts and not what was acknowledged: the ends of
    transactions have offsets too, and no record that could be.
    """
    found = {}
    for tp, lane in app.lanes.items():
        end, fetched = app.consumer.highwater(tp), fetched_position(app, tp)
        if end is None or fetched is None:
            continue
        done = lane.next_offsets.get(tp.topic, fetched)
        found[tp.topic, str(tp.partition)] = max(end - (fetched if lane.idle else min(done, fetched)), 0)
    return found


class LagGauge:
    """Keeps the gauge to the partitions that we have."""

    def __init__(self, app: LaneApp) -> None:
        self._app = app
        self._exported: set[tuple[str, str]] = set()

    async def keep(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)

    def look(self) -> None:
        """Set the gauge once."""
        current = lags(self._app)
        for gone in self._exported - current.keys():
            metrics.LAG.remove(*gone)
        for labels, records in current.items():
            metrics.LAG.labels(*labels).set(records)
        self._exported = {*current}
