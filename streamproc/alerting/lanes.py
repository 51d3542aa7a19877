"""When which entry is tried: a timer per entry, and a *lane* per channel with a limit on attempts in flight.

Lanes take turns, so a channel with thousands of entries, or one whose every attempt takes its full time, holds up
only itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush

from streamproc.alerting.outbox_entry import Entry
from streamproc.model.channel_settings import ChannelRef
from streamproc.model.notification import Notification

LaneKey = tuple[str, ChannelRef]


@dataclass(slots=True, eq=False)
class _Lane:
    key: LaneKey
    ready: deque[Entry] = field(default_factory=deque)
    in_flight: int = 0
    waits_turn: bool = False


class Lanes:
    """Every method takes O(log n) or less per entry that it concerns; nothing is scanned."""

    def __init__(self, limit: Callable[[Notification], int]) -> None:
        """`limit`: how many attempts may be in flight to a notification's channel; asked each time, at least 1."""
        self._limit = limit
        self._timers: list[tuple[int, int, Entry]] = []
        self._lanes: dict[LaneKey, _Lane] = {}
        self._turns: deque[_Lane] = deque()
        self._pushed = 0
        self.in_flight = 0

    def schedule(self, entry: Entry) -> None:
        """To be tried at `entry.at`. An entry is scheduled at most once at a time."""
        self._pushed += 1
        heappush(self._timers, (entry.at, self._pushed, entry))

    def take(self, now: int, room: int | None) -> list[Entry]:
        """Entries that are due and have a place in their lane, at most `room`; they are in flight from now on."""
        while self._timers and self._timers[0][0] <= now:
            entry = heappop(self._timers)[2]
            if entry.live:
                lane = self._lane(entry)
                lane.ready.append(entry)
                self._queue(lane)
        taken: list[Entry] = []
        while self._turns and (room is None or len(taken) < room):
            lane = self._turns.popleft()
            lane.waits_turn = False
            while lane.ready and not lane.ready[0].live:
                lane.ready.popleft()
            if lane.ready and lane.in_flight < max(1, self._limit(lane.ready[0].notification)):
                entry = lane.ready.popleft()
                entry.in_flight = True
                lane.in_flight += 1
                self.in_flight += 1
                taken.append(entry)
                self._queue(lane)
            elif not lane.ready and not lane.in_flight:
                del self._lanes[lane.key]
        return taken

    def freed(self, entry: Entry) -> None:
        """The attempt at `entry` is over."""
        entry.in_flight = False
        lane = self._lane(entry)
        lane.in_flight -= 1
        self.in_flight -= 1
        if lane.ready:
            self._queue(lane)
        elif not lane.in_flight and not lane.waits_turn:
            del self._lanes[lane.key]

    def next_at(self) -> int | None:
        """When `take` has something to look at, as far as timers and places tell; None: only `freed` changes that."""
        while self._timers and not self._timers[0][2].live:
            heappop(self._timers)
        if self._turns:
            return min((lane.ready[0].at for lane in self._turns if lane.ready), default=0)
        return self._timers[0][0] if self._timers else None

    def _lane(self, entry: Entry) -> _Lane:
        key = (entry.notification.tenant, entry.notification.channel)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane(key)
        return lane

    def _queue(self, lane: _Lane) -> None:
        if not lane.waits_turn and lane.ready:
            lane.waits_turn = True
            self._turns.append(lane)
