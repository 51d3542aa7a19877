"""Sequence: an event for each step within a span, in order or in any.

A chain is a different event for each step. In order, their times do not fall from step to step (equal times count as
ordered). From first to last a chain is shorter than the span W: a span is `(t - W, t]`, like a window.

When an event comes, in whatever order, a chain is looked for in all spans that contain it, so that which groups alert
does not depend on the order of arrival within the lateness. A chain that fires is consumed: its events are part of no
other. Of several, the one that ends latest is taken; of these, in order, the one whose last step but one is latest,
then the one before it, and so on; in any order, the one with the latest event beside its last, and so on. Between
events of equal times ids decide, not the order of arrival.

As chains are consumed at once, what is kept holds none, and any that is found contains the event that came.

Bound: an event is kept for 2 W + L of event time, as a hit that is not yet late could share a span with it. A key has
at most `MAX_ENTRIES` events that wait and as many ids of consumed ones, of which the oldest go first, and
`MAX_SAMPLES_BYTES` of documents, of which those that came first go first.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from typing import Any, TypeVar

from streamproc.detect.detector import EventDetector
from streamproc.detect.rolling import KEPT_SAMPLES, MAX_SAMPLE_BYTES
from streamproc.detect.verdict import COUNTED, DUPLICATE, LATE
from streamproc.model.times import iso, span

MAX_ENTRIES = 1024
MAX_SAMPLES_BYTES = 64 * 1024
FEW_ENDS = 4
"""So many times at which a chain could end are tried one by one."""
Entry = tuple[int, str, int]
"""(event time, event id, its steps as bits)"""
_NONE = -(1 << 62)
_Node = TypeVar("_Node")
_Place = TypeVar("_Place", bound=Hashable)


class Track:
    """The events of a key that wait for their chain, sorted, and the chain that fired last."""

    __slots__ = ("chain", "chain_samples", "entries", "held_bytes", "ids", "newest", "samples", "steps_of", "used")

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.used: list[tuple[int, str]] = []
        """Time and id of consumed events, sorted; they may still be repeated."""
        self.newest = _NONE
        self.chain: list[Entry] = []
        """By step."""
        self.chain_samples: list[bytes] = []
        self.samples: dict[str, bytes] = {}
        """Event id → document, in order of arrival."""
        # What follows is made of the above.
        self.ids: set[str] = set()
        self.steps_of: Counter[int] = Counter()
        """How many entries have which steps."""
        self.held_bytes = 0


class Sequence(EventDetector):
    """Settings of one rule; see `detector.Detector`. A hit's value says by its bits which steps the event is."""

    __slots__ = ("all_steps", "horizon_ms", "keep_ms", "late_ms", "ordered", "steps", "within_ms")

    def __init__(self, steps: int, ordered: bool, within_ms: int, lateness_ms: int) -> None:
        self.steps = steps
        self.all_steps = (1 << steps) - 1
        self.ordered = ordered
        self.within_ms = within_ms
        self.late_ms = within_ms + lateness_ms
        self.keep_ms = 2 * within_ms + lateness_ms
        self.horizon_ms = self.keep_ms

    def new(self) -> Track:
        return Track()

    def apply(self, state: Track, t: int, arrival: int, event_id: str, value: int, raw: bytes) -> int:
        if t < state.newest - self.late_ms:
            return LATE
        if event_id in state.ids:
            return DUPLICATE
        entry = (t, event_id, value)
        insort(state.entries, entry)
        state.ids.add(event_id)
        state.steps_of[value] += 1
        if t > state.newest:
            state.newest = t
        _keep_sample(state, event_id, raw)
        self._forget(state)
        if event_id not in state.ids:
            return COUNTED  # older than everything a full key still holds
        chain = self._find(state, entry)
        if chain is None:
            return COUNTED
        state.chain = chain
        documents = (state.samples.get(one[1]) for one in sorted(chain))
        state.chain_samples = [document for document in documents if document][-KEPT_SAMPLES:]
        for one in chain:
            del state.entries[bisect_left(state.entries, one)]
            _uncount(state, one)
            insort(state.used, one[:2])
            state.ids.add(one[1])
        return self.steps

    def _forget(self, state: Track) -> None:
        """What no chain can need any more, and what is over the bounds."""
        entries, used, oldest = state.entries, state.used, state.newest - self.keep_ms
        if entries[0][0] <= oldest or len(entries) > MAX_ENTRIES:
            gone = max(bisect_left(entries, (oldest + 1,)), len(entries) - MAX_ENTRIES)
            for entry in entries[:gone]:
                _uncount(state, entry)
            del entries[:gone]
        if used and (used[0][0] <= oldest or len(used) > MAX_ENTRIES):
            gone = max(bisect_left(used, (oldest + 1,)), len(used) - MAX_ENTRIES)
            state.ids.difference_update(event_id for _, event_id in used[:gone])
            del used[:gone]

    def _find(self, state: Track, entry: Entry) -> list[Entry] | None:
        """The chain to take, by step; None when there is none."""
        entries, t = state.entries, entry[0]
        if not self._complete(state.steps_of):
            return None
        high = bisect_left(entries, (t + self.within_ms,))
        if not self.ordered:
            place = high if entries[-1] == entry else self._latest_span(entries, t, high)
            return None if place is None else self._in_any_order(entries, place)
        last = 1 << (self.steps - 1)
        times = {one[0] for one in entries[bisect_left(entries, (t,)) : high] if one[2] & last}
        ends = [bisect_left(entries, (time + 1,)) for time in sorted(times, reverse=True)]
        if len(ends) > FEW_ENDS:
            place = self._latest_end(entries, bisect_left(entries, (t - self.within_ms + 1,)), high)
            ends = [] if place is None else [place]
        for end in ends:
            chain = self._in_order(entries, end)
            if chain is not None:
                return chain
        return None

    def _complete(self, steps_of: Iterable[int]) -> bool:
        """Whether each step is one of somebody's."""
        union = 0
        for bits in steps_of:
            union |= bits
        return union == self.all_steps

    def _first(self, entries: list[Entry], end: int) -> int:
        """Where the span starts that ends before the place `end`."""
        return bisect_left(entries, (entries[end - 1][0] - self.within_ms + 1,))

    def _in_order(self, entries: list[Entry], end: int) -> list[Entry] | None:
        """Backwards from the end: each group of equal times takes as many of the steps that are left as it can.

        That is best: whatever would lead from more steps that are left to the first leads there from fewer.
        """
        chain: list[Entry] = []
        first = self._first(entries, end)
        while end > first and len(chain) < self.steps:
            start = bisect_left(entries, (entries[end - 1][0],), first, end)
            left = self.steps - len(chain)
            chain += _matched(entries[start:end], range(left - 1, -1, -1))
            end = start
        return chain[::-1] if len(chain) == self.steps else None

    def _latest_end(self, entries: list[Entry], low: int, high: int) -> int | None:
        """Where, among entries from `low` to `high`, the latest chain in order ends: the place after its last time.

        `starts[n]` is the latest time at which a chain of the first n steps starts, of those that ended so far.
        """
        steps, within = self.steps, self.within_ms
        starts, found, at = [_NONE] * (steps + 1), None, low
        while at < high:
            t = entries[at][0]
            after = bisect_left(entries, (t + 1,), at, high)
            starts[0] = t
            if after == at + 1:
                for step in reversed(_steps(entries[at][2])):
                    starts[step + 1] = max(starts[step + 1], starts[step])
            else:
                group, before = entries[at:after], starts.copy()
                for step in range(steps):
                    if before[step] > _NONE:
                        for number in range(1, len(_matched(group, range(step, steps))) + 1):
                            starts[step + number] = max(starts[step + number], before[step])
            at = after
            if starts[steps] > t - within:
                found = after
        return found

    def _in_any_order(self, entries: list[Entry], end: int) -> list[Entry] | None:
        """The latest first, each that leaves a different event for each step taken so far."""
        holder: dict[int, Entry] = {}
        useless: set[int] = set()
        for entry in reversed(entries[self._first(entries, end) : end]):
            # What is of no use once is of none later, when more is taken.
            if entry[2] not in useless and not _placed(entry, _steps_of_entry, holder, set()):
                useless.add(entry[2])
            if len(holder) == self.steps:
                return [holder[step] for step in range(self.steps)]
        return None

    def _latest_span(self, entries: list[Entry], t: int, high: int) -> int | None:
        """The place after the latest span with time t in it that has a chain in any order."""
        first = last = high
        steps_of: Counter[int] = Counter()
        # From the latest span back, entries come in at its start and go at its end.
        while last and entries[last - 1][0] >= t:
            start = entries[last - 1][0] - self.within_ms
            while first and entries[first - 1][0] > start:
                first -= 1
                steps_of[entries[first][2]] += 1
            if self._complete(steps_of) and self._enough(steps_of):
                return last
            before = bisect_left(entries, (entries[last - 1][0],), first, last)
            for entry in entries[before:last]:
                steps_of[entry[2]] -= 1
                if not steps_of[entry[2]]:
                    del steps_of[entry[2]]
            last = before
        return None

    def _enough(self, steps_of: Counter[int]) -> bool:
        holder: dict[int, int] = {}
        for bits, count in steps_of.items():
            for _ in range(count):
                if not _placed(bits, _steps, holder, set()):
                    break
        return len(holder) == self.steps

    def context(self, state: Track) -> dict[str, Any]:
        times = [t for t, _, _ in state.chain]
        return {
            "count": len(state.chain),
            "within_seconds": _seconds(self.within_ms),
            "span_seconds": _seconds(max(times) - min(times)),
            "steps": [
                {"step": number, "event_id": event_id, "event_time": iso(t)}
                for number, (t, event_id, _) in enumerate(state.chain, 1)
            ],
            "first_event_time": iso(min(times)),
            "last_event_time": iso(max(times)),
            "event_ids": [event_id for _, event_id, _ in sorted(state.chain)],
        }

    def samples(self, state: Track) -> list[bytes]:
        return state.chain_samples

    def reason(self, state: Track, group: dict[str, Any], event: dict[str, Any] | None) -> str:
        times = [t for t, _, _ in state.chain]
        where = ", ".join(f"{path} {value}" for path, value in group.items())
        order = "in order" if self.ordered else "in any order"
        return f"{self.steps} steps {order} in {span(max(times) - min(times))}" + (f" for {where}" if where else "")

    def encode(self, state: Track) -> Any:
        return [
            state.newest,
            state.entries,
            state.used,
            list(state.samples.items()),
            state.chain,
            state.chain_samples,
        ]

    def decode(self, stored: Any) -> Track:
        state = Track()
        state.newest, entries, used, samples, chain, state.chain_samples = stored
        state.entries = [tuple(entry) for entry in entries]
        state.used = [tuple(one) for one in used]
        state.samples = dict(samples)
        state.chain = [tuple(entry) for entry in chain]
        state.ids = {event_id for _, event_id, _ in state.entries} | {event_id for _, event_id in state.used}
        state.steps_of = Counter(bits for _, _, bits in state.entries)
        state.held_bytes = sum(map(len, state.samples.values()))
        return state


