"""New values against a memory that forgets nothing and is read from end to end each time."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.backtest.replay import backtest
from streamproc.detect.new_value import MAX_BYTES, MAX_VALUES, NewValue, Seen
from streamproc.detect.verdict import COUNTED, DUPLICATE, LATE
from streamproc.model.times import iso
from tests.detect.driving import stored_and_loaded, told
from tests.detect.living import Step, delivered, events, lived, plans
from tests.engine.making import BASE, DAY, HOUR, MINUTE, event, index, rule

Value = str | int | float | bool


class Sighting(NamedTuple):
    t: int
    value: Value
    id: str


class ByHand:
    """All that was seen since the group is known; all spans as in the detector."""

    def __init__(self, learning: int, ttl: int, lateness: int) -> None:
        self.learning, self.ttl, self.lateness = learning, ttl, lateness
        self.seen: list[Sighting] = []
        self.ids: set[str] = set()

    def judge(self, one: Sighting) -> int:
        newest = max((s.t for s in self.seen), default=None)
        if newest is not None and one.t < newest - self.ttl - self.lateness:
            return LATE
        if one.id in self.ids:
            return DUPLICATE
        self.ids.add(one.id)
        if newest is not None and one.t > newest + self.ttl:
            self.seen = []
        self.seen.append(one)
        others = [s for s in self.seen if repr(s.value) != repr(one.value)]
        known = any(s.t >= one.t - self.ttl for s in self.seen[:-1] if repr(s.value) == repr(one.value))
        learnt = one.t - min(s.t for s in self.seen) >= self.learning
        return int(bool(others) and not known and learnt)


def run(detector: NewValue, sightings: Iterable[Sighting], restarts: Collection[int] = ()) -> tuple[list[int], Seen]:
    """They arrive one by one, all well within the time that ids are remembered."""
    state, said = detector.new(), []
    for n, one in enumerate(sightings):
        if n in restarts:
            state = stored_and_loaded(detector, state)
        said.append(detector.apply(state, one.t, n, one.id, one.value, b"{}"))
    return said, state


values: st.SearchStrategy[Value] = st.sampled_from(["a", "b", "1", 1, True, 0.5, False, 0])


@st.composite
def sightings(draw: st.DrawFn) -> list[Sighting]:
    """In any order or in that of time; some come twice."""
    found = [Sighting(t, v, f"e{n}") for n, (t, v) in enumerate(draw(st.lists(st.tuples(st.integers(0, 200), values))))]
    again = draw(st.lists(st.sampled_from(found), max_size=6)) if found else []
    if draw(st.booleans()):
        return draw(st.permutations([*found, *again]))
    return sorted([*found, *again], key=lambda one: one.t)


spans = st.sampled_from([0, 1, 10, 60])


@given(sightings(), spans, st.sampled_from([1, 20, 300]), spans)
def test_each_verdict_is_that_of_a_memory_without_end(
    seen: list[Sighting], learning: int, ttl: int, lateness: int
) -> None:
    by_hand = ByHand(learning, ttl, lateness)
    assert run(NewValue("p", learning, ttl, lateness), seen)[0] == [by_hand.judge(one) for one in seen]


@given(sightings(), spans, st.sampled_from([1, 20, 300]), st.sets(st.integers(0, 60)))
def test_storing_and_loading_at_any_point_changes_nothing(
    seen: list[Sighting], learning: int, ttl: int, restarts: set[int]
) -> None:
    detector = NewValue("p", learning, ttl, 10)
    said, state = run(detector, seen)
    said_again, again = run(detector, seen, restarts)
    assert said_again == said
    assert told(detector, again) == told(detector, state)
    assert detector.encode(stored_and_loaded(detector, state)) == detector.encode(again)


@given(
    st.lists(st.tuples(st.integers(0, 200), values, st.integers(0, 20)), max_size=12),
    st.sampled_from([0, 21, 50, 100]),
)
def test_whether_the_group_alerts_is_the_same_in_every_order_within_the_lateness(
    seen: list[tuple[int, Value, int]], learning: int
) -> None:
    """`learning` none, or longer than the lateness of 20."""
    detector = NewValue("p", learning, 1000, 20)
    in_order = [Sighting(t, v, f"e{n}") for n, (t, v, _) in enumerate(sorted(seen, key=lambda s: s[0]))]
    arrived = [Sighting(t, v, f"e{n}") for n, (t, v, _) in enumerate(sorted(seen, key=lambda s: s[0] + s[2]))]
    said, said_in_order = run(detector, arrived)[0], run(detector, in_order)[0]
    assert LATE not in said
    assert any(v > 0 for v in said) == any(v > 0 for v in said_in_order)
    if learning == 0:
        assert any(v > 0 for v in said) == (len({repr(v) for _, v, _ in seen}) > 1)


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ([(0, "US"), (1, "US"), (2, "NG"), (3, "NG"), (4, "DE")], [0, 0, 1, 0, 1]),
        ([(5, "US"), (2, "NG"), (1, "US")], [0, 1, 0]),  # the second is the new one, though it is the older
        ([(0, 1), (1, True), (2, "1"), (3, 1)], [0, 1, 1, 0]),
        ([(0, "a"), (50, "b"), (100, "a"), (201, "a")], [0, 1, 0, 0]),  # 101 after the last: the group begins anew
        ([(0, "a"), (50, "b"), (101, "a")], [0, 1, 1]),  # not seen for more than 100
        ([(0, "a"), (50, "b"), (100, "a")], [0, 1, 0]),  # for 100
        ([(500, "a"), (390, "b"), (389, "c")], [0, 1, LATE]),  # newest - ttl - lateness
    ],
)
def test_a_memory_of_100(seen: list[tuple[int, Value]], said: list[int]) -> None:
    detector = NewValue("p", 0, 100, 10)
    assert run(detector, [Sighting(t, v, str(n)) for n, (t, v) in enumerate(seen)])[0] == said


def test_what_is_learnt_first_is_learnt_in_silence() -> None:
    detector = NewValue("p", 50, 1000, 10)
    seen = [(0, "a"), (10, "b"), (49, "c"), (50, "d"), (60, "b")]
    assert run(detector, [Sighting(t, v, str(n)) for n, (t, v) in enumerate(seen)])[0] == [0, 0, 0, 1, 0]


def test_what_the_alert_tells() -> None:
    detector = NewValue("actor.country", 0, 90 * DAY, HOUR)
    seen = [Sighting(BASE, "US", "1"), Sighting(BASE + 9, "DE", "2"), Sighting(BASE + 10, "US", "3")]
    _, state = run(detector, seen)
    assert detector.context(state) == {
        "count": 1,
        "path": "actor.country",
        "value": "DE",
        "known_values": ["US"],
        "value_last_seen": None,
        "first_seen": "2026-02-10T12:00:00.000Z",
        "first_event_time": "2026-02-10T12:00:00.009Z",
        "last_event_time": "2026-02-10T12:00:00.009Z",
        "event_ids": ["2"],
    }
    assert detector.reason(state, {"actor.id": "u1"}, None) == (
        "actor.country DE for the first time for actor.id u1 (known: US)"
    )
    detector.apply(state, BASE + 80 * DAY, 0, "4", "US", b"")
    detector.apply(state, BASE + 90 * DAY + 10, 0, "5", "DE", b"")
    assert detector.reason(state, {}, None) == "actor.country DE for the first time in 90 d (known: US)"
    assert detector.context(state)["value_last_seen"] == iso(BASE + 9)
    several: list[Value] = [True, 2, 3.5, "x", "y", "z"]
    for n, value in enumerate(several):
        detector.apply(state, BASE + 91 * DAY + n, 0, f"v{n}", value, b"")
    assert detector.reason(state, {}, None) == "actor.country z for the first time (known: y, x, 3.5, 2, true, …)"


def test_a_key_holds_at_most_its_bounds() -> None:
    detector = NewValue("p", 0, DAY, 0)
    state = detector.new()
    for n in range(3 * MAX_VALUES):
        # one of them is seen again and again
        assert detector.apply(state, 2 * n, n, f"a{n}", "often", b"{}") == COUNTED
        assert detector.apply(state, 2 * n + 1, n, f"b{n}", "é" * 300 + str(n), b"{}") == 1
    assert len(state.values) == MAX_VALUES
    assert all(len(str(value).encode()) <= MAX_BYTES for _, value in state.values)
    assert len(detector.context(state)["known_values"]) == 20
    assert len(ormsgpack.packb(state.values and detector.encode(state)[3])) < MAX_VALUES * 150
    assert detector.apply(state, 10_000, 0, "x", "é" * 300 + str(3 * MAX_VALUES - 1), b"{}") == COUNTED
    assert detector.apply(state, 10_000, 0, "y", "é" * 300 + "0", b"{}") == 1, "it was forgotten"


@given(sightings(), sightings())
def test_merging_unites_what_was_seen_however_often_it_is_done(ones: list[Sighting], others: list[Sighting]) -> None:
    detector = NewValue("p", 0, 1000, 1000)

    def learnt(state: Seen) -> Any:
        return state.first, state.newest, sorted(map(repr, state.values.items()))

    state, seed = run(detector, ones)[1], run(detector, others)[1]
    both = run(detector, [one._replace(id=f"{n}") for n, one in enumerate([*ones, *others])])[1]
    seed_before = learnt(seed)
    for _ in range(2):
        detector.merge(state, stored_and_loaded(detector, seed))
        assert learnt(state) == learnt(both)
    assert learnt(seed) == seed_before
    assert learnt(stored_and_loaded(detector, state)) == learnt(both)


def test_a_merged_key_knows_what_the_other_saw() -> None:
    detector = NewValue("p", 0, 1000, 0)
    state = detector.new()
    detector.merge(state, run(detector, [Sighting(0, "a", "1")])[1])
    assert detector.apply(state, 5, 0, "2", "a", b"") == COUNTED
    assert detector.apply(state, 6, 0, "3", "b", b"") == 1


# in the engine


def new_host(**fields: Any) -> dict[str, Any]:
    condition = {"path": "resource.id", "group_by": "actor.id"}
    return rule(type="new_value", condition=condition, auto_resolve_after=None, lateness_seconds=60) | fields


@given(plans(lateness=MINUTE, longest=20 * MINUTE, most=12))
def test_alerts_are_those_counted_by_hand_whatever_the_ticks_and_the_restarts(steps: list[Step]) -> None:
    made, live = new_host(), lived(new_host(), steps, until=2000)
    by_hand: dict[str, ByHand] = {}
    expected: dict[str, tuple[int, str]] = {}
    for step, one in zip(steps, events(steps), strict=True):
        judge = by_hand.setdefault(step.actor, ByHand(0, 90 * DAY, MINUTE))
        if judge.judge(Sighting(step.t, one.doc["resource"]["id"], step.id)) > 0:
            count, first = expected.get(step.actor, (0, step.id))
            expected[step.actor] = (count + 1, first)
    for alerts in (live, delivered(made, steps)):
        assert {a["group"]["actor.id"]: (a["trigger_count"], a["event"]["id"]) for a in alerts} == expected


def test_a_group_of_which_nothing_was_seen_for_long_is_new_whether_its_key_is_there_or_not() -> None:
    made = rule(type="new_country", condition={"ttl_days": 10})
    for gap in (10 * DAY + 1, 10 * DAY + 30 * MINUTE, 11 * DAY):
        log = [event(0, 0, {"id": "u", "country": "US"}), event(1, gap, {"id": "u", "country": "DE"})]
        assert backtest(index(made), log).alerts == {}
    log = [event(0, 0, {"id": "u", "country": "US"}), event(1, 10 * DAY, {"id": "u", "country": "DE"})]
    assert len(backtest(index(made), log).alerts) == 1
