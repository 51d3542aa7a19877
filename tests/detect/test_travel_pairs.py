"""Impossible travel against all pairs of events there are, on a memory without end."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import combinations, pairwise, permutations
from math import atan2, cos, dist, hypot, radians, sin
from typing import Any, NamedTuple

import ormsgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamproc.backtest.replay import backtest
from streamproc.detect.recent import MAX_REMEMBERED
from streamproc.detect.travel import MAX_PLACES, Trail, Travel, distance_km
from streamproc.detect.verdict import COUNTED, DUPLICATE, LATE
from streamproc.model.times import iso
from tests.detect.driving import stored_and_loaded, told
from tests.engine.making import BASE, HOUR, MINUTE, Partition, event, index, rule

Spot = tuple[float, float, str]
BERLIN: Spot = (52.52, 13.405, "Berlin")
POTSDAM: Spot = (52.39, 13.06, "Potsdam")
HAMBURG: Spot = (53.55, 9.99, "Hamburg")
LAGOS: Spot = (6.5244, 3.3792, "Lagos")
IKEJA: Spot = (6.6018, 3.3515, "Ikeja")
SYDNEY: Spot = (-33.8688, 151.2093, "Sydney")
ROAD: list[Spot] = [(0.0, 0.6 * n, f"km {67 * n}") for n in range(5)]
"""Along the equator, 66.7 km from one to the next."""
SPOTS = [BERLIN, BERLIN, BERLIN, POTSDAM, HAMBURG, LAGOS, IKEJA, SYDNEY, *ROAD]


class Stop(NamedTuple):
    t: int
    id: str
    spot: Spot


def km_between(one: Spot, other: Spot) -> float:
    """By the angle between two vectors, which is another formula than the detector's."""

    def vector(spot: Spot) -> tuple[float, float, float]:
        lat, lon = radians(spot[0]), radians(spot[1])
        return cos(lat) * cos(lon), cos(lat) * sin(lon), sin(lat)

    a, b = vector(one), vector(other)
    cross = (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])
    return 6371 * atan2(hypot(*cross), sum(x * y for x, y in zip(a, b, strict=True)))


class ByHand:
    """Which pairs are impossible, and which of them are told."""

    def __init__(self, speed: float, min_km: float) -> None:
        self.speed, self.min_km = speed, min_km
        self.stops: list[Stop] = []

    def impossible(self, one: Stop, other: Stop) -> bool:
        if one.spot == other.spot:
            return False
        km = km_between(one.spot, other.spot)
        return km >= self.min_km and km > self.speed * abs(other.t - one.t) / HOUR

    def any(self, stops: Iterable[Stop]) -> bool:
        return any(self.impossible(one, other) for one, other in combinations(stops, 2))

    def judge(self, stop: Stop) -> int:
        if any(stop.id == other.id for other in self.stops):
            return DUPLICATE
        self.stops = sorted([*self.stops, stop])
        at = self.stops.index(stop)
        for place, other in enumerate(self.stops):
            span = self.stops[min(at, place) : max(at, place) + 1]
            if self.impossible(stop, other) and not self.any(span[1:]) and not self.any(span[:-1]):
                return 1
        return COUNTED


def run(detector: Travel, stops: Iterable[Stop], restarts: Collection[int] = ()) -> tuple[list[int], Trail]:
    state, said = detector.new(), []
    for number, stop in enumerate(stops):
        if number in restarts:
            state = stored_and_loaded(detector, state)
        said.append(detector.apply(state, stop.t, number, stop.id, list(stop.spot), b"{}"))
    return said, state


def trip(*stops: tuple[float, Spot]) -> list[Stop]:
    """Minutes and places."""
    return [Stop(BASE + round(minutes * MINUTE), f"e{n}", spot) for n, (minutes, spot) in enumerate(stops)]


@st.composite
def stops(draw: st.DrawFn, most: int = 20) -> list[Stop]:
    """Often a stay of many events, with others in between; many at one time."""
    grain = draw(st.sampled_from([1, 1000, MINUTE, 7 * MINUTE, HOUR]))
    times = st.integers(0, draw(st.sampled_from([3, 40])))
    spots = st.sampled_from(draw(st.lists(st.sampled_from(SPOTS), min_size=1, max_size=5)))
    found = draw(st.lists(st.tuples(times, spots), max_size=most))
    return [Stop(t * grain, f"e{n:02}", spot) for n, (t, spot) in enumerate(found)]


