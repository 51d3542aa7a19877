"""Sequences against all chains there are, tried one by one: each verdict, and which chain is taken."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import permutations
from typing import Any

import ormsgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamproc.backtest.replay import backtest
from streamproc.detect.rolling import MAX_SAMPLE_BYTES
from streamproc.detect.sequence import FEW_ENDS, MAX_ENTRIES, MAX_SAMPLES_BYTES, Sequence, Track
from streamproc.detect.verdict import COUNTED, DUPLICATE, LATE
from streamproc.model.times import iso
from tests.detect.driving import stored_and_loaded, told, verdicts
from tests.detect.living import Step, delivered, events, lived, plans
from tests.detect.plainly import Hit, none_late
from tests.engine.making import BASE, HOUR, MINUTE, Partition, event, index, rule

A, B, C = 1, 2, 4
Chain = tuple[Hit, ...]


class ByHand:
    """Everything that counted, and all chains that can be made of what was not consumed."""

    def __init__(self, steps: int, ordered: bool, within: int, lateness: int) -> None:
        self.steps, self.ordered, self.within, self.lateness = steps, ordered, within, lateness
        self.counted: list[Hit] = []
        self.waiting: list[Hit] = []

    def judge(self, hit: Hit) -> int:
        """When a chain is there, `consume` is to be told which was taken."""
        if self.counted and hit.t < max(h.t for h in self.counted) - self.within - self.lateness:
            return LATE
        if any(h.id == hit.id for h in self.counted):
            return DUPLICATE
        self.counted.append(hit)
        self.waiting.append(hit)
        return self.steps if self.best() is not None else COUNTED

    def best(self) -> Chain | None:
        return max(self.chains(self.waiting), key=self.rank, default=None)

    def rank(self, chain: Chain) -> Any:
        return [h.t for h in reversed(chain)] if self.ordered else sorted(((h.t, h.id) for h in chain), reverse=True)

    def chains(self, hits: Iterable[Hit], so_far: Chain = ()) -> Iterator[Chain]:
        if len(so_far) == self.steps:
            yield so_far
            return
        hits = list(hits)
        for hit in hits:
            longer = (*so_far, hit)
            times = [h.t for h in longer]
            if (
                int(hit.value or 0) >> len(so_far) & 1
                and max(times) - min(times) < self.within
                and (not self.ordered or times == sorted(times))
            ):
                yield from self.chains([h for h in hits if h is not hit], longer)

    def consume(self, ids: Collection[str]) -> None:
        self.waiting = [h for h in self.waiting if h.id not in ids]


def compared(detector: Sequence, by_hand: ByHand, hits: Iterable[Hit], restarts: Collection[int] = ()) -> Track:
    """Feeds both; of chains that rank alike, by hand the one is consumed that the detector took."""
    state = detector.new()
    for number, hit in enumerate(hits):
        if number in restarts:
            state = stored_and_loaded(detector, state)
        verdict = detector.apply(state, hit.t, hit.t, hit.id, hit.value, b"{}")
        assert verdict == by_hand.judge(hit)
        assert (state.entries, state.used) == (sorted(state.entries), sorted(state.used))
        if verdict > 0:
            steps = detector.context(state)["steps"]
            found = {h.id: h for h in by_hand.waiting}
            chain = tuple(found[step["event_id"]] for step in steps)
            assert chain in list(by_hand.chains(chain)), "it is one"
            best = by_hand.best()
            assert best is not None
            assert by_hand.rank(chain) == by_hand.rank(best)
            by_hand.consume([h.id for h in chain])
    return state


@st.composite
def hits(draw: st.DrawFn, steps: int, most: int = 14, longest: int = 30) -> list[Hit]:
    """Hits of one or of several steps, many at one time; in any order or in that of time. Some come twice."""
    one = st.sampled_from([1 << n for n in range(steps)])
    masks = one if draw(st.booleans()) else one | st.integers(1, (1 << steps) - 1)
    times = st.integers(0, draw(st.sampled_from([3, 10, longest])))
    found = draw(st.lists(st.tuples(times, masks), max_size=most))
    named = [Hit(t, f"e{n:02}", bits) for n, (t, bits) in enumerate(found)]
    again = draw(st.lists(st.sampled_from(named), max_size=4)) if named else []
    if draw(st.booleans()):
        return draw(st.permutations([*named, *again]))
    return sorted([*named, *again])


withins = st.sampled_from([1, 2, 5, 12, 40])
lateness = st.sampled_from([0, 3, 20])


@pytest.fixture(params=[0, FEW_ENDS])
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With chains in order looked for in either way."""
    monkeypatch.setattr("streamproc.detect.sequence.FEW_ENDS", request.param)


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), st.integers(2, 4), st.booleans(), withins, lateness, st.sets(st.integers(0, 18)))
def test_each_verdict_and_each_chain_is_that_of_trying_all(
    few: None, data: st.DataObject, steps: int, ordered: bool, within: int, late: int, restarts: set[int]
) -> None:
    some = data.draw(hits(steps, most=14 if steps < 4 else 10))
    compared(Sequence(steps, ordered, within, late), ByHand(steps, ordered, within, late), some, restarts)


