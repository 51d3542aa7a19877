"""Pattern: every matching event triggers.

There is no window, so nothing is ever too late to count; ids are remembered to tell duplicates, for
max(L, 15 min) of arrival and at most 4,096 of them a key. That is also the bound of the state.
"""

from __future__ import annotations

from typing import Any

from streamproc.detect.detector import EventDetector
from streamproc.detect.recent import remember_ms, seen_before
from streamproc.detect.verdict import DUPLICATE
from streamproc.model.hit import DistinctValue
from streamproc.model.times import iso


class Recent:
    """Event ids in order of arrival (a dict keeps that order and answers "seen?" at once)."""

    __slots__ = ("ids", "last_id", "last_time", "late", "newest")

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}
        self.newest = -(1 << 62)
        self.last_id = ""
        self.last_time = 0
        self.late = False


class Pattern(EventDetector):
    """Settings of one rule; see `detector.Detector`."""

    __slots__ = ("horizon_ms", "lateness_ms", "remember_ms")

    def __init__(self, lateness_ms: int) -> None:
        self.lateness_ms = lateness_ms
        self.remember_ms = remember_ms(lateness_ms)
        self.horizon_ms = self.remember_ms

    def new(self) -> Recent:
        return Recent()

    def apply(self, state: Recent, t: int, arrival: int, event_id: str, value: DistinctValue, raw: bytes) -> int:
        if seen_before(state.ids, event_id, arrival, self.remember_ms):
            return DUPLICATE
        state.late = t < state.newest - self.lateness_ms
        if t > state.newest:
            state.newest = t
        state.last_id, state.last_time = event_id, t
        return 1

    def late(self, state: Recent) -> bool:
        return state.late

    def context(self, state: Recent) -> dict[str, Any]:
        at = iso(state.last_time)
        return {"count": 1, "first_event_time": at, "last_event_time": at, "event_ids": [state.last_id]}

    def reason(self, state: Recent, group: dict[str, Any], event: dict[str, Any] | None) -> str:
        event = event or {}
        actor, resource = event.get("actor"), event.get("resource")
        who = actor.get("email") or actor.get("id") if isinstance(actor, dict) else None
        what = resource.get("id") if isinstance(resource, dict) else None
        text = str(event.get("action", "a matching event"))
        if event.get("outcome") not in (None, "success"):
            text += f" ({event['outcome']})"
        return text + (f" by {who}" if who else "") + (f" on {what}" if what else "")

    def encode(self, state: Recent) -> Any:
        return [state.newest, state.last_id, state.last_time, list(state.ids.items())]

    def decode(self, stored: Any) -> Recent:
        state = Recent()
        state.newest, state.last_id, state.last_time, ids = stored
        state.ids = dict(ids)
        return state
