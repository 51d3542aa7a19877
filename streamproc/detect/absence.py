"""Absence: no matching event for a span, once the group was seen.

The deadline is the latest event time plus the span; an event at the deadline itself is in time. Whether it was met is
settled when stream time reaches the deadline plus the lateness, from event times alone: an event that came in time and
is of before the deadline moves it, and one of after it does not, although it was there before the deadline was
settled. So every gap between neighbouring events that is longer than the span triggers once, whatever the order in
which they arrived and however far apart the ticks are. What comes after the gap resolves its alert, at once if it is
there already, and the clock starts anew from it. An event for a deadline that is settled is late, and changes nothing.

The same event again changes nothing either, so that no ids are kept.

Bound: `MAX_RUNS` stretches without a gap, of a few numbers each. Past it the two oldest are joined, and the gap between
them is not told of; a key has one or two, unless the span is much shorter than the lateness.
"""

from __future__ import annotations

from typing import Any

from streamproc.detect.detector import NEVER, Cause, EventDetector, Fired
from streamproc.detect.verdict import CLEARED, COUNTED, LATE
from streamproc.model.times import iso, long_span

MAX_RUNS = 64


class Run:
    """Events none of which is further than the span from the one before; `came` is the arrival of the first of them
    to arrive, `last_id` the id of the latest. Times are ms."""

    __slots__ = ("came", "first", "last", "last_id")

    def __init__(self, first: int, last: int, last_id: str, came: int) -> None:
        self.first = first
        self.last = last
        self.last_id = last_id
        self.came = came

    def join(self, other: Run) -> None:
        """Take in another."""
        if other.last > self.last:
            self.last, self.last_id = other.last, other.last_id
        self.first = min(self.first, other.first)
        self.came = min(self.came, other.came)

    def plain(self) -> list[Any]:
        """As it is stored, and as its constructor takes it."""
        return [self.first, self.last, self.last_id, self.came]


class Awaited:
    """The runs whose end is not settled yet, oldest first, and the one after which a deadline was missed last."""

    __slots__ = ("missed", "runs")

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.missed: Run | None = None


class Absence(EventDetector):
    """Settings of one rule; see `detector.Detector`."""

    __slots__ = ("every_ms", "horizon_ms", "lateness_ms")

    timed = True

    def __init__(self, every_ms: int, lateness_ms: int) -> None:
        self.every_ms = every_ms
        self.lateness_ms = lateness_ms
        self.horizon_ms = every_ms + lateness_ms

    def new(self) -> Awaited:
        return Awaited()

    def apply(self, state: Awaited, t: int, arrival: int, event_id: str, value: Any, raw: bytes) -> int:
        runs, every = state.runs, self.every_ms
        if len(runs) == 1:
            run = runs[0]
            if run.last <= t <= run.last + every and arrival <= run.last + every + self.lateness_ms:
                if t > run.last:
                    run.last, run.last_id = t, event_id
                return COUNTED
        settled, at = self._settled(state, arrival)
        if t <= settled:
            return LATE
        if at < len(runs) and t < runs[at].first - every and t + every + self.lateness_ms < arrival:
            return LATE  # its own deadline, which it missed, is settled
        verdict = CLEARED if state.missed is not None and not runs else COUNTED
        self._insert(runs, at, Run(t, t, event_id, arrival))
        if len(runs) > MAX_RUNS:
            runs[0].join(runs.pop(1))
        return verdict

    def _settled(self, state: Awaited, arrival: int) -> tuple[int, int]:
        """The latest settled deadline, and the index of the first run after it.

        By arrival, as if there were a tick before each event: how often time is told must not matter.
        """
        settled = -1 if state.missed is None else state.missed.last + self.every_ms
        at = 0
        for run in state.runs:
            if arrival <= run.last + self.every_ms + self.lateness_ms:
                break
            settled = run.last + self.every_ms
            at += 1
        return settled, at

    def _insert(self, runs: list[Run], at: int, run: Run) -> None:
        """Put a run where it belongs, at `at` or later, joined with those that it is near to."""
        while at < len(runs) and runs[at].last + self.every_ms < run.first:
            at += 1
        while at < len(runs) and runs[at].first - self.every_ms <= run.last:
            known = runs.pop(at)
            known.join(run)  # of events at one time, the first to arrive is told of
            run = known
        runs.insert(at, run)

    def due(self, state: Awaited) -> int:
        # What arrives at that very time is not late, so that it must have passed.
        return state.runs[0].last + self.every_ms + self.lateness_ms + 1 if state.runs else NEVER

    def settle(self, state: Awaited, now: int) -> Fired | None:
        if now < self.due(state):
            return None
        state.missed = run = state.runs.pop(0)
        deadline = run.last + self.every_ms
        at = deadline + self.lateness_ms
        over = max(at, min(later.came for later in state.runs)) if state.runs else None
        return Fired(deadline, at, over)

    def cause(self, state: Awaited) -> Cause | None:
        return None if state.missed is None else Cause("deadline", str(state.missed.last + self.every_ms))

    def context(self, state: Awaited) -> dict[str, Any]:
        missed = state.missed or Run(0, 0, "", 0)
        at = iso(missed.last)
        return {
            "count": 0,
            "expected_every_seconds": self.every_ms / 1000 if self.every_ms % 1000 else self.every_ms // 1000,
            "deadline": iso(missed.last + self.every_ms),
            "first_event_time": at,
            "last_event_time": at,
            "event_ids": [missed.last_id],
        }

    def reason(self, state: Awaited, group: dict[str, Any], event: dict[str, Any] | None) -> str:
        where = ", ".join(f"{path} {value}" for path, value in group.items())
        last = 0 if state.missed is None else state.missed.last
        return (
            f"no matching event for {long_span(self.every_ms)}"
            + (f" for {where}" if where else "")
            + (f" (last at {iso(last)})")
        )

    def encode(self, state: Awaited) -> Any:
        missed = None if state.missed is None else state.missed.plain()
        return [[run.plain() for run in state.runs], missed]

    def decode(self, stored: Any) -> Awaited:
        state = Awaited()
        runs, missed = stored
        state.runs = [Run(*run) for run in runs]
        state.missed = None if missed is None else Run(*missed)
        return state