@given(st.data(), st.integers(2, 4), st.booleans(), withins, st.sets(st.integers(0, 40)))
def test_storing_and_loading_at_any_point_changes_nothing(
    data: st.DataObject, steps: int, ordered: bool, within: int, restarts: set[int]
) -> None:
    detector = Sequence(steps, ordered, within, 10)
    some = data.draw(hits(steps, most=40))
    said, state = verdicts(detector, some)
    said_again, again = verdicts(detector, some, restarts)
    assert said_again == said
    loaded = stored_and_loaded(detector, state)
    assert detector.encode(loaded) == detector.encode(again)
    for name in ("ids", "steps_of", "held_bytes"):
        assert getattr(loaded, name) == getattr(state, name)
    if any(verdict > 0 for verdict in said):
        assert told(detector, again) == told(detector, state)


@settings(max_examples=200)
@given(st.data(), st.integers(2, 4), st.booleans(), withins, lateness)
def test_whether_the_group_alerts_is_the_same_in_every_order_within_the_lateness(
    data: st.DataObject, steps: int, ordered: bool, within: int, late: int
) -> None:
    some = list(dict.fromkeys(data.draw(hits(steps, most=12))))
    delays = data.draw(st.lists(st.integers(0, late), min_size=len(some), max_size=len(some)))
    detector, by_hand = Sequence(steps, ordered, within, late), ByHand(steps, ordered, within, late)
    expected = any(True for _ in by_hand.chains(some))
    for order in (sorted(some), none_late(some, delays)):
        said, _ = verdicts(detector, order)
        assert LATE not in said
        assert any(verdict > 0 for verdict in said) == expected


@pytest.mark.parametrize(
    ("ordered", "bits", "times", "said"),
    [
        (True, [A, B, C], [0, 5, 9], [0, 0, 3]),
        (True, [A, B, C], [0, 5, 10], [0, 0, 0]),  # not shorter than the span of 10
        (True, [C, B, A], [0, 0, 0], [0, 0, 3]),  # equal times are in order, whatever came first
        (True, [A, C, B], [0, 1, 2], [0, 0, 0]),
        (True, [B, C, A], [5, 9, 0], [0, 0, 3]),  # the first comes last
        (True, [A, C, B], [0, 9, 5], [0, 0, 3]),
        (True, [A | B, C, A], [1, 2, 0], [0, 0, 3]),  # one event is no two steps
        (True, [A | B | C] * 4, [0, 1, 2, 3], [0, 0, 3, 0]),
        (True, [A, B, C, C, B, A], [0, 1, 2, 2, 1, 0], [0, 0, 3, 0, 0, 3]),  # what was consumed is gone
        (True, [A, A | C, B], [5, 10, 10], [0, 0, 3]),  # what could be the first step is needed as the last
        (True, [A, A | B, B | C], [8, 8, 8], [0, 0, 3]),
        # nor is it two of a chain that would end later
        (True, [A, C, A | B, C, B], [1, 3, 10, 11, 2], [0, 0, 0, 0, 3]),
        (True, [A, C, A | B, C, B], [1, 3, 11, 11, 2], [0, 0, 0, 0, 3]),
        (False, [A, C, A | C, B], [1, 1, 11, 2], [0, 0, 0, 3]),
        (False, [C, A, B], [0, 5, 9], [0, 0, 3]),
        (False, [C, A, B], [0, 5, 10], [0, 0, 0]),
        (False, [A | B, A, C], [0, 1, 2], [0, 0, 3]),  # only if the first is the second step
        (False, [A | B, A | B, A | B, C], [0, 1, 2, 3], [0, 0, 0, 3]),
        (False, [A, A, B, B, C, C], [0, 1, 2, 3, 4, 5], [0, 0, 0, 0, 3, 3]),
    ],
)
def test_three_steps_within_10(few: None, ordered: bool, bits: list[int], times: list[int], said: list[int]) -> None:
    detector = Sequence(3, ordered, 10, 100)
    some = [Hit(t, f"e{n}", value) for n, (t, value) in enumerate(zip(times, bits, strict=True))]
    assert verdicts(detector, some)[0] == said


