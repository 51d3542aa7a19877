"""The life of an alert without any engine: the status table, what is bounded, what its record says."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.alerting import lifecycle
from streamproc.alerting.episode import MAX_COMMANDS, MAX_EVENT_BYTES, MAX_INCIDENTS, MAX_NOTES, Episode, fitted
from streamproc.model.command import Action, Command
from streamproc.model.times import iso
from tests.alerting.status_table import NOTHING, TABLE

DAY = 86_400_000
FP = b"\1" * 16
STATUSES = ["open", "acknowledged", "escalated", "suppressed", "resolved"]


def raw(**fields: Any) -> bytes:
    doc = {"id": "e1", "tenant_id": "acme", "action": "a", "outcome": "success", "event_time": iso(0)}
    return orjson.dumps(doc | fields)


def opened(event: bytes | None = None) -> Episode:
    episode = lifecycle.opened(FP, "acme", {"actor.id": "u"}, ("event", "e1"), 1000, 2000, event or raw())
    lifecycle.triggered(episode, 2000, late=False)
    return episode


def asked(episode: Episode, action: Action, at: int = 3000, id: str = "c", **fields: Any) -> bool:
    return lifecycle.command(episode, Command(id, episode.id, FP, action, "ann", at, **fields))


ASKED: dict[str, dict[str, Any]] = {
    "escalate": {"incident_id": "inc_1"},
    "assign": {"assignee": "bob"},
    "comment": {"note": "hm"},
    "snooze": {"until": 9000},
    "suppress": {"reason": "silence:maintenance"},
}
"""What an action needs beside its name."""


def in_status(status: str) -> Episode:
    """An alert brought to a status by what people ask; at 2500."""
    episode = opened()
    ways = {
        "acknowledged": Action.ACKNOWLEDGE,
        "escalated": Action.ESCALATE,
        "suppressed": Action.SUPPRESS,
        "resolved": Action.RESOLVE,
    }
    if status != "open":
        more = {"incident_id": "inc_0"} if status == "escalated" else ASKED.get(ways[status], {})
        assert asked(episode, ways[status], 2500, "way", **more)
    assert episode.status == status
    return episode


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("action", Action)
def test_the_table_of_transitions(status: str, action: Action) -> None:
    episode = in_status(status)
    revision, before = episode.revision, list(episode.history)
    assert asked(episode, action, **ASKED.get(action, {})) is True, "also a refusal is answered"
    assert episode.last_command is not None
    to = TABLE[status].get(action)
    if to is None:
        assert (episode.status, episode.revision, episode.history) == (status, revision, before)
        assert episode.last_command["result"] == f"refused: the alert is {status} at revision {revision}"
        assert episode.event_type == "alert.updated"
        return
    assert episode.last_command["result"] == "done"
    added = episode.history[len(before) :]
    if action == "comment":
        assert (episode.status, episode.revision, added) == (status, revision, [])
        assert episode.notes[-1] == {"at": 3000, "by": "ann", "text": "hm", "action": "comment"}
        return
    after = status if to == NOTHING else to
    grown = revision if to == NOTHING else revision + 1
    assert (episode.status, episode.revision) == (after, grown)
    [entry] = added
    told = {name: entry[name] for name in ("at", "by", "from", "to", "revision", "action")}
    assert told == {
        "at": 3000,
        "by": "ann",
        "from": status,
        "to": after,
        "revision": grown,
        "action": action,
    }
    assert entry.items() >= {name: value for name, value in ASKED.get(action, {}).items() if name != "note"}.items()
    assert (episode.suppressed_by is not None) == (after == "suppressed")


def test_the_table_is_that_of_the_product() -> None:
    assert {action: {s for s in STATUSES if action in TABLE[s]} for action in Action} == lifecycle.ALLOWED


@pytest.mark.parametrize(
    ("status", "action", "more", "why"),
    [
        ("open", "escalate", {}, "incident_id: None is not inc_"),
        ("open", "escalate", {"incident_id": "inc_a/b"}, "incident_id: 'inc_a/b' is not inc_"),
        ("open", "escalate", {"incident_id": "inc_" + "x" * 61}, "incident_id: "),
        ("escalated", "escalate", {"incident_id": "inc_0"}, "the alert is part of incident inc_0 already"),
        ("open", "comment", {}, "note: a comment needs some text"),
        ("open", "comment", {"note": " "}, "note: a comment needs some text"),
        ("open", "snooze", {}, "until: is not a time to come"),
        ("open", "snooze", {"until": 3000}, "until: is not a time to come"),
        ("open", "snooze", {"until": 3001 + 366 * DAY}, "until: is more than 366 days away"),
        ("open", "suppress", {}, "reason: None is not silence or inhibited"),
        ("open", "suppress", {"reason": "cooldown"}, "reason: 'cooldown' is not silence or inhibited"),
        ("suppressed", "unsuppress", {"reason": "silence:other"}, "the alert is suppressed by silence:maintenance"),
        ("suppressed", "unsuppress", {"reason": "snooze"}, "the alert is suppressed by silence:maintenance"),
    ],
)
def test_what_is_unsound_is_refused(status: str, action: str, more: dict[str, Any], why: str) -> None:
    episode = in_status(status)
    revision = episode.revision
    asked(episode, Action(action), **more)
    assert episode.last_command is not None
    assert episode.last_command["result"].startswith(f"refused: {why}")
    assert (episode.status, episode.revision) == (status, revision)


@pytest.mark.parametrize("reason", [None, "silence", "silence:maintenance"])
def test_what_no_longer_holds_is_named_or_not(reason: str | None) -> None:
    episode = in_status("suppressed")
    asked(episode, Action.UNSUPPRESS, reason=reason)
    assert (episode.status, episode.suppressed_by, episode.event_type) == ("open", None, "alert.updated")
    assert episode.history[-1]["reason"] == "silence:maintenance"


def test_the_end_of_a_silence_does_not_end_a_snooze() -> None:
    episode = in_status("suppressed")
    asked(episode, Action.SNOOZE, id="s", until=9000)
    assert (episode.suppressed_by, episode.snoozed_until) == ("snooze", 9000)
    asked(episode, Action.UNSUPPRESS, id="u", reason="silence:maintenance")
    assert (episode.status, episode.snoozed_until) == ("suppressed", 9000)


def test_an_acknowledged_alert_that_is_escalated_keeps_who_acknowledged_it() -> None:
    episode = in_status("acknowledged")
    asked(episode, Action.ESCALATE, incident_id="inc_1")
    assert (episode.status, episode.acknowledged_by, episode.incident_id) == ("escalated", "ann", "inc_1")


def test_incidents_are_bounded() -> None:
    episode = opened()
    for n in range(MAX_INCIDENTS + 1):
        asked(episode, Action.ESCALATE, id=f"c{n}", incident_id=f"inc_{n}")
    assert episode.last_command is not None
    assert episode.last_command["result"] == "refused: the alert is part of 20 incidents already"
    assert [incident[0] for incident in episode.incidents] == [f"inc_{n}" for n in range(MAX_INCIDENTS)]


@pytest.mark.parametrize(
    ("way", "more", "became"),
    [
        (Action.RESOLVE, {}, "resolved"),
        (Action.SUPPRESS, {"reason": "silence:m"}, "suppressed (silence:m)"),
    ],
)
def test_a_stale_asker_is_told_what_changed(way: Action, more: dict[str, Any], became: str) -> None:
    episode = opened()
    for _ in range(2):
        lifecycle.triggered(episode, 2000, late=False)
    lifecycle.command(episode, Command("c1", episode.id, FP, way, "bob", 4000, 3, **more))
    lifecycle.command(episode, Command("c2", episode.id, FP, Action.ACKNOWLEDGE, "ann", 5000, 3))
    assert episode.last_command is not None
    assert episode.last_command["result"] == (
        f"refused: the alert was {became} by bob at 1970-01-01T00:00:04.000Z (revision 4; you saw 3)"
    )
    lifecycle.command(episode, Command("c3", episode.id, FP, Action.ACKNOWLEDGE, "ann", 5000, 4))
    assert episode.last_command["result"] == f"refused: the alert is {episode.status} at revision 4", "not stale"


def test_a_stale_asker_is_told_that_it_was_opened_again() -> None:
    episode = in_status("suppressed")
    lifecycle.command(episode, Command("c1", episode.id, FP, Action.UNSUPPRESS, "notify", 4000))
    lifecycle.command(episode, Command("c2", episode.id, FP, Action.UNSUPPRESS, "ann", 5000, 2))
    assert episode.last_command is not None
    assert (
        "was opened again by notify at 1970-01-01T00:00:04.000Z (revision 3; you saw 2)"
        in (episode.last_command["result"])
    )


def test_a_stale_action_that_the_status_allows_is_applied() -> None:
    episode = in_status("acknowledged")
    lifecycle.command(episode, Command("c", episode.id, FP, Action.RESOLVE, "bob", 4000, 1))
    assert episode.status == "resolved"


def test_a_command_for_another_episode_is_not_applied() -> None:
    episode = opened()
    assert not lifecycle.command(episode, Command("c", "alt_other", FP, Action.RESOLVE, "ann", 0))
    assert not lifecycle.command(None, Command("c", episode.id, FP, Action.RESOLVE, "ann", 0))
    assert (episode.status, episode.commands) == ("open", [])


def test_the_last_commands_are_remembered() -> None:
    episode = opened()
    for n in range(MAX_COMMANDS + 5):
        assert asked(episode, Action.ACKNOWLEDGE, id=f"c{n}")
    assert len(episode.commands) == MAX_COMMANDS
    assert not asked(episode, Action.ACKNOWLEDGE, id=f"c{MAX_COMMANDS}")


def test_notes_and_history_are_bounded() -> None:
    episode = opened()
    for n in range(150):
        asked(episode, Action.RESOLVE, 3000 + n, f"r{n}", note=f"{n} " + "x" * 5000)
        asked(episode, Action.REOPEN, 3000 + n, f"o{n}")
    assert len(episode.notes) == len(episode.history) == MAX_NOTES
    assert episode.notes[-1]["text"].startswith("149 ")
    assert all(len(note["text"]) == lifecycle.MAX_NOTE for note in episode.notes)


@pytest.mark.parametrize("character", ["\x01", "\ud7ff", "𝄞", '"'])
def test_no_record_outgrows_its_topic_by_what_people_write(character: str) -> None:
    episode = opened()
    episode.head = {"severity": "high"}
    text = character * 5000
    for n in range(MAX_NOTES):
        more: dict[str, Any] = {"note": text, "assignee": text}
        lifecycle.command(episode, Command(f"c{n}", episode.id, FP, Action.ASSIGN, text, 3000, **more))
    assert len(episode.history) == len(episode.notes) == MAX_NOTES
    assert len(episode.record(FP)) < 900 * 1024


@pytest.mark.parametrize("status", STATUSES)
def test_a_trigger_changes_no_status(status: str) -> None:
    episode = opened()
    episode.status = status
    lifecycle.triggered(episode, 9000, late=False)
    assert (episode.status, episode.trigger_count, episode.revision) == (status, 2, 2)
    assert lifecycle.is_open(episode) == (status != "resolved")


def test_triggers_that_arrive_out_of_order_do_not_turn_time_back() -> None:
    episode = opened()
    lifecycle.triggered(episode, 5000, late=True)
    lifecycle.triggered(episode, 4000, late=False)
    assert (episode.updated, episode.last_triggered, episode.late) == (5000, 5000, True)


def test_what_a_record_says() -> None:
    event = raw(
        actor={"id": "u", "email": "ann@example.com"},
        resource={"id": "b1", "type": "bucket", "name": "Backups"},
        source="app",
    )
    episode = opened(event)
    episode.samples = lifecycle.with_samples([], event)
    record = orjson.loads(episode.record(FP))
    assert record["event_type"] == "alert.triggered"
    assert (record["fingerprint"], record["tenant_id"], record["source"]) == ("01" * 16, "acme", "app")
    assert record["event"] == orjson.loads(event)
    assert record["context"]["sample"] == [orjson.loads(event)]
    assert record["affected_assets"] == [
        {"type": "user", "id": "u", "label": "ann@example.com"},
        {"type": "bucket", "id": "b1", "label": "Backups"},
    ]
    assert (record["triggered_at"], record["created_at"]) == (iso(1000), iso(2000))
    assert (record["acknowledged_at"], record["resolved_at"], record["incident_id"]) == (None, None, None)


@given(st.lists(st.integers(10, 12_000), min_size=1, max_size=12))
def test_samples_are_few_small_and_end_with_the_latest(sizes: list[int]) -> None:
    samples: list[bytes] = []
    for n, size in enumerate(sizes):
        latest = raw(id=f"e{n}", metadata={"text": "x" * size})
        samples = lifecycle.with_samples(samples, latest)
        assert orjson.loads(samples[-1])["id"] == f"e{n}"
        assert len(samples) <= 5
        assert sum(map(len, samples)) <= 24 * 1024


def test_the_same_sample_is_not_told_twice() -> None:
    first = lifecycle.with_samples([], raw(id="a"))
    assert lifecycle.with_samples(first, raw(id="a")) == first


@pytest.mark.parametrize("limit", [8 * 1024, MAX_EVENT_BYTES])
@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        ({"raw": {"x": "y" * 100_000}, "metadata": {"n": 1}}, {"raw": {"truncated": True}, "metadata": {"n": 1}}),
        ({"metadata": {"x": "y" * 100_000}, "actor": {"id": "u"}}, {"actor": {"id": "u"}}),
        ({"actor": {"id": "漢" * 60_000, "email": "字" * 60_000, "type": "語" * 60_000}}, {"tenant_id": "acme"}),
        ({"resource": {"id": "\x01" * 60_000}, "source": "\x02" * 60_000}, {"id": "e1"}),
    ],
    ids=["its original", "its metadata", "long texts of three bytes a character", "of six"],
)
def test_an_event_is_cut_to_fit_and_says_so(limit: int, fields: dict[str, Any], kept: dict[str, Any]) -> None:
    cut = fitted(raw(**fields), limit)
    assert len(cut) <= limit
    doc = orjson.loads(cut)
    assert doc["truncated"] is True
    assert {name: doc[name] for name in kept} == kept


def test_an_event_that_fits_is_left_as_it_is() -> None:
    event = raw(metadata={"x": "y" * 1000})
    assert fitted(event) is event


@pytest.mark.parametrize(("after", "result"), [(DAY, "done"), (DAY + 1, "refused: resolved more than a day ago")])
def test_reopening_within_a_day(after: int, result: str) -> None:
    episode = opened()
    asked(episode, Action.RESOLVE, 3000, "r")
    asked(episode, Action.REOPEN, 3000 + after, "o")
    assert episode.last_command is not None
    assert episode.last_command["result"].startswith(result)
