"""Rolling thresholds against counting by hand."""

from __future__ import annotations

import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.detect.rolling import MAX_SAMPLE_BYTES, RollingThreshold
from streamproc.detect.verdict import COUNTED, DUPLICATE, LATE
from tests.detect.driving import stored_and_loaded, told, verdicts
from tests.detect.plainly import Hit, Rolling, none_late

windows = st.integers(1, 12)
lateness = st.integers(0, 12)
counts = st.integers(1, 6)
values = st.sampled_from(["a", "b", "c", 1, 2])


@st.composite
def deliveries(draw: st.DrawFn, longest: int = 45) -> list[Hit]:
    """Hits in any order; some come twice, or more often, as they were."""
    hits = [
        Hit(t, f"e{n}", draw(values))
        for n, t in enumerate(draw(st.lists(st.integers(0, 60), min_size=1, max_size=longest)))
    ]
    again = draw(st.lists(st.sampled_from(hits), max_size=8))
    return draw(st.permutations([*hits, *again])) if draw(st.booleans()) else sorted([*hits, *again])


@given(deliveries(), counts, windows, lateness, st.booleans())
def test_each_verdict_is_that_of_counting_by_hand(
    hits: list[Hit], count: int, window: int, late: int, distinct: bool
) -> None:
    by_hand = Rolling(count, window, late, distinct)
    detector = RollingThreshold(count, window, late, "path" if distinct else None)
    assert verdicts(detector, hits)[0] == [by_hand.judge(hit) for hit in hits]


@given(deliveries(), counts, windows, lateness, st.booleans(), st.sets(st.integers(0, 50)))
def test_storing_and_loading_at_any_point_changes_nothing(
    hits: list[Hit], count: int, window: int, late: int, distinct: bool, restarts: set[int]
) -> None:
    detector = RollingThreshold(count, window, late, "path" if distinct else None)
    said, state = verdicts(detector, hits)
    said_again, again = verdicts(detector, hits, restarts)
    assert said_again == said
    assert told(detector, again) == told(detector, state)
    assert detector.encode(stored_and_loaded(detector, state)) == detector.encode(again)


@given(st.data(), counts, st.integers(1, 30), lateness, st.booleans())
def test_which_groups_trigger_is_the_same_in_every_order_within_the_lateness(
    data: st.DataObject, count: int, window: int, late: int, distinct: bool
) -> None:
    groups = data.draw(st.lists(st.tuples(st.sampled_from("xyz"), st.integers(0, 90), values), max_size=50))
    hits = [Hit(t, f"{group}{n}", value) for n, (group, t, value) in enumerate(groups)]
    delays = data.draw(st.lists(st.integers(0, window + late), min_size=len(hits), max_size=len(hits)))
    detector = RollingThreshold(count, window, late, "path" if distinct else None)

    def triggered(order: list[Hit]) -> set[str]:
        found = set()
        for group in "xyz":
            said, _ = verdicts(detector, [hit for hit in order if hit.id[0] == group])
            assert LATE not in said
            if any(verdict > 0 for verdict in said):
                found.add(group)
        return found

    assert triggered(none_late(hits, delays)) == triggered(sorted(hits))


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ([0, 60], [COUNTED, COUNTED]),
        ([0, 59], [COUNTED, 2]),
        ([100, 50, 70], [COUNTED, 2, 3]),
        ([500, 0, 10], [COUNTED, COUNTED, 2]),  # newest - W - L = 500 - 60 - 600 < 0
        ([700, 40, 39], [COUNTED, COUNTED, LATE]),
        ([0, 0, 0], [COUNTED, 2, 3]),
        ([0, 50, 100, 55], [COUNTED, 2, 2, 3]),  # 50, 55 and 100 lie in (40, 100]
    ],
)
def test_a_window_of_60_that_two_fill(times: list[int], said: list[int]) -> None:
    detector = RollingThreshold(2, 60, 600)
    assert verdicts(detector, [Hit(t, str(n)) for n, t in enumerate(times)])[0] == said


def test_context_tells_of_the_window_that_triggered_and_not_of_what_came_later() -> None:
    detector = RollingThreshold(3, 60_000, 600_000)
    hits = [Hit(500_000, "new"), Hit(0, "a"), Hit(10_000, "b"), Hit(20_000, "c")]
    said, state = verdicts(detector, hits)
    assert said == [0, 0, 0, 3]
    assert detector.context(state) == {
        "count": 3,
        "window_seconds": 60,
        "first_event_time": "1970-01-01T00:00:00.000Z",
        "last_event_time": "1970-01-01T00:00:20.000Z",
        "event_ids": ["a", "b", "c"],
    }
    assert detector.samples(state) == [b'{"id":"a"}', b'{"id":"b"}', b'{"id":"c"}']
    assert detector.reason(state, {"actor.ip": "192.0.2.1"}, None) == "3 events in 60 s for actor.ip 192.0.2.1"


def test_the_reason_names_what_was_different() -> None:
    detector = RollingThreshold(2, 1500, 0, "actor.id")
    _, state = verdicts(detector, [Hit(0, "1", "u"), Hit(0, "2", "u"), Hit(9, "3", "v")])
    assert detector.reason(state, {}, None) == "2 different values of actor.id in 1.5 s"
    assert detector.context(state)["window_seconds"] == 1.5


@pytest.mark.parametrize(("count", "cap"), [(3, 1024), (2000, 4000)])
def test_a_key_holds_at_most_its_bound_and_counts_on_in_order(count: int, cap: int) -> None:
    detector = RollingThreshold(count, 10_000_000, 0)
    state = detector.new()
    for n in range(2 * cap):
        said = detector.apply(state, n, n, f"event-{n}", None, b"{}")
        assert said == (min(n + 1, cap) if n + 1 >= count else COUNTED)
    assert len(state.times) == len(state.ids) == len(state.seen or ()) == cap
    assert len(detector.context(state)["event_ids"]) == 100
    assert len(ormsgpack.packb(detector.encode(state))) < 40 * cap


def test_a_full_key_takes_no_older_event_and_stays_in_order() -> None:
    detector = RollingThreshold(3, 10_000_000, 0)
    state = detector.new()
    for n in range(1, 1500):
        detector.apply(state, 1000 + n, 0, f"event-{n}", None, b"{}")
    assert detector.apply(state, 5, 0, "older than all it holds", None, b"{}") == COUNTED
    assert detector.apply(state, 2100, 0, "among them", None, b"{}") == 1024
    assert detector.apply(state, 2100, 0, "among them", None, b"{}") == DUPLICATE
    assert state.times == sorted(state.times)
    assert len(state.times) == len(state.ids) == len(state.seen or ()) == 1024


def test_what_no_window_can_need_is_forgotten() -> None:
    detector = RollingThreshold(100, 10, 5)
    state = detector.new()
    for t in range(10_000):
        detector.apply(state, t, t, str(t), t % 7, b"x" * 100)
    assert len(state.times) == 2 * 10 + 5
    assert len(state.samples) <= 4


def test_large_documents_are_no_samples() -> None:
    detector = RollingThreshold(1, 10, 0)
    state = detector.new()
    detector.apply(state, 0, 0, "large", None, b"x" * (MAX_SAMPLE_BYTES + 1))
    detector.apply(state, 1, 0, "fits", None, b"x" * MAX_SAMPLE_BYTES)
    assert [len(raw) for raw in detector.samples(state)] == [MAX_SAMPLE_BYTES]