speeds = st.sampled_from([907.3, 93.7, 9999.9])
min_kms = st.sampled_from([0.0, 50.0, 100.0, 2000.0])
lateness = st.sampled_from([0, MINUTE, 10 * MINUTE, 10 * HOUR])


@settings(max_examples=300)
@given(stops(), speeds, min_kms, lateness, st.lists(st.integers(0, 19), max_size=4), st.sets(st.integers(0, 24)))
def test_in_the_order_of_time_each_verdict_is_that_of_all_pairs(
    some: list[Stop], speed: float, min_km: float, late: int, again: list[int], restarts: set[int]
) -> None:
    some = sorted([*some, *(some[n] for n in again if n < len(some))])
    by_hand = ByHand(speed, min_km)
    said, _ = run(Travel(speed, min_km, late), some, restarts)
    assert said == [by_hand.judge(stop) for stop in some]


@given(st.data(), stops(), speeds)
def test_in_any_order_each_verdict_is_that_of_all_pairs_where_none_may_be_dropped(
    data: st.DataObject, some: list[Stop], speed: float
) -> None:
    arrived = data.draw(st.permutations(some))
    by_hand = ByHand(speed, 0)
    assert run(Travel(speed, 0, 1000 * HOUR), arrived)[0] == [by_hand.judge(stop) for stop in arrived]


@settings(max_examples=300)
@given(st.data(), stops(), speeds, min_kms, lateness)
def test_whether_the_group_alerts_is_the_same_in_every_order_within_the_lateness(
    data: st.DataObject, some: list[Stop], speed: float, min_km: float, late: int
) -> None:
    delays = data.draw(st.lists(st.integers(0, late), min_size=len(some), max_size=len(some)))
    arrived = [stop for _, stop in sorted((stop.t + delay, stop) for stop, delay in zip(some, delays, strict=True))]
    by_hand, detector = ByHand(speed, min_km), Travel(speed, min_km, late)
    expected = by_hand.any(some)
    for order in (sorted(some), arrived):
        said, _ = run(detector, order)
        assert LATE not in said
        assert any(verdict > 0 for verdict in said) == expected
    if min_km == 0:
        assert expected == any(by_hand.impossible(one, other) for one, other in pairwise(sorted(some)))


@given(stops(most=60), speeds, min_kms, st.sets(st.integers(0, 60)))
def test_storing_and_loading_at_any_point_changes_nothing(
    some: list[Stop], speed: float, min_km: float, restarts: set[int]
) -> None:
    detector = Travel(speed, min_km, HOUR)
    said, state = run(detector, some)
    said_again, again = run(detector, some, restarts)
    assert said_again == said
    assert told(detector, again) == told(detector, state)
    assert detector.encode(stored_and_loaded(detector, state)) == detector.encode(again)


spots = st.tuples(st.floats(-90, 90), st.floats(-180, 180), st.just(""))


@given(spots, spots)
def test_distances_are_those_of_another_formula(one: Spot, other: Spot) -> None:
    km = distance_km((0, "", *one), (0, "", *other))
    assert dist([km], [km_between(one, other)]) < 0.001
    assert km == distance_km((0, "", *other), (0, "", *one))


@pytest.mark.parametrize(
    ("one", "other", "km"),
    [
        (BERLIN, LAGOS, 5196),
        (BERLIN, SYDNEY, 16094),
        ((0.0, 0.0, ""), (0.0, 1.0, ""), 111),  # 60 nautical miles
        ((0.0, 179.5, ""), (0.0, -179.5, ""), 111),
        ((90.0, 0.0, ""), (90.0, 120.0, ""), 0),
        ((90.0, 0.0, ""), (-90.0, 0.0, ""), 20015),
        ((10.0, 20.0, ""), (-10.0, -160.0, ""), 20015),
    ],
)
def test_known_distances(one: Spot, other: Spot, km: int) -> None:
    assert distance_km((0, "", *one), (0, "", *other)) == pytest.approx(km, abs=1)