@pytest.mark.parametrize("ordered", [True, False])
def test_late_and_repeated(ordered: bool) -> None:
    detector = Sequence(2, ordered, 10, 5)
    some = [Hit(0, "a", A), Hit(0, "a", A), Hit(3, "b", B), Hit(3, "b", B), Hit(0, "a", A), Hit(19, "c", B)]
    some += [Hit(4, "d", A), Hit(3, "late", A), Hit(10, "e", A), Hit(10, "e", A)]
    assert verdicts(detector, some)[0] == [
        *(COUNTED, DUPLICATE, 2, DUPLICATE, DUPLICATE, COUNTED),
        *(COUNTED, LATE, 2, DUPLICATE),  # 19 - 10 - 5 = 4 is the oldest that is not late
    ]


@pytest.mark.parametrize(
    ("ordered", "taken"),
    [
        (True, ["b1", "c2", "d3"]),  # ends latest, with the latest of each step before
        (False, ["a9", "c2", "d3"]),
    ],
)
def test_of_several_chains_the_latest_is_taken(ordered: bool, taken: list[str]) -> None:
    detector = Sequence(3, ordered, 10, 100)
    some = [Hit(0, "a0", A), Hit(1, "b1", A), Hit(9, "a9", A), Hit(2, "c1", B), Hit(3, "c2", B), Hit(5, "d3", C)]
    said, state = verdicts(detector, some)
    assert said == [0, 0, 0, 0, 0, 3]
    assert [step["event_id"] for step in detector.context(state)["steps"]] == taken


def test_what_the_alert_tells() -> None:
    detector = Sequence(3, True, 600_000, 600_000)
    some = [Hit(BASE + 4500, "c", C), Hit(BASE, "a", A), Hit(BASE + 2000, "b", B), Hit(BASE + 9000, "other", A)]
    said, state = verdicts(detector, some)
    assert said == [0, 0, 3, 0]
    assert detector.context(state) == {
        "count": 3,
        "within_seconds": 600,
        "span_seconds": 4.5,
        "steps": [
            {"step": 1, "event_id": "a", "event_time": iso(BASE)},
            {"step": 2, "event_id": "b", "event_time": iso(BASE + 2000)},
            {"step": 3, "event_id": "c", "event_time": iso(BASE + 4500)},
        ],
        "first_event_time": iso(BASE),
        "last_event_time": iso(BASE + 4500),
        "event_ids": ["a", "b", "c"],
    }
    assert detector.samples(state) == [b'{"id":"a"}', b'{"id":"b"}', b'{"id":"c"}']
    assert detector.reason(state, {"actor.id": "u"}, None) == "3 steps in order in 4.5 s for actor.id u"
    assert Sequence(3, False, 10, 0).reason(state, {}, None) == "3 steps in any order in 4.5 s"


def test_event_ids_in_any_order_are_by_time() -> None:
    detector = Sequence(2, False, 10, 0)
    _, state = verdicts(detector, [Hit(1, "b", B), Hit(2, "a", A)])
    context = detector.context(state)
    assert [step["event_id"] for step in context["steps"]] == ["a", "b"]
    assert context["event_ids"] == ["b", "a"]
    assert (context["first_event_time"], context["last_event_time"]) == (iso(1), iso(2))


@pytest.mark.parametrize("ordered", [True, False])
def test_a_key_holds_at_most_its_bounds_and_finds_what_comes_in_order(ordered: bool) -> None:
    detector = Sequence(2, ordered, 10_000_000, 0)
    state = detector.new()
    for n in range(2 * MAX_ENTRIES):
        assert detector.apply(state, n, n, f"a{n}", A, b"x" * 1000) == COUNTED
    assert len(state.entries) == len(state.ids) == MAX_ENTRIES
    assert state.steps_of == {A: MAX_ENTRIES}
    assert state.held_bytes == sum(map(len, state.samples.values())) == MAX_SAMPLES_BYTES // 1000 * 1000
    assert len(ormsgpack.packb(detector.encode(state))) < 20 * MAX_ENTRIES + MAX_SAMPLES_BYTES
    assert detector.apply(state, 0, 0, "older than all it holds", A, b"{}") == COUNTED
    assert "older than all it holds" not in state.ids
    for n in range(2 * MAX_ENTRIES, 4 * MAX_ENTRIES):
        said = detector.apply(state, n, n, f"b{n}", B, b"{}")
        assert said == (2 if n < 3 * MAX_ENTRIES - 1 else COUNTED), "each has a partner, but the one that made room"
    assert len(state.entries) == len(state.used) == MAX_ENTRIES
    assert len(state.ids) == 2 * MAX_ENTRIES
    assert detector.apply(state, n, n, f"b{n}", B, b"{}") == DUPLICATE