def _keep_sample(state: Track, event_id: str, raw: bytes) -> None:
    if len(raw) > MAX_SAMPLE_BYTES:
        return
    state.samples[event_id] = raw
    state.held_bytes += len(raw)
    while state.held_bytes > MAX_SAMPLES_BYTES:
        state.held_bytes -= len(state.samples.pop(next(iter(state.samples))))


def _uncount(state: Track, entry: Entry) -> None:
    """An entry went."""
    _, event_id, bits = entry
    state.ids.discard(event_id)
    state.steps_of[bits] -= 1
    if not state.steps_of[bits]:
        del state.steps_of[bits]
    state.held_bytes -= len(state.samples.pop(event_id, b""))


def _seconds(ms: int) -> float | int:
    return ms / 1000 if ms % 1000 else ms // 1000


def _steps(bits: int) -> list[int]:
    return [step for step in range(bits.bit_length()) if bits >> step & 1]


def _steps_of_entry(entry: Entry) -> list[int]:
    return _steps(entry[2])


def _matched(group: list[Entry], steps: range) -> list[Entry]:
    """A different entry for each of the first steps, up to one for which there is none."""
    if len(group) == 1:
        return group if group[0][2] >> steps[0] & 1 else []
    holder: dict[int, int] = {}  # place → step

    def places(step: int) -> list[int]:
        return [place for place in range(len(group) - 1, -1, -1) if group[place][2] >> step & 1]

    for step in steps:
        if not _placed(step, places, holder, set()):
            break
    by_step = {step: group[place] for place, step in holder.items()}
    return [by_step[step] for step in steps if step in by_step]


def _placed(
    node: _Node, places: Callable[[_Node], Iterable[_Place]], holder: dict[_Place, _Node], tried: set[_Place]
) -> bool:
    """Give `node` one of its places, and move others to another of theirs where that is needed: an augmenting path
    of a bipartite matching. Answers whether there is room; if not, nothing is changed."""
    for place in places(node):
        if place not in tried:
            tried.add(place)
            if place not in holder or _placed(holder[place], places, holder, tried):
                holder[place] = node
                return True
    return False
