"""A key's stored bytes: what was written once can be read for ever, and what cannot be read is refused."""

from __future__ import annotations

import contextlib

import ormsgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.alerting.episode import Episode
from streamproc.engine import state as codec
from streamproc.engine.changes import KEY
from streamproc.engine.state import HEADER_BYTES, StateError
from streamproc.model.command import Action
from tests.engine import stored_v1, stored_v2
from tests.engine.making import BASE, DAY, MINUTE, Partition, event, key_of, rule, threshold

RULES = {
    "rolling": threshold(count=2),
    "fixed": threshold(count=2, condition={"window_type": "fixed", "distinct": "resource.id"}),
    "pattern": rule(),
}
STORED = {"rolling": stored_v1.ROLLING, "fixed": stored_v1.FIXED, "pattern": stored_v1.PATTERN}


@pytest.mark.parametrize("name", RULES)
def test_version_1_is_read(name: str) -> None:
    state = codec.decode(key_of("u"), STORED[name])
    assert (state.tenant, state.owner, state.rule_id, state.group) == ("acme", "acme", "r", ("u",))
    assert state.guard == {"events/0": 4096}
    assert state.touched == BASE + 1000
    assert state.timer == codec.timer_of(STORED[name])
    assert codec.rule_hash_in(STORED[name]) == codec.rule_hash_of("acme", "r")
    episode = state.episode
    assert episode is not None
    assert (episode.status, episode.acknowledged_by, episode.commands) == ("acknowledged", "ann", ["c1"])
    assert (episode.suppressed_by, episode.snoozed_until, episode.incidents, episode.assignee) == (None, None, [], None)
    assert [(entry["to"], entry["action"]) for entry in episode.history] == [("acknowledged", "acknowledge")]
    again = codec.encode(state)
    assert again[0] == 2, "and written as the present version"
    assert codec.encode(codec.decode(key_of("u"), again)) == again
    assert again[1:HEADER_BYTES] == STORED[name][1:HEADER_BYTES]
    assert _record(codec.decode(key_of("u"), again)) == _record(state)


def _record(state: codec.KeyState) -> bytes:
    assert state.episode is not None
    return state.episode.record(state.fingerprint)


@pytest.mark.parametrize("stored", [stored_v2.ESCALATED, stored_v2.SNOOZED])
def test_version_2_is_read_and_written_as_it_was(stored: bytes) -> None:
    assert codec.encode(codec.decode(key_of("u"), stored)) == stored


def test_an_engine_goes_on_from_version_2() -> None:
    partition = Partition(rule())
    partition.store.values[KEY + key_of("u")] = stored_v2.ESCALATED
    partition.play(event(2, 3000))
    alert = partition.alert
    assert (alert["status"], alert["trigger_count"], alert["assignee"]) == ("escalated", 3, "bob")
    assert (alert["incident_id"], partition.links) == ("inc_b", {}), "how it stands was told"
    partition.command(Action.RESOLVE, alert, 4000, "last")
    assert {id: link["alert_status"] for (id, _), link in partition.links.items()} == {
        "inc_a": "resolved",
        "inc_b": "resolved",
    }


def test_a_snooze_of_version_2_ends() -> None:
    partition = Partition(rule())
    partition.store.values[KEY + key_of("u")] = stored_v2.SNOOZED
    partition.store.timers.add((codec.timer_of(stored_v2.SNOOZED), KEY + key_of("u")))
    partition.tick(MINUTE - 1)
    assert partition.sent == []
    partition.tick(MINUTE)
    assert partition.alert["status"] == "open"


def test_a_retired_alert_of_version_2_and_its_links_get_their_tombstones() -> None:
    partition = Partition(rule())
    partition.store.values[stored_v2.RETIRED_KEY] = stored_v2.RETIRED
    partition.store.timers.add((codec.timer_of(stored_v2.RETIRED), stored_v2.RETIRED_KEY))
    partition.tick(90 * DAY)
    alert = stored_v2.RETIRED_KEY[1:].decode()
    assert partition.tombstones == [alert]
    assert partition.links == {("inc_a", alert): None, ("inc_b", alert): None}


