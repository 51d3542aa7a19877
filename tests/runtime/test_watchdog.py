"""A process that has something to do and gets nowhere is ended; one that is idle, slow or fenced is not."""

from __future__ import annotations

import pytest

from streamproc.runtime.watchdog import Place, Watchdog


def looked(*places: Place | None, every: float = 10) -> list[str | None]:
    dog = Watchdog(60)
    return [
        dog.look({} if place is None else {"events/3": place}, number * every) for number, place in enumerate(places)
    ]


def test_nothing_to_do_is_no_stall() -> None:
    assert looked(*[Place(7, 7, 7, False)] * 50) == [None] * 50
    assert looked(*[Place(7, -1, 7, False)] * 50) == [None] * 50  # nothing came since the partition was taken over


@pytest.mark.parametrize("place", [Place(7, 5, 9, False), Place(9, 5, 9, True)])
def test_records_that_wait_while_nothing_moves_are_a_stall(place: Place) -> None:
    *before, last = looked(*[place] * 7)
    assert before == [None] * 6
    assert last is not None
    assert "events/3 did not move" in last
    assert "for 60 s" in last


def test_the_smallest_progress_is_progress() -> None:
    assert looked(*[Place(7 + n // 5, 5, 999, False) for n in range(100)]) == [None] * 100
    assert looked(*[Place(900, 5 + n // 5, 999, True) for n in range(100)]) == [None] * 100


def test_a_partition_that_was_given_up_and_comes_again_starts_anew() -> None:
    stuck = Place(7, 5, 9, False)
    assert looked(*[stuck] * 6, None, *[stuck] * 6) == [None] * 13


def test_idle_time_before_does_not_count() -> None:
    assert looked(*[Place(7, 7, 7, False)] * 50, *[Place(7, 7, 9, False)] * 5) == [None] * 55
