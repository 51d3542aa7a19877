"""Names that replays make again: fixed for ever, different for whatever is different."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.alerting.fingerprint import alert_id, fingerprint, partition_of, rule_hash

texts = st.text(st.characters(), max_size=6)
values = st.one_of(texts, st.integers(), st.floats(allow_nan=False), st.booleans())
names = st.tuples(texts, texts, texts, st.lists(values, max_size=3).map(tuple))


def meaning(value: Any) -> Any:
    """Two values are the same group if and only if these are equal."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return type(value).__name__, repr(value)


@given(names, names)
def test_equal_only_for_what_is_the_same(one: Any, other: Any) -> None:
    same = one[:3] == other[:3] and [*map(meaning, one[3])] == [*map(meaning, other[3])]
    assert (fingerprint(*one) == fingerprint(*other)) == same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("ab", "c", "r", ()), ("a", "bc", "r", ())),
        (("t", "o", "r", ("a", "b")), ("t", "o", "r", ("ab",))),
        (("t", "o", "r", ("a",)), ("t", "o", "ra", ())),
        (("t", "o", "r", ("1",)), ("t", "o", "r", (1,))),
        (("t", "o", "r", (True,)), ("t", "o", "r", (1,))),
        (("t", "o", "r", ("True",)), ("t", "o", "r", (True,))),
        (("t", "o", "r", (0,)), ("t", "o", "r", (False,))),
        (("t", "o", "r", (1.5,)), ("t", "o", "r", ("1.5",))),
        (("t", "o", "r", ("a", "b")), ("t", "o", "r", ("b", "a"))),
        (("t", "*", "r", ()), ("t", "t", "r", ())),
        (("t", "o", "r", ()), ("t", "o", "r", ("",))),
    ],
)
def test_neighbours_are_apart(one: Any, other: Any) -> None:
    assert fingerprint(*one) != fingerprint(*other)


@pytest.mark.parametrize("value", [1, 0, -3, 10**18])
def test_a_number_is_the_same_with_and_without_a_point(value: int) -> None:
    assert fingerprint("t", "o", "r", (value,)) == fingerprint("t", "o", "r", (float(value),))


def test_they_are_fixed_for_ever() -> None:
    """Keys in stores, and ids that people hold, are made of these; a change of either is a migration."""
    fp = fingerprint("acme", "*", "failed-logins", ("203.0.113.7", 3, True, 1.5))
    assert fp.hex() == "d65ff0bd01d6b1e3bc5b624838518d08"
    assert alert_id(fp, "event", "evt_01") == "alt_19ab69f1-2aba-4670-b3bb-ad0f95137152"
    assert rule_hash("*", "failed-logins").hex() == "2d200fd38ea74097"


def test_an_alert_id_is_a_uuid_of_what_opened_it() -> None:
    fp = fingerprint("t", "o", "r", ())
    made = [
        alert_id(fp, "event", "1"),
        alert_id(fp, "bucket", "1"),
        alert_id(fp, "event", "2"),
        alert_id(fp[::-1], "event", "1"),
    ]
    assert len(set(made)) == 4
    assert all(UUID(id.removeprefix("alt_")).version == 4 for id in made)


@given(st.binary(min_size=16, max_size=16), st.integers(1, 64))
def test_a_partition_there_is(fp: bytes, partitions: int) -> None:
    assert 0 <= partition_of(fp, partitions) < partitions


def test_keys_are_spread_over_the_partitions() -> None:
    counts = [0] * 8
    for n in range(8000):
        counts[partition_of(fingerprint("t", "o", "r", (n,)), 8)] += 1
    assert min(counts) > 850
    assert max(counts) < 1150
