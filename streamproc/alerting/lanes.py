"""When which entry is tried: a timer per entry, and a *lane* per channel with a limit on attempts in flight.

Lanes take turns, so a channel with thousands of entries, or one whose every attempt takes its full time, holds up
only itself. Each has a breaker: while that admits nothing, its entries wait as they are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappop, heappush

from streamproc.alerting.breaker import Breaker
from streamproc.alerting.outbox_entry import Entry
from streamproc.model.channel_settings import ChannelRef
from streamproc.model.delivery import Outcome
from streamproc.model.notification import Notification

LaneKey = tuple[str, ChannelRef]


@dataclass(slots=True, eq=False)
class _Lane:
    key: LaneKey
    ready: deque[Entry] = field(default_factory=deque)
    in_flight: int = 0
    waits_turn: bool = False
    rests_until: int | None = None
    breaker: Breaker = field(default_factory=Breaker)


class Lanes:
    """Every method takes O(log n) or less per entry that it concerns; only `held` and `sweep` look at all lanes."""

    def __init__(self, limit: Callable[[Notification], int]) -> None:
        """`limit`: how many attempts may be in flight to a notification's channel; asked each time, at least 1."""
        self._limit = limit
        self._timers: list[tuple[int, int, Entry]] = []
        self._resting: list[tuple[int, int, _Lane]] = []
        """Lanes whose breaker admits nothing before that time; one may be here more than once."""
        self._lanes: dict[LaneKey, _Lane] = {}
        self._turns: deque[_Lane] = deque()
        self._pushed = 0
        self.in_flight = 0
        self.open: set[LaneKey] = set()
        """Channels whose endpoint counts as sick."""

    def schedule(self, entry: Entry) -> None:
        """To be tried at `entry.at`. An entry is scheduled at most once at a time."""
        self._pushed += 1
        heappush(self._timers, (entry.at, self._pushed, entry))

    def take(self, now: int, room: int | None) -> list[Entry]:
        """Entries that are due and have a place in their lane, at most `room`; they are in flight from now on."""
        while self._timers and self._timers[0][0] <= now:
            entry = heappop(self._timers)[2]
            if entry.live:
                lane = self._lane(_key(entry))
                lane.ready.append(entry)
                self._queue(lane)
        while self._resting and self._resting[0][0] <= now:
            lane = heappop(self._resting)[2]
            lane.rests_until = None
            self._queue(lane)
        taken: list[Entry] = []
        while self._turns and (room is None or len(taken) < room):
            lane = self._turns.popleft()
            lane.waits_turn = False
            while lane.ready and not lane.ready[0].live:
                lane.ready.popleft()
            if lane.ready and not lane.breaker.admits(now):
                self._rest(lane)
            elif lane.ready and lane.in_flight < max(1, self._limit(lane.ready[0].notification)):
                entry = lane.ready.popleft()
                entry.in_flight = True
                lane.breaker.began(entry.id)
                lane.in_flight += 1
                self.in_flight += 1
                taken.append(entry)
                self._queue(lane)
            else:
                self._drop(lane, now)
        return taken

    def ended(self, entry: Entry, outcome: Outcome, reached: bool, now: int) -> None:
        """The attempt at `entry` came to `outcome`; `reached`: whether it reached somebody, whatever else."""
        lane = self._lane(_key(entry))
        lane.breaker.ended(entry.id, outcome, reached, now)
        if lane.breaker.open:
            self.open.add(lane.key)
        else:
            self.open.discard(lane.key)
        self._freed(entry, lane, now)

    def cancelled(self, entry: Entry) -> None:
        """The attempt at `entry` ended without an outcome."""
        lane = self._lane(_key(entry))
        lane.breaker.cancelled(entry.id)
        self._freed(entry, lane, None)

    def next_at(self) -> int | None:
        """When `take` has something to look at, as far as timers and places tell; None: only an end changes that."""
        while self._timers and not self._timers[0][2].live:
            heappop(self._timers)
        if self._turns:
            return min((lane.ready[0].at for lane in self._turns if lane.ready), default=0)
        times = [heap[0][0] for heap in (self._timers, self._resting) if heap]
        return min(times) if times else None

    def held(self, now: int) -> set[LaneKey]:
        """The channels whose breaker keeps entries waiting."""
        lanes = (lane for lane in self._lanes.values() if lane.ready)
        return {lane.key for lane in lanes if lane.breaker.open or not lane.breaker.admits(now)}

    def sweep(self, now: int) -> None:
        """Forget lanes of which there is nothing to remember."""
        for lane in list(self._lanes.values()):
            self._drop(lane, now)

    def forget(self, key: LaneKey) -> None:
        """Nothing more will be tried there: whatever its breaker knows is of no use."""
        self.open.discard(key)
        lane = self._lanes.get(key)
        if lane is not None:
            lane.breaker = Breaker()
            self._queue(lane)

    def _freed(self, entry: Entry, lane: _Lane, now: int | None) -> None:
        entry.in_flight = False
        lane.in_flight -= 1
        self.in_flight -= 1
        if lane.ready:
            self._queue(lane)
        elif now is not None:
            self._drop(lane, now)

    def _drop(self, lane: _Lane, now: int) -> None:
        if not lane.ready and not lane.in_flight and not lane.waits_turn and lane.breaker.idle(now):
            self._lanes.pop(lane.key, None)

    def _rest(self, lane: _Lane) -> None:
        until = lane.breaker.until
        if until is not None and until != lane.rests_until:  # None: the end of the probe wakes it
            lane.rests_until = until
            self._pushed += 1
            heappush(self._resting, (until, self._pushed, lane))

    def _lane(self, key: LaneKey) -> _Lane:
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane(key)
        return lane

    def _queue(self, lane: _Lane) -> None:
        if not lane.waits_turn and lane.ready:
            lane.waits_turn = True
            self._turns.append(lane)


def _key(entry: Entry) -> LaneKey:
    return (entry.notification.tenant, entry.notification.channel)
