"""Signals: what is packed comes back, frames stay below their size, and hostile bytes are refused."""

from __future__ import annotations

import contextlib
from typing import Any

import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.alerting.fingerprint import fingerprint, partition_of
from streamproc.engine.frame import (
    SPLIT_BYTES,
    Frame,
    RuleRef,
    SignalError,
    Tick,
    frames,
    pack_command,
    pack_frame,
    pack_tick,
    unpack,
)
from streamproc.engine.match import Matcher
from streamproc.model.command import Action, Command
from streamproc.model.hit import Hit
from tests.engine.making import event, index, rule, threshold

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
times = st.integers(0, 1 << 48)
group_values = st.one_of(texts, st.integers(-(1 << 63), (1 << 64) - 1), st.floats(allow_nan=False), st.booleans())


@st.composite
def hits(draw: st.DrawFn) -> Hit:
    groups = tuple(draw(st.lists(group_values, max_size=3)))
    number = draw(st.integers(0, 3))
    fp = fingerprint("t", "o", str(number), groups)
    value = draw(st.one_of(st.none(), group_values))
    return (number, fp, groups, draw(times), draw(times), draw(times), draw(texts), value, draw(st.binary(max_size=60)))


def ref(number: int) -> RuleRef:
    return RuleRef("owner", f"rule {number}", 7, b"8 bytes!", "tenant")


def plain(rows: Any) -> list[tuple[Any, ...]]:
    return [(*row[:2], tuple(row[2]), *row[3:]) for row in rows]


@given(st.lists(hits(), max_size=40), st.integers(1, 5), st.integers(-1, 1 << 40))
def test_each_hit_gets_to_the_partition_of_its_key_in_order(
    rows: list[Hit], partitions: int, config_offset: int
) -> None:
    arrived: dict[int, list[Any]] = {}
    for partition, frame in frames("events/3", config_offset, rows, ref, partitions):
        back = unpack(pack_frame(frame))
        assert isinstance(back, Frame)
        assert (back.source, back.config_offset) == ("events/3", config_offset)
        assert back.refs == {row[0]: ref(row[0]) for row in back.rows}
        arrived.setdefault(partition, []).extend(plain(back.rows))
    for partition in range(partitions):
        assert arrived.get(partition, []) == plain(r for r in rows if partition_of(r[1], partitions) == partition)


def test_no_frame_is_much_larger_than_its_size() -> None:
    rows: list[Hit] = [(n % 2, bytes([n % 7]) * 16, (), 0, 0, n, f"e{n}", None, b"x" * 50_000) for n in range(60)]
    made = frames("events/0", 0, rows, ref, 2)
    assert len(made) >= 6
    sizes = [len(pack_frame(frame)) for _, frame in made]
    assert max(sizes) <= SPLIT_BYTES + 50_000
    assert sum(len(frame.rows) for _, frame in made) == 60


def test_one_hit_larger_than_that_is_a_frame_by_itself() -> None:
    rows: list[Hit] = [(0, b"\1" * 16, (), 0, 0, n, f"e{n}", None, b"x" * SPLIT_BYTES) for n in range(2)]
    assert [len(frame.rows) for _, frame in frames("events/0", 0, rows, ref, 1)] == [1, 1]


def test_no_hits_are_no_frames() -> None:
    assert frames("events/0", 0, [], ref, 4) == []


@given(
    st.builds(
        Command,
        id=texts,
        alert_id=texts,
        fingerprint=st.binary(max_size=16),
        action=st.sampled_from(Action),
        by=texts,
        at=st.integers(0, 253_402_300_799_999),
        revision=st.none() | st.integers(0, 1 << 40),
        note=st.none() | texts,
        resolution=st.none() | texts,
        incident_id=st.none() | texts,
        assignee=st.none() | texts,
        until=st.none() | st.integers(0, 253_402_300_799_999),
        reason=st.none() | texts,
    )
)
def test_commands_come_back(command: Command) -> None:
    assert unpack(pack_command(command)) == command


def test_commands_of_version_1_are_read() -> None:
    stored = bytes.fromhex(
        "630199a26332a5616c745f31c40201ffa77265736f6c7665a3616e6ecf0000019c476c360003a9697420776173207573ae66616c7365"
        "5f706f736974697665"
    )
    assert unpack(stored) == Command(
        "c2", "alt_1", b"\1\xff", Action.RESOLVE, "ann", 1_770_724_800_000, 3, "it was us", "false_positive"
    )


@given(st.dictionaries(texts, times))
def test_ticks_come_back(sent: dict[str, int]) -> None:
    assert unpack(pack_tick(sent)) == Tick(sent)


_REF = [0, "o", "r", 1, b"8 bytes!", "t"]
_COMMAND = ["id", "alt", b"fp", "resolve", "ann", 5, None, None, None]


