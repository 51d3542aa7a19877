"""Impossible travel: two places too far apart for the time between them.

Each event is compared with the one before and the one after it in event time. It triggers when they are at least
`min_km` apart and more than `speed_kmh` would be needed; at the same time any distance is too fast. Distances are
those of great circles on a sphere of 6,371 km (the haversine formula), so that two places further apart in time than
half its circumference takes at that speed need not be compared.

Bound: stays within that span and the lateness of the newest, at most `MAX_STAYS` a key, the oldest of which go first.
Events at one place that follow each other are one stay, of which the first and the last are kept. Ids are remembered
as in `recent`.
"""

from __future__ import annotations

from bisect import bisect_right
from math import asin, cos, pi, radians, sin, sqrt
from typing import Any

from streamproc.detect.detector import EventDetector
from streamproc.detect.recent import remember_ms, seen_before
from streamproc.detect.verdict import COUNTED, DUPLICATE, LATE
from streamproc.model.times import iso

EARTH_KM = 6371.0
MAX_STAYS = 128
HOUR_MS = 3_600_000
Place = tuple[int, float, float, str, str]
"""(event time, latitude, longitude, what people call it, event id)"""


class Trail:
    """The places of a key, by event time, and the pair that triggered last."""

    __slots__ = ("ids", "newest", "pair", "places")

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}
        self.places: list[Place] = []
        self.newest = -(1 << 62)
        self.pair: tuple[Place, Place] | None = None


class Travel(EventDetector):
    """Settings of one rule; see `detector.Detector`. A hit's value is [latitude, longitude, name]."""

    __slots__ = ("horizon_ms", "keep_ms", "min_km", "remember_ms", "speed_kmh")

    def __init__(self, speed_kmh: float, min_km: float, lateness_ms: int) -> None:
        self.speed_kmh = speed_kmh
        self.min_km = min_km
        self.keep_ms = int(EARTH_KM * pi / speed_kmh * HOUR_MS) + lateness_ms
        self.horizon_ms = self.keep_ms
        self.remember_ms = remember_ms(lateness_ms)

    def new(self) -> Trail:
        return Trail()

    def apply(self, state: Trail, t: int, arrival: int, event_id: str, value: list[Any], raw: bytes) -> int:
        if t < state.newest - self.keep_ms:
            return LATE
        if seen_before(state.ids, event_id, arrival, self.remember_ms):
            return DUPLICATE
        lat, lon, name = value
        here: Place = (t, lat, lon, name, event_id)
        places = state.places
        at = bisect_right(places, t, key=_time)
        before = places[at - 1] if at else None
        after = places[at] if at < len(places) else None
        places.insert(at, here)
        if t > state.newest:
            state.newest = t
        found = 0
        for one, other in ((before, here), (here, after)):
            if one is not None and other is not None and self._too_fast(one, other):
                state.pair = (one, other)
                found = 1
        self._collapse(places, at)
        gone = max(bisect_right(places, state.newest - self.keep_ms, key=_time), len(places) - MAX_STAYS)
        if gone > 0:
            del places[:gone]
        return found or COUNTED

    def _too_fast(self, one: Place, other: Place) -> bool:
        km = distance_km(one, other)
        return km >= self.min_km and km * HOUR_MS > self.speed_kmh * (other[0] - one[0])

    def _collapse(self, places: list[Place], at: int) -> None:
        """Of more than two events in a row at one place the ones between the first and the last are not needed."""
        for middle in (at + 1, at, at - 1):
            if 0 < middle < len(places) - 1:
                here = places[middle][1:3]
                if places[middle - 1][1:3] == here == places[middle + 1][1:3]:
                    del places[middle]

    def context(self, state: Trail) -> dict[str, Any]:
        one, other = state.pair or (_NOWHERE, _NOWHERE)
        km = distance_km(one, other)
        ms = other[0] - one[0]
        return {
            "count": 2,
            "from": _shown(one),
            "to": _shown(other),
            "distance_km": round(km, 1),
            "seconds": ms / 1000,
            "speed_kmh": round(km * HOUR_MS / ms) if ms else None,
            "first_event_time": iso(one[0]),
            "last_event_time": iso(other[0]),
            "event_ids": [one[4], other[4]],
        }

    def reason(self, state: Trail, group: dict[str, Any], event: dict[str, Any] | None) -> str:
        one, other = state.pair or (_NOWHERE, _NOWHERE)
        km, minutes = distance_km(one, other), (other[0] - one[0]) / 60_000
        who = ", ".join(f"{path} {value}" for path, value in group.items())
        return (f"{who} in " if who else "") + f"{one[3]} and {minutes:,.0f} min later in {other[3]}, {km:,.0f} km away"

    def encode(self, state: Trail) -> Any:
        return [state.newest, list(state.ids.items()), state.places, state.pair]

    def decode(self, stored: Any) -> Trail:
        state = Trail()
        state.newest, ids, places, pair = stored
        state.ids = dict(ids)
        state.places = [tuple(place) for place in places]
        state.pair = None if pair is None else (tuple(pair[0]), tuple(pair[1]))
        return state


_NOWHERE: Place = (0, 0.0, 0.0, "", "")


def _time(place: Place) -> int:
    return place[0]


def _shown(place: Place) -> dict[str, Any]:
    t, lat, lon, name, event_id = place
    return {"name": name, "lat": lat, "lon": lon, "event_time": iso(t), "event_id": event_id}


def distance_km(one: Place, other: Place) -> float:
    """Along the great circle: R. W. Sinnott, "Virtues of the Haversine", Sky and Telescope 68 (1984)."""
    lat, other_lat = radians(one[1]), radians(other[1])
    half = sin((other_lat - lat) / 2) ** 2
    half += cos(lat) * cos(other_lat) * sin(radians(other[2] - one[2]) / 2) ** 2
    return 2 * EARTH_KM * asin(min(1.0, sqrt(half)))