@pytest.mark.parametrize(
    ("stops", "said"),
    [
        ([(0, BERLIN), (20, LAGOS)], [0, 1]),
        ([(20, LAGOS), (0, BERLIN)], [0, 1]),
        ([(0, BERLIN), (0, LAGOS)], [0, 1]),
        ([(0, BERLIN), (0, BERLIN)], [0, 0]),
        ([(0, BERLIN), (5.7 * 60, LAGOS)], [0, 1]),
        ([(0, BERLIN), (5.8 * 60, LAGOS)], [0, 0]),  # 5,196 km at 900 km/h take 5.77 h
        ([(0, BERLIN), (0, POTSDAM)], [0, 0]),  # 27 km
        ([(0, ROAD[0]), (0, (0.6, 0.6, "94 km"))], [0, 0]),
        ([(10, BERLIN), (20, LAGOS), (5, POTSDAM)], [0, 1, 0]),  # that jump is told
        ([(0, BERLIN), (10, LAGOS), (20, LAGOS), (21, IKEJA), (22, LAGOS)], [0, 1, 0, 0, 0]),  # told once
        ([(0, BERLIN), (10, LAGOS), (20, BERLIN)], [0, 1, 1]),
        ([(0, BERLIN), (10, BERLIN), (5, LAGOS), (6, LAGOS)], [0, 0, 1, 1]),  # back again is another pair
        ([(0, BERLIN), (20 * 60, LAGOS), (19 * 60, BERLIN)], [0, 0, 1]),
        # what is between others at its place stays while somebody may come who was near in time to it alone
        ([(0, BERLIN), (40, BERLIN), (80, BERLIN), (90, BERLIN), (41, HAMBURG)], [0, 0, 0, 0, 1]),
        ([(0, ROAD[0]), (10, ROAD[0]), (20, ROAD[0]), (11, ROAD[2])], [0, 0, 0, 1]),
    ],
)
def test_at_900_km_an_hour(stops: list[tuple[float, Spot]], said: list[int]) -> None:
    assert run(Travel(900, 100, HOUR), trip(*stops))[0] == said


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_places_near_one_another_may_be_too_far_apart_in_the_end(order: tuple[int, ...]) -> None:
    stops = trip((0, ROAD[0]), (1, ROAD[1]), (2, ROAD[2]))
    said, state = run(Travel(900, 100, HOUR), [stops[n] for n in order])
    assert sum(said) == 1
    assert state.pair is not None
    assert [place[4] for place in state.pair] == ["km 0", "km 134"]


def test_late_and_repeated() -> None:
    detector = Travel(1000, 100, HOUR)
    far = 20_015_087  # half the circumference takes about 20.015 h
    state = detector.new()
    assert detector.apply(state, 30 * HOUR, 0, "a", list(BERLIN), b"{}") == COUNTED
    assert detector.apply(state, 30 * HOUR, 0, "a", list(BERLIN), b"{}") == DUPLICATE
    assert detector.apply(state, 30 * HOUR, 10 * HOUR, "z", list(BERLIN), b"{}") == COUNTED
    assert "a" not in state.ids
    assert detector.apply(state, 30 * HOUR, 10 * HOUR, "a", list(BERLIN), b"{}") == DUPLICATE, "the place is there"
    oldest = 30 * HOUR - detector.horizon_ms
    assert far * 3.6 + HOUR == pytest.approx(detector.horizon_ms, abs=1)
    assert detector.apply(state, oldest - 1, 0, "b", list(LAGOS), b"{}") == LATE
    assert detector.apply(state, oldest, 0, "c", list(LAGOS), b"{}") == COUNTED
    assert detector.apply(state, oldest, 0, "c", list(LAGOS), b"{}") == DUPLICATE


def test_from_one_end_of_the_earth_to_the_other_it_takes_the_horizon() -> None:
    north, south = [90.0, 0.0, "North Pole"], [-90.0, 0.0, "South Pole"]
    for gap, said in ((-1, 1), (0, COUNTED)):
        detector = Travel(1000, 100, 0)
        state = detector.new()
        detector.apply(state, 0, 0, "a", north, b"")
        assert detector.apply(state, detector.far_ms + gap, 1, "b", south, b"") == said


def test_what_the_alert_tells() -> None:
    detector = Travel(900, 100, HOUR)
    _, state = run(detector, trip((20, LAGOS), (0, BERLIN), (21, IKEJA)))
    assert detector.context(state) == {
        "count": 2,
        "from": {"name": "Berlin", "lat": 52.52, "lon": 13.405, "event_id": "e1", "event_time": iso(BASE)},
        "to": {
            "name": "Lagos",
            "lat": 6.5244,
            "lon": 3.3792,
            "event_id": "e0",
            "event_time": iso(BASE + 20 * MINUTE),
        },
        "km": 5195.7,
        "hours": 0.333333,
        "kmh": 15587,
        "first_event_time": iso(BASE),
        "last_event_time": iso(BASE + 20 * MINUTE),
        "event_ids": ["e1", "e0"],
    }
    assert detector.reason(state, {"actor.id": "alice"}, None) == (
        "actor.id alice was in Berlin and 20 min later in Lagos, 5,196 km apart (15,587 km/h)"
    )
    assert detector.reason(state, {}, None).startswith("events in Berlin and 20 min later in Lagos, 5,")


