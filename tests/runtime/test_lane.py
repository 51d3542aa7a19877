"""A lane works in order, acknowledges afterwards, and says when it has enough."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from streamproc.runtime.lane import QUEUED_SLICES, Lane


def slice_of(offset: int, acked: list[int], records: int = 1) -> Any:
    message = SimpleNamespace(topic="events", offset=offset)
    value = [SimpleNamespace(offset=offset, timestamp=1000 + offset)] * records
    return SimpleNamespace(message=message, value=value, ack=lambda: acked.append(offset))


@pytest.mark.parametrize(("most_records", "each", "room"), [(None, 1, QUEUED_SLICES), (10, 4, 3), (10, 50, 1)])
async def test_a_lane_is_full_by_its_slices_or_its_records_and_has_room_again(
    most_records: int | None, each: int, room: int
) -> None:
    acked: list[int] = []
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def work(slices: Any) -> None:
        begun.set()
        await go_on.wait()

    lane = Lane("route events/0", work, lambda error: None, most_records=most_records)
    lane.deliver(slice_of(0, acked))
    await begun.wait()
    for offset in range(1, room + 1):
        assert not lane.full
        lane.deliver(slice_of(offset, acked, each))
    assert lane.full
    lane.deliver(slice_of(room + 1, acked, each))  # was fetched before: it is taken all the same
    assert (acked, lane.oldest) == ([], 1000)
    go_on.set()
    while len(acked) < room + 2:
        await asyncio.sleep(0)
    assert not lane.full
    while not lane.idle:
        await asyncio.sleep(0)
    assert lane.oldest is None
    await lane.stop(5)
    assert acked == list(range(room + 2))


async def test_what_a_closed_lane_had_is_not_acknowledged() -> None:
    acked: list[int] = []
    begun = asyncio.Event()

    async def hang(slices: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    lane = Lane("events 0", hang, lambda error: None)
    for offset in range(3):
        lane.deliver(slice_of(offset, acked))
    await begun.wait()
    await lane.stop(0.01)
    assert acked == [], "whoever has the partition next reads all of it again"


async def test_what_was_worked_on_is_acknowledged_in_order_and_afterwards() -> None:
    acked: list[int] = []
    seen: list[int] = []
    done = asyncio.Event()

    async def work(slices: Any) -> None:
        assert not set(acked) & {record.offset for _, records in slices for record in records}
        seen.extend(record.offset for _, records in slices for record in records)
        if 4 in seen:
            done.set()

    lane = Lane("events 0", work, lambda error: None)
    for offset in range(5):
        lane.deliver(slice_of(offset, acked))
    await done.wait()
    await lane.stop(5)
    assert (seen, acked) == ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4])
    assert lane.next_offsets == {"events": 5}
