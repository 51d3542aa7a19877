"""Lanes that are open when a rebalance interrupts the opening of the rest are closed by the next one."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from streamproc.runtime.app import LaneApp

CLOSED: list[int] = []


class Opened:
    """Stands in for a lane."""

    def __init__(self, partition: int) -> None:
        self.partition = partition

    async def stop(self, limit_s: float) -> None:
        CLOSED.append(self.partition)


async def test_an_opening_that_is_interrupted_leaves_no_lane_behind() -> None:
    opened: list[int] = []
    hangs = asyncio.Event()

    async def open_lane(partition: int) -> Any:
        if partition == 1 and not opened[1:]:
            await hangs.wait()
        opened.append(partition)

        return Opened(partition)

    app: Any = SimpleNamespace(
        lanes={}, openers={"events": open_lane}, settings=SimpleNamespace(session_timeout=3.0),
        _measuring=object(), ready=False,
    )  # fmt: skip
    app._close_lanes = lambda: LaneApp._close_lanes(app)
    first = asyncio.create_task(LaneApp.after_assign(app, {TP("events", 0), TP("events", 1)}))
    while not opened:
        await asyncio.sleep(0.001)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert not app.ready
    opened.append(-1)
    await LaneApp.after_assign(app, {TP("events", 1)})
    assert CLOSED == [0], "its ledger would hold its lock, and the partition could not be opened here again"
    assert set(app.lanes) == {TP("events", 1)}
    assert app.ready