def test_what_no_chain_can_need_is_forgotten() -> None:
    detector = Sequence(2, True, 10, 5)
    state = detector.new()
    for t in range(5000):
        detector.apply(state, t, t, str(t), A if t % 3 else B, b"{}")
    assert len(state.entries) + len(state.used) == len(state.ids) == 25
    assert set(state.samples) == {event_id for _, event_id, _ in state.entries}
    assert state.held_bytes == 2 * len(state.samples)


def test_large_documents_are_no_samples_and_only_the_last_four_are_shown() -> None:
    detector = Sequence(6, True, 100, 0)
    state = detector.new()
    for n in range(6):
        raw = b"x" * (MAX_SAMPLE_BYTES + 1) if n == 4 else b"%d" % n
        said = detector.apply(state, n, n, str(n), 1 << n, raw)
    assert said == 6
    assert detector.samples(state) == [b"1", b"2", b"3", b"5"]
    assert stored_and_loaded(detector, state).chain_samples == [b"1", b"2", b"3", b"5"]


@pytest.mark.parametrize("ordered", [True, False])
def test_ten_steps_of_which_each_event_could_be_any(ordered: bool) -> None:
    """There are as many ways to assign them as there are orders; none is a chain until one is the last step."""
    detector = Sequence(10, ordered, 1000, 0)
    every = (1 << 10) - 1
    state = detector.new()
    for n in range(200):
        assert detector.apply(state, 5, n, f"a{n}", every >> 1, b"{}") == COUNTED
    for n in range(8):
        assert detector.apply(state, 6, n, f"b{n}", 1 << 9, b"{}") == 10


# in the engine


def takeover(**fields: Any) -> dict[str, Any]:
    steps = [{"resource.id": "h0"}, {"resource.id": "h1"}]
    condition = {"action": "a", "steps": steps, "within": "5m", "group_by": "actor.id"}
    made = rule(type="sequence", condition=condition, auto_resolve_after=None, lateness_seconds=60)
    return made | {"condition": condition | fields}


@given(plans(lateness=MINUTE, longest=20 * MINUTE, most=14), st.booleans())
def test_alerts_are_those_of_trying_all_whatever_the_ticks_and_the_restarts(steps: list[Step], ordered: bool) -> None:
    made = takeover(ordered=ordered)
    expected: dict[str, tuple[int, str]] = {}
    by_hand: dict[str, ByHand] = {}
    for step, one in zip(steps, events(steps), strict=True):
        judge = by_hand.setdefault(step.actor, ByHand(2, ordered, 5 * MINUTE, MINUTE))
        if judge.judge(Hit(step.t, step.id, A if one.doc["resource"]["id"] == "h0" else B)) > 0:
            # Events of the same time and step are alike, so it does not matter which is consumed.
            judge.consume([hit.id for hit in judge.best() or ()])
            count, first = expected.get(step.actor, (0, step.id))
            expected[step.actor] = (count + 1, first)
    for alerts in (lived(made, steps, until=2000), delivered(made, steps)):
        assert {a["group"]["actor.id"]: (a["trigger_count"], a["event"]["id"]) for a in alerts} == expected


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_in_every_order_the_alert_shows_the_same_steps(order: tuple[int, ...]) -> None:
    steps = [{"action": name} for name in "xyz"]
    made = takeover(action={"in": ["x", "y", "z"]}, steps=steps)
    log = [event(place, n * 1000, arrival=5000, action="xyz"[n], id=f"e{n}") for place, n in enumerate(order)]
    live = Partition(made)
    for one in log:
        live.play(one)
        live.restart()
    for alert in (live.alert, *backtest(index(made), log).alerts.values()):
        assert [step["event_id"] for step in alert["context"]["steps"]] == ["e0", "e1", "e2"]
        assert alert["reason"] == "3 steps in order in 2 s for actor.id u"
        assert alert["event"]["id"] == f"e{order[-1]}"


def test_the_next_chain_opens_another_alert_once_the_first_is_resolved() -> None:
    made = takeover() | {"auto_resolve_after": "10m"}
    log = [event(n, at, resource={"id": host}) for n, (at, host) in enumerate([(0, "h0"), (1, "h1"), (2, "h1")])]
    log += [event(n, HOUR + n, resource={"id": f"h{n % 2}"}) for n in (4, 5)]
    alerts = list(backtest(index(made), log).alerts.values())
    assert [(a["event"]["id"], a["trigger_count"]) for a in alerts] == [("e1", 1), ("e5", 1)]
