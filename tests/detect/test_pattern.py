"""Patterns: every event triggers, once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.detect.pattern import Pattern
from streamproc.detect.recent import MAX_REMEMBERED, REMEMBER_MS
from streamproc.detect.verdict import DUPLICATE
from tests.detect.driving import stored_and_loaded

deliveries = st.lists(
    st.tuples(st.integers(0, 3 * REMEMBER_MS), st.sampled_from("abcdefgh"), st.integers(0, REMEMBER_MS)), max_size=40
).map(sorted)
"""(arrival, id, how long it took to come), in order of arrival."""


@given(deliveries, st.sampled_from([0, 600_000, 2 * REMEMBER_MS]), st.sets(st.integers(0, 40)))
def test_an_id_counts_once_in_the_time_that_it_is_remembered(
    events: list[tuple[int, str, int]], lateness: int, restarts: set[int]
) -> None:
    detector, state = Pattern(lateness), Pattern(lateness).new()
    counted: list[tuple[int, str]] = []
    for number, (arrival, id, delay) in enumerate(events):
        if number in restarts:
            state = stored_and_loaded(detector, state)
        remembered = max(lateness, REMEMBER_MS)
        newest = max((seen for seen, _ in counted), default=0)
        # what is older is forgotten when the next event is taken in
        known = any(seen_id == id and seen >= newest - remembered for seen, seen_id in counted)
        said = detector.apply(state, max(arrival - delay, 0), arrival, id, None, b"{}")
        assert said == (DUPLICATE if known else 1)
        if not known:
            counted.append((arrival, id))


@pytest.mark.parametrize(
    ("times", "late"),
    [
        ([0, 1000], [False, False]),
        ([700_000, 100_000], [False, False]),  # exactly the lateness
        ([700_000, 99_999], [False, True]),
        ([700_000, 99_999, 650_000], [False, True, False]),
        ([700_000, 99_999, 100_000], [False, True, False]),  # a late one moves nothing back
    ],
)
def test_events_past_the_lateness_still_trigger_and_are_marked(times: list[int], late: list[bool]) -> None:
    detector = Pattern(600_000)
    state, found = detector.new(), []
    for n, t in enumerate(times):
        assert detector.apply(state, t, 10**6 + n, str(n), None, b"{}") == 1
        found.append(detector.late(state))
    assert found == late


def test_so_many_ids_are_remembered_and_no_more() -> None:
    detector = Pattern(0)
    state = detector.new()
    for n in range(MAX_REMEMBERED + 10):
        assert detector.apply(state, n, 5, str(n), None, b"{}") == 1
    assert len(state.ids) == MAX_REMEMBERED
    assert detector.apply(state, 10, 5, "10", None, b"{}") == DUPLICATE
    assert detector.apply(state, 9, 5, "9", None, b"{}") == 1, "the oldest was forgotten"


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (None, "a matching event"),
        ({"action": "user.login", "outcome": "success"}, "user.login"),
        (
            {"action": "role.grant", "outcome": "denied", "actor": {"id": "u1"}, "resource": {"id": "r1"}},
            "role.grant (denied) by u1 on r1",
        ),
        ({"action": "a", "actor": {"id": "u1", "email": "ann@example.com"}, "resource": {}}, "a by ann@example.com"),
    ],
)
def test_the_reason_says_who_did_what(event: dict[str, object] | None, reason: str) -> None:
    detector = Pattern(0)
    assert detector.reason(detector.new(), {}, event) == reason


def test_context_is_of_the_latest_event() -> None:
    detector = Pattern(0)
    state = detector.new()
    detector.apply(state, 2000, 2000, "first", None, b"{}")
    detector.apply(state, 1000, 3000, "second", None, b"{}")
    assert detector.context(state) == {
        "count": 1,
        "first_event_time": "1970-01-01T00:00:01.000Z",
        "last_event_time": "1970-01-01T00:00:01.000Z",
        "event_ids": ["second"],
    }
    assert detector.samples(state) == []