@pytest.mark.parametrize(("name", "count", "triggers"), [("rolling", 3, 2), ("fixed", 3, 2), ("pattern", 1, 3)])
def test_an_engine_goes_on_from_version_1(name: str, count: int, triggers: int) -> None:
    partition = Partition(RULES[name])
    partition.store.values[KEY + key_of("u")] = STORED[name]
    partition.play(event(1, 1000, resource={"id": "h1"}))
    assert partition.engine.counts.replayed == 1
    partition.play(event(2, 3000, resource={"id": "h2"}))
    alert = partition.alert
    assert (alert["status"], alert["trigger_count"], alert["context"]["count"]) == ("acknowledged", triggers, count)
    assert alert["event"]["id"] == ("e0" if name == "pattern" else "e1")
    assert [note["text"] for note in alert["notes"]] == ["looking"]


def test_a_retired_alert_of_version_1_gets_its_tombstone() -> None:
    partition = Partition(rule())
    partition.store.values[stored_v1.RETIRED_KEY] = stored_v1.RETIRED
    partition.store.timers.add((codec.timer_of(stored_v1.RETIRED), stored_v1.RETIRED_KEY))
    partition.tick(90 * DAY + 1599)
    assert partition.tombstones == []
    partition.tick(90 * DAY + 1600)
    assert partition.tombstones == [stored_v1.RETIRED_KEY[1:].decode()]


def test_a_newer_version_is_refused_by_name() -> None:
    with pytest.raises(StateError, match="state version 3 is not 1 or 2; a newer release wrote it"):
        codec.decode(b"\1" * 16, b"\3" + stored_v1.PATTERN[1:])


def _body(*values: object) -> bytes:
    return stored_v1.PATTERN[:HEADER_BYTES] + ormsgpack.packb(list(values))


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\1",
        stored_v1.PATTERN[:HEADER_BYTES],
        stored_v1.PATTERN[:-1],
        stored_v1.PATTERN[:HEADER_BYTES] + b"\x05",
        _body(1, 2, 3),
        _body("t", "o", "r", b"", 5, {}, 0, None, None),  # a group that is none
        _body("t", "o", "r", b"", [], {}, 0, None, ["too", "short"]),
        b"\2" + stored_v1.PATTERN[1:],  # an episode of another version than the state says
        b"\1" + stored_v2.SNOOZED[1:],
    ],
)
def test_bytes_of_another_shape_are_refused(value: bytes) -> None:
    with pytest.raises(StateError):
        codec.decode(b"\1" * 16, value)


@given(st.data(), st.sampled_from([*STORED.values(), stored_v2.ESCALATED, stored_v2.SNOOZED]))
def test_damaged_bytes_raise_nothing_else(data: st.DataObject, stored: bytes) -> None:
    value = bytearray(stored)
    for place in data.draw(st.lists(st.integers(0, len(value) - 1), min_size=1, max_size=5)):
        value[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(StateError):
        codec.decode(b"\1" * 16, bytes(value))


def test_every_field_of_an_episode_is_stored() -> None:
    partition = Partition(rule())
    partition.play(event(0, 0))
    partition.command(Action.ESCALATE, partition.alert, 1000, note="n", incident_id="inc_1")
    episode = codec.decode(b"", partition.store.values[KEY + key_of("u")]).episode
    assert episode is not None
    again = Episode.decode(ormsgpack.unpackb(ormsgpack.packb(episode.encode())), codec.VERSION)
    assert again.record(b"\1" * 16) == episode.record(b"\1" * 16)
    assert again.encode() == episode.encode()
    assert len(episode.encode()) == len(Episode.__slots__)
