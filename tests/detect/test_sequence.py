"""Sequences against brute force: whether a chain exists does not depend on the order of arrival."""

from __future__ import annotations

import random
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.detect.sequence import MAX_ENTRIES, Sequence
from streamproc.detect.verdict import COUNTED, DUPLICATE, LATE

WITHIN, LATENESS = 100, 60
A, B, C, AB = 1, 2, 4, 3
Log = list[tuple[int, int]]
"""(event time, steps as bits)"""


def run(log: Log, steps: int = 3, ordered: bool = True, restart: bool = False) -> list[int]:
    detector = Sequence(steps, ordered, WITHIN, LATENESS)
    state, verdicts = detector.new(), []
    for n, (t, bits) in enumerate(log):
        verdicts.append(detector.apply(state, t, t, f"e{n}", bits, b"{}"))
        if restart:
            state = detector.decode(detector.encode(state))
    return verdicts


def exists(log: Log, steps: int, ordered: bool) -> bool:
    """Whether any choice of different events is a chain; by trying all of them."""
    for chosen in permutations(range(len(log)), steps):
        times = [log[n][0] for n in chosen]
        fit = all(log[n][1] >> step & 1 for step, n in enumerate(chosen))
        if fit and max(times) - min(times) < WITHIN and (not ordered or times == sorted(times)):
            return True
    return False


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        ([(0, A), (1, B), (2, C)], [COUNTED, COUNTED, 3]),
        ([(0, C), (1, B), (2, A)], [COUNTED] * 3),
        ([(0, A), (50, B), (100, C)], [COUNTED] * 3),  # as long as the span is too long
        ([(0, A), (50, B), (99, C)], [COUNTED, COUNTED, 3]),
        ([(2, C), (1, B), (0, A)][::1], [COUNTED, COUNTED, 3]),  # arrived backwards
        ([(5, A), (5, B), (5, C)], [COUNTED, COUNTED, 3]),  # of equal time
        ([(5, C), (5, AB), (5, A)], [COUNTED, COUNTED, 3]),
        ([(0, AB), (1, C)], [COUNTED, COUNTED]),  # one event is one step
        ([(0, A), (1, B), (2, C), (3, C)], [COUNTED, COUNTED, 3, COUNTED]),  # used up
        ([(500, A), (0, B)], [COUNTED, LATE]),
    ],
)
def test_in_order(log: Log, expected: list[int]) -> None:
    if log == [(2, C), (1, B), (0, A)]:
        assert exists(sorted(log), 3, True)
    assert run(log) == expected
    assert run(log, restart=True) == expected


def test_in_any_order() -> None:
    assert run([(0, C), (1, A), (2, B)], ordered=False) == [COUNTED, COUNTED, 3]
    assert run([(0, AB), (1, A), (2, C)], ordered=False) == [COUNTED, COUNTED, 3]
    assert run([(0, AB), (1, C)], ordered=False) == [COUNTED, COUNTED]


def test_a_repeated_event_counts_once_also_when_it_was_used() -> None:
    detector = Sequence(2, True, WITHIN, LATENESS)
    state = detector.new()
    for event_id, bits, expected in (("a", A, COUNTED), ("a", A, DUPLICATE), ("b", B, 2), ("a", A, DUPLICATE)):
        assert detector.apply(state, 1, 1, event_id, bits, b"") == expected


def test_entries_are_bounded() -> None:
    detector = Sequence(2, True, 10**9, LATENESS)
    state = detector.new()
    for n in range(3 * MAX_ENTRIES):
        detector.apply(state, n, n, f"e{n}", A, b"")
    assert len(state.entries) == MAX_ENTRIES


logs = st.lists(st.tuples(st.integers(0, 150), st.sampled_from([A, B, C, AB, A | C, 7])), max_size=7)


@given(logs, st.booleans(), st.randoms(use_true_random=False))
def test_a_chain_is_found_in_any_order_of_arrival(log: Log, ordered: bool, rng: random.Random) -> None:
    wanted = exists(sorted(log), 3, ordered)
    assert (3 in run(sorted(log), ordered=ordered)) == wanted
    shuffled = list(log)
    rng.shuffle(shuffled)
    assert (3 in run(shuffled, ordered=ordered, restart=True)) == wanted
