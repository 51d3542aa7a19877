"""Impossible travel: two places too far apart for the time between them.

Two events are *impossible* when they are at least `min_km` apart and more than `speed_kmh` would be needed to get from
one to the other; at the same time any distance is too fast. Distances are those of great circles on a sphere of
6,371 km, so that events further apart in time than half its circumference takes at that speed, the horizon H, never
are.

An event triggers when it is part of an impossible pair within which no other is: neither two of the events between,
nor one of them and one of the two. So a jump is told once, by the pair that is nearest to it in time, and who stays at
a place, or moves on from there as people do, is not told of again. Neighbours in time that are impossible always
trigger. Others do when the places between are less than `min_km` from one another. As each impossible pair has one
within it that is told, a group alerts when there is any, whatever the order of arrival within the lateness.

Bound: an event is kept for H + L of event time, and at most `MAX_PLACES` of them a key, of which the oldest go first.
Of several events in a row at one place, those between two others go where that makes no difference: nobody who was
elsewhere between the two could be out of their reach and within that of the one that goes. Ids are remembered as in
`recent`.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import combinations
from math import asin, ceil, cos, pi, radians, sin, sqrt
from typing import Any

from streamproc.detect.detector import EventDetector
from streamproc.detect.recent import remember_ms, seen_before
from streamproc.detect.verdict import COUNTED, DUPLICATE, LATE
from streamproc.model.times import iso

EARTH_KM = 6371.0
DEGREE_KM = EARTH_KM * pi / 180 * 1.0001
"""A degree of a great circle, and a little more, so that rounding does not matter."""
MAX_PLACES = 128
HOUR_MS = 3_600_000
Place = tuple[int, str, float, float, str]
"""(event time, event id, latitude, longitude, what people call it)"""
Pair = tuple[Place, Place]


class Trail:
    """The places of a key, by event time and id, and the pair that triggered last."""

    __slots__ = ("ids", "newest", "pair", "places")

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}
        self.places: list[Place] = []
        self.newest = -(1 << 62)
        self.pair: Pair | None = None


class Travel(EventDetector):
    """Settings of one rule; see `detector.Detector`. A hit's value is [latitude, longitude, name]."""

    __slots__ = ("far_ms", "horizon_ms", "lateness_ms", "min_km", "remember_ms", "speed_kmh")

    def __init__(self, speed_kmh: float, min_km: float, lateness_ms: int) -> None:
        self.speed_kmh = speed_kmh
        self.min_km = min_km
        self.lateness_ms = lateness_ms
        self.far_ms = ceil(EARTH_KM * pi / speed_kmh * HOUR_MS)
        self.horizon_ms = self.far_ms + lateness_ms
        self.remember_ms = remember_ms(lateness_ms)

    def new(self) -> Trail:
        return Trail()

    def apply(self, state: Trail, t: int, arrival: int, event_id: str, value: list[Any], raw: bytes) -> int:
        if t < state.newest - self.horizon_ms:
            return LATE
        if seen_before(state.ids, event_id, arrival, self.remember_ms):
            return DUPLICATE
        places = state.places
        at = bisect_left(places, (t, event_id))
        if at < len(places) and places[at][:2] == (t, event_id):
            return DUPLICATE
        lat, lon, name = value
        places.insert(at, (t, event_id, lat, lon, name))
        if t > state.newest:
            state.newest = t
        pair = self._from(places, at) or self._to(places, at)
        self._thin(state, at)
        gone = bisect_left(places, (state.newest - self.horizon_ms,))
        if len(places) - gone > MAX_PLACES:
            for middle in range(len(places) - 2, 0, -1):
                if self._idle(state, middle):
                    del places[middle]
            if len(places) > MAX_PLACES:
                gone = MAX_PLACES // 8  # some at once, as looking at all of them takes its time
        del places[:gone]
        if pair is None:
            return COUNTED
        state.pair = pair
        return 1

    def _from(self, places: list[Place], at: int) -> Pair | None:
        """The pair to tell that ends at `at`: only the nearest impossible one can have no other within it."""
        here = places[at]
        for place in range(at - 1, -1, -1):
            there = places[place]
            if there[2:4] == here[2:4] or here[0] - there[0] > self.far_ms:
                return None  # from further back it is as far to `there`, and in less time; or there is time enough
            if self._impossible(there, here):
                return None if self._any_impossible(places[place:at]) else (there, here)
        return None

    def _to(self, places: list[Place], at: int) -> Pair | None:
        """The pair to tell that starts at `at`."""
        here = places[at]
        for place in range(at + 1, len(places)):
            there = places[place]
            if there[2:4] == here[2:4] or there[0] - here[0] > self.far_ms:
                return None
            if self._impossible(here, there):
                return None if self._any_impossible(places[place:at:-1]) else (here, there)
        return None

    def _any_impossible(self, places: list[Place]) -> bool:
        return any(self._impossible(one, other) for one, other in combinations(places, 2))

    def _impossible(self, one: Place, other: Place) -> bool:
        if (abs(one[2] - other[2]) + abs(one[3] - other[3])) * DEGREE_KM < self.min_km:
            return False  # along a meridian and a parallel it is not nearer
        km = distance_km(one, other)
        return km >= self.min_km and km * HOUR_MS > self.speed_kmh * abs(other[0] - one[0])

    def _thin(self, state: Trail, at: int) -> None:
        """Of the event at `at` and its neighbours, drop those that make no difference: see `_idle`."""
        for middle in (at + 1, at, at - 1):
            if 0 < middle < len(state.places) - 1 and self._idle(state, middle):
                del state.places[middle]

    def _idle(self, state: Trail, middle: int) -> bool:
        """Whether an event is between two at its place that do as well.

        Who comes before or after both is nearer in time to one of them. Who comes between is nobody that is in time;
        or has at most half the time between the two to one of them, in which `min_km` is too far.
        """
        before, here, after = state.places[middle - 1 : middle + 2]
        if not before[2:4] == here[2:4] == after[2:4]:
            return False
        if after[0] < state.newest - self.lateness_ms:
            return True
        return (after[0] - before[0]) * self.speed_kmh < 2 * self.min_km * HOUR_MS

    def context(self, state: Trail) -> dict[str, Any]:
        one, other = state.pair or (_NOWHERE, _NOWHERE)
        km, ms = distance_km(one, other), other[0] - one[0]
        return {
            "count": 2,
            "from": _shown(one),
            "to": _shown(other),
            "km": round(km, 1),
            "hours": round(ms / HOUR_MS, 6),
            "kmh": round(km * HOUR_MS / ms) if ms else None,
            "first_event_time": iso(one[0]),
            "last_event_time": iso(other[0]),
            "event_ids": [one[1], other[1]],
        }

    def reason(self, state: Trail, group: dict[str, Any], event: dict[str, Any] | None) -> str:
        one, other = state.pair or (_NOWHERE, _NOWHERE)
        km, ms = distance_km(one, other), other[0] - one[0]
        who = ", ".join(f"{path} {value}" for path, value in group.items())
        speed = f" ({km * HOUR_MS / ms:,.0f} km/h)" if ms else ""
        return (
            f"{who + ' was' if who else 'events'} in {one[4]} and {_later(ms)} in {other[4]}, {km:,.0f} km apart{speed}"
        )

    def encode(self, state: Trail) -> Any:
        return [state.newest, list(state.ids.items()), state.places, state.pair]

    def decode(self, stored: Any) -> Trail:
        state = Trail()
        state.newest, ids, places, pair = stored
        state.ids = dict(ids)
        state.places = [tuple(place) for place in places]
        state.pair = None if pair is None else (tuple(pair[0]), tuple(pair[1]))
        return state


_NOWHERE: Place = (0, "", 0.0, 0.0, "")


def _shown(place: Place) -> dict[str, Any]:
    t, event_id, lat, lon, name = place
    return {"name": name, "lat": lat, "lon": lon, "event_id": event_id, "event_time": iso(t)}


def _later(ms: int) -> str:
    if ms == 0:
        return "at the same time"
    if ms < 60_000:
        return f"{ms / 1000:g} s later"
    return f"{ms / 60_000:.0f} min later" if ms < 2 * HOUR_MS else f"{ms / HOUR_MS:.1f} h later"


def distance_km(one: Place, other: Place) -> float:
    """Along the great circle: R. W. Sinnott, "Virtues of the Haversine", Sky and Telescope 68 (1984)."""
    lat, other_lat = radians(one[2]), radians(other[2])
    half = sin((other_lat - lat) / 2) ** 2
    half += cos(lat) * cos(other_lat) * sin(radians(other[3] - one[3]) / 2) ** 2
    return 2 * EARTH_KM * asin(min(1.0, sqrt(half)))
