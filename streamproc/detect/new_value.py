"""New value: something at a path that the group never had before; its first ever is none.

A value is new when the group has others and either never had this one or had it last more than `ttl` of event time
before. In the first `learning` of event time of a group, and for its first event, new values are learnt in silence. A
group of which nothing was seen for longer than `ttl` is known no more: it begins anew, as if seen for the first time.
(The engine forgets the key then, too.)

Which of two values comes first makes no difference to whether the group alerts: whichever comes second is the new one,
also when it is the older. That holds for every order within the lateness as long as `learning` is none, or longer
than the lateness; and but for values that come back at about `ttl`, where the event that kept one alive may arrive
after the one that found it gone. An event older than the group's newest by more than `ttl` and the lateness is late.

Bound: `MAX_VALUES` values a key, the least recently seen of which go first, and the ids of `recent`. Of text longer
than `MAX_BYTES` its beginning and a hash are kept.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from streamproc.detect.detector import EventDetector
from streamproc.detect.recent import remember_ms, seen_before
from streamproc.detect.verdict import COUNTED, DUPLICATE, LATE
from streamproc.model.hit import GroupValue
from streamproc.model.times import iso, long_span

MAX_VALUES = 1024
MAX_BYTES = 128
SHOWN_VALUES = 20
SHOWN_IN_REASON = 5
Key = tuple[bool, GroupValue]
"""True and 1 are equal in Python, and different values here."""
_NEVER_YET = 1 << 62


class Found:
    """The latest trigger: the value, its event, since when the group was known, when the value was last seen before if
    it ever was, and what else was known."""

    __slots__ = ("before", "event_id", "first", "known", "time", "value")

    def __init__(
        self, value: GroupValue, time: int, event_id: str, first: int, before: int | None, known: list[GroupValue]
    ) -> None:
        self.value = value
        self.time = time
        self.event_id = event_id
        self.first = first
        self.before = before
        self.known = known


class Seen:
    """What a key has seen: by value the first and the last time, the least recently seen first. `first` and `newest`
    are the group's own first and last event times."""

    __slots__ = ("first", "found", "ids", "newest", "values")

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}
        self.values: dict[Key, tuple[int, int]] = {}
        self.first = _NEVER_YET
        self.newest = -_NEVER_YET
        self.found = Found("", 0, "", 0, None, [])


class NewValue(EventDetector):
    """Settings of one rule; see `detector.Detector`. A hit's value is the value looked at."""

    __slots__ = ("horizon_ms", "learning_ms", "path", "remember_ms", "ttl_ms")

    def __init__(self, path: str, learning_ms: int, ttl_ms: int, lateness_ms: int) -> None:
        self.path = path
        self.learning_ms = learning_ms
        self.ttl_ms = ttl_ms
        self.remember_ms = remember_ms(lateness_ms)
        self.horizon_ms = ttl_ms + lateness_ms

    def new(self) -> Seen:
        return Seen()

    def apply(self, state: Seen, t: int, arrival: int, event_id: str, value: GroupValue, raw: bytes) -> int:
        if t < state.newest - self.horizon_ms:
            return LATE
        if seen_before(state.ids, event_id, arrival, self.remember_ms):
            return DUPLICATE
        if t - state.newest > self.ttl_ms:
            state.values.clear()
            state.first = t
        state.first, state.newest = min(state.first, t), max(state.newest, t)
        kept = _kept(value)
        key = (type(kept) is bool, kept)
        values = state.values
        before = values.pop(key, None)
        fresh = before is None or t - before[1] > self.ttl_ms
        fires = fresh and bool(values) and t - state.first >= self.learning_ms
        if fires:
            known = [one for _, one in self._latest(values, t)]
            state.found = Found(kept, t, event_id, state.first, None if before is None else before[1], known)
        values[key] = (t, t) if before is None else (min(before[0], t), max(before[1], t))
        if len(values) > MAX_VALUES:
            del values[min(values, key=lambda one: values[one][1])]
        return 1 if fires else COUNTED

    def _latest(self, values: dict[Key, tuple[int, int]], t: int) -> list[Key]:
        """The values that were not forgotten at `t`, the most recently seen first."""
        alive = [key for key, (_, last) in values.items() if t - last <= self.ttl_ms]
        return sorted(alive, key=lambda one: -values[one][1])[:SHOWN_VALUES]

    def context(self, state: Seen) -> dict[str, Any]:
        found = state.found
        at = iso(found.time)
        return {
            "count": 1,
            "path": self.path,
            "value": found.value,
            "known_values": found.known,
            "value_last_seen": None if found.before is None else iso(found.before),
            "first_seen": iso(found.first),
            "first_event_time": at,
            "last_event_time": at,
            "event_ids": [found.event_id],
        }

    def reason(self, state: Seen, group: dict[str, Any], event: dict[str, Any] | None) -> str:
        found = state.found
        when = "for the first time" + ("" if found.before is None else f" in {long_span(self.ttl_ms)}")
        where = ", ".join(f"{path} {value}" for path, value in group.items())
        known = [_text(value) for value in found.known[:SHOWN_IN_REASON]]
        more = ", …" if len(found.known) > SHOWN_IN_REASON else ""
        return (
            f"{self.path} {_text(found.value)} {when}"
            + (f" for {where}" if where else "")
            + (f" (known: {', '.join(known)}{more})" if known else "")
        )

    def encode(self, state: Seen) -> Any:
        values = [[value, first, last] for (_, value), (first, last) in state.values.items()]
        found = state.found
        latest = [found.value, found.time, found.event_id, found.first, found.before, found.known]
        return [list(state.ids.items()), state.first, state.newest, values, latest]

    def decode(self, stored: Any) -> Seen:
        state = Seen()
        ids, state.first, state.newest, values, latest = stored
        state.ids = dict(ids)
        state.values = {(type(value) is bool, value): (first, last) for value, first, last in values}
        state.found = Found(*latest)
        return state

    def merge(self, state: Seen, seed: Seen) -> None:
        """Values are united: the first sighting is the earlier, the last the later."""
        state.first, state.newest = min(state.first, seed.first), max(state.newest, seed.newest)
        values = state.values
        for key, (first, last) in seed.values.items():
            mine = values.get(key, (first, last))
            values[key] = (min(first, mine[0]), max(last, mine[1]))
        latest = sorted(values.items(), key=lambda item: item[1][1])[-MAX_VALUES:]
        state.values = dict(latest)


def _kept(value: GroupValue) -> GroupValue:
    """The value as it is kept: text that is long, as something that is as different."""
    if type(value) is not str or len(value) * 4 <= MAX_BYTES:
        return value
    encoded = value.encode("utf-8", "surrogatepass")
    if len(encoded) <= MAX_BYTES:
        return value
    start = encoded[: MAX_BYTES // 2].decode("utf-8", "ignore")
    return f"{start}…{blake2b(encoded, digest_size=8).hexdigest()}"


def _text(value: GroupValue) -> str:
    """As JSON has it, but for the quotes of text."""
    return str(value).lower() if type(value) is bool else str(value)
