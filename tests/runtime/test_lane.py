"""A lane works in order, acknowledges afterwards, and never keeps an agent waiting once it is closed."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from streamproc.runtime.lane import QUEUED_SLICES, Lane


def slice_of(offset: int, acked: list[int]) -> Any:
    message = SimpleNamespace(topic="events", offset=offset)
    return SimpleNamespace(message=message, value=[offset], ack=lambda: acked.append(offset))


@pytest.mark.parametrize(("most_records", "room"), [(None, QUEUED_SLICES), (1, 1)])
async def test_an_agent_that_waits_for_room_goes_on_when_the_lane_is_closed(
    most_records: int | None, room: int
) -> None:
    acked: list[int] = []
    begun = asyncio.Event()

    async def hang(slices: Any) -> None:
        begun.set()
        await asyncio.Event().wait()

    lane = Lane("events 0", hang, lambda error: None, most_records=most_records)
    await lane.deliver(slice_of(0, acked))
    await begun.wait()
    for offset in range(1, room + 1):
        await lane.deliver(slice_of(offset, acked))
    waiting = asyncio.create_task(lane.deliver(slice_of(99, acked)))
    await asyncio.sleep(0)
    assert not waiting.done()
    await lane.stop(0.01)
    await asyncio.wait_for(waiting, 5)
    assert acked == [], "whoever has the partition next reads all of it again"


async def test_a_lane_is_full_by_its_records_too() -> None:
    acked: list[int] = []
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def work(slices: Any) -> None:
        begun.set()
        await go_on.wait()

    def of(offset: int, records: int) -> Any:
        event = slice_of(offset, acked)
        event.value = [offset] * records
        return event

    lane = Lane("route events/0", work, lambda error: None, most_records=10)
    await lane.deliver(of(0, 4))
    await begun.wait()
    await lane.deliver(of(1, 9))
    await lane.deliver(of(2, 50))  # one more slice, whatever its size
    waiting = asyncio.create_task(lane.deliver(of(3, 1)))
    await asyncio.sleep(0)
    assert not waiting.done()
    go_on.set()
    await asyncio.wait_for(waiting, 5)
    while len(acked) < 4:
        await asyncio.sleep(0)
    await lane.stop(5)
    assert acked == [0, 1, 2, 3]


async def test_what_was_worked_on_is_acknowledged_in_order_and_afterwards() -> None:
    acked: list[int] = []
    seen: list[int] = []
    done = asyncio.Event()

    async def work(slices: Any) -> None:
        assert not set(acked) & {offset for _, records in slices for offset in records}
        seen.extend(offset for _, records in slices for offset in records)
        if 4 in seen:
            done.set()

    lane = Lane("events 0", work, lambda error: None)
    for offset in range(5):
        await lane.deliver(slice_of(offset, acked))
    await done.wait()
    await lane.stop(5)
    assert (seen, acked) == ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4])
    assert lane.next_offsets == {"events": 5}