@pytest.mark.parametrize(
    ("minutes", "later"),
    [(0, "at the same time"), (0.025, "1.5 s later"), (119, "119 min later"), (150, "2.5 h later")],
)
def test_how_much_later_is_told_as_people_say_it(minutes: float, later: str) -> None:
    detector = Travel(900, 100, HOUR)
    _, state = run(detector, trip((0, BERLIN), (minutes, LAGOS)))
    reason = detector.reason(state, {"actor.id": "u"}, None)
    assert reason.startswith(f"actor.id u was in Berlin and {later} in Lagos, 5,")
    assert ("km/h" in reason) == (detector.context(state)["kmh"] is not None) == (minutes > 0)


def test_a_stay_is_a_few_events_however_long_it_is() -> None:
    detector = Travel(900, 100, 10 * MINUTE)
    state = detector.new()
    for n in range(6000):
        assert detector.apply(state, n * MINUTE, n * MINUTE, f"e{n}", list(BERLIN), b"{}") == COUNTED
        # none is nearer to the next but one than the time that 2 x 100 km take, 13 min 20 s
        assert len(state.places) <= min(2 * n / 13 + 2, MAX_PLACES)
    assert detector.apply(state, 6000 * MINUTE, 0, "x", list(LAGOS), b"{}") == 1


@pytest.mark.parametrize("min_km", [0, 100])
def test_a_key_holds_at_most_its_bounds_and_finds_what_comes_in_order(min_km: int) -> None:
    detector = Travel(900, min_km, 10 * HOUR)
    state = detector.new()
    for n in range(10_000):
        detector.apply(state, n * 1000, n * 1000, f"event-{n}", list(ROAD[0] if n < 6000 else ROAD[n % 2]), b"{}")
        assert len(state.places) <= MAX_PLACES
    assert len(state.ids) <= MAX_REMEMBERED
    assert len(ormsgpack.packb(detector.encode(state))) < 60 * MAX_PLACES + 30 * MAX_REMEMBERED
    assert state.places == sorted(state.places)
    assert detector.apply(state, 10_001_000, 0, "far", list(BERLIN), b"{}") == 1


def test_a_full_key_keeps_the_ends_of_a_stay_that_is_over() -> None:
    """Without a least distance nothing within the lateness makes no difference, so it is dropped by age."""
    detector = Travel(900, 0, MINUTE)
    state = detector.new()
    detector.apply(state, 0, 0, "start", list(LAGOS), b"{}")
    for n in range(1, 1000):
        detector.apply(state, 7 * HOUR + n * 1000, n, f"e{n}", list(BERLIN), b"{}")
    assert state.places[0][1] == "start"
    assert [place[1] for place in state.places[1:]][:1] == ["e1"]
    assert len(state.places) <= MAX_PLACES


# in the engine


def located(n: int, minutes: float, spot: Spot, **fields: Any) -> Any:
    lat, lon, city = spot
    actor = {"id": "u", "location": {"lat": lat, "lon": lon, "city": city}}
    return event(n, round(minutes * MINUTE), actor, arrival=HOUR, **fields)


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_live_with_a_restart_after_each_event_is_as_in_a_backtest(order: tuple[int, ...]) -> None:
    made = rule(type="impossible_travel", condition={"action": "a"}, auto_resolve_after=None, lateness_seconds=7200)
    path = [(0, BERLIN), (2, POTSDAM), (20, LAGOS), (25, LAGOS)]
    log = [located(place, *path[n], id=f"e{n}") for place, n in enumerate(order)]
    log.append(located(4, *path[order[0]], id=f"e{order[0]}"))
    live = Partition(made)
    for one in log:
        live.play(one)
        live.restart()
    first = live.sent[0]
    assert (first["group"], first["context"]["to"]["name"]) == ({"actor.id": "u"}, "Lagos")
    assert first["context"]["from"]["name"] in ("Berlin", "Potsdam")
    live.tick(2 * HOUR)
    [offline] = backtest(index(made), log).alerts.values()
    for name in ("id", "trigger_count", "context", "reason"):
        assert live.alert[name] == offline[name]


def test_an_event_without_a_place_is_not_counted() -> None:
    made = rule(type="impossible_travel", condition={}, auto_resolve_after=None)
    log = [located(0, 0, BERLIN), event(1, MINUTE), located(2, 2, BERLIN)]
    result = backtest(index(made), log)
    assert result.alerts == {}