def _changed(values: list[Any], place: int, value: object) -> list[Any]:
    return [*values[:place], value, *values[place + 1 :]]


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"h",
        b"h\x01",
        b"h\x02" + ormsgpack.packb(["events/0", 0, [], []]),
        b"x\x01" + ormsgpack.packb([]),
        b"{}\x00",
        b"h\x01\xc1",
        *(
            b"h\x01" + ormsgpack.packb(body)
            for body in (
                5,
                [],
                {},
                ["events/0", 0, []],
                ["events/0", "0", [], []],
                [None, 0, [], []],
                ["events/0", 0, 5, []],
                ["events/0", 0, [[]], []],
                ["events/0", 0, [_REF[:-1]], []],
                ["events/0", 0, [[[], *_REF[1:]]], []],
                ["events/0", 0, [_changed(_REF, 4, "8 bytes!")], []],
                ["events/0", 0, [], 5],
                ["events/0", 0, [], {}],
            )
        ),
        *(b"t\x01" + ormsgpack.packb(body) for body in (5, [], ["a"], {"events/0": "5"}, {"events/0": None})),
        *(
            b"c\x01" + ormsgpack.packb(body)
            for body in (
                5,
                {},
                _COMMAND[:-1],
                [*_COMMAND, 1],
                _changed(_COMMAND, 3, "explode"),
                _changed(_COMMAND, 2, "fp"),
                _changed(_COMMAND, 5, "now"),
                _changed(_COMMAND, 0, None),
                _changed(_COMMAND, 7, [1]),
                _changed(_COMMAND, 5, -1),
                _changed(_COMMAND, 5, 1 << 60),
            )
        ),
        *(
            b"c\x02" + ormsgpack.packb(body)
            for body in (
                _COMMAND,
                [*_COMMAND, None, None, None],
                [*_COMMAND, None, None, "soon", None],
                [*_COMMAND, None, None, 1 << 60, None],
                [*_COMMAND, 5, None, None, None],
                [*_COMMAND, None, None, None, None, None],
            )
        ),
        b"c\x03" + ormsgpack.packb(_COMMAND),
    ],
)
def test_what_is_no_signal_is_refused(value: bytes | None) -> None:
    with pytest.raises(SignalError):
        unpack(value)


@given(st.sampled_from([b"", b"h\x01", b"c\x01", b"t\x01"]), st.binary(max_size=200))
def test_any_bytes_are_a_signal_or_refused(head: bytes, rest: bytes) -> None:
    with contextlib.suppress(SignalError):
        unpack(head + rest)


@given(st.data())
def test_so_are_damaged_signals(data: st.DataObject) -> None:
    matcher, found = Matcher(index(rule())), list[Hit]()
    matcher.match(event(0, 0), 0, found)
    [(_, frame)] = frames("events/0", 0, found, matcher.ref, 1)
    command = Command("c", "alt", b"\1" * 16, Action.RESOLVE, "ann", 0)
    sound = data.draw(st.sampled_from([pack_frame(frame), pack_command(command), pack_tick({"events/0": 5})]))
    value = bytearray(sound)
    for place in data.draw(st.lists(st.integers(0, len(value) - 1), min_size=1, max_size=4)):
        value[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(SignalError):
        unpack(bytes(value))


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(SignalError):
        unpack(b"h\x01" + b"\x91" * 100_000)


def matched(*rules: dict[str, Any], **fields: Any) -> tuple[Matcher, list[Hit]]:
    matcher, found = Matcher(index(*rules)), list[Hit]()
    matcher.match(event(5, 1000, **fields), 77, found)
    return matcher, found


def test_a_hit_is_made_for_each_group() -> None:
    made = threshold(condition={"group_by": ["actor.id", "resource.tags"], "distinct": "source"})
    matcher, found = matched(made, actor={"id": "u"}, resource={"tags": ["x", "y", "x"]}, source="app")
    assert [hit[2] for hit in found] == [("u", "x"), ("u", "y")]
    assert {(hit[5], hit[6], hit[7]) for hit in found} == {(77, "e5", "app")}
    assert [hit[1] for hit in found] == [fingerprint("acme", "acme", "r", hit[2]) for hit in found]
    assert matcher.ref(found[0][0]).rule_id == "r"


@pytest.mark.parametrize("absent", [{"actor": {"type": "user"}}, {"actor": {"id": "u"}}], ids=["group", "value"])
def test_without_a_group_or_a_value_to_count_there_is_no_hit_but_a_count(absent: dict[str, Any]) -> None:
    matcher, found = matched(threshold(condition={"distinct": "source"}), **absent)
    assert (found, matcher.no_group) == ([], 1)


def test_groups_that_python_holds_equal_are_apart() -> None:
    matcher, first = matched(rule(condition={"action": "a", "group_by": "metadata.n"}), metadata={"n": 1})
    second: list[Hit] = []
    matcher.match(event(6, 0, metadata={"n": True}), 0, second)
    matcher.match(event(7, 0, metadata={"n": "1"}), 0, second)
    matcher.match(event(8, 0, metadata={"n": 1.0}), 0, second)
    prints = [first[0][1], *(hit[1] for hit in second)]
    assert len(set(prints)) == 3
    assert prints[0] == prints[3], "1.0 is 1, as producers write either"
