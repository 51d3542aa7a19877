"""The life of an alert without any engine: the status table, what is bounded, what its record says."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.alerting import lifecycle
from streamproc.alerting.episode import MAX_COMMANDS, MAX_EVENT_BYTES, MAX_NOTES, Episode, fitted
from streamproc.model.command import Action, Command
from streamproc.model.times import iso

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


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize(
    ("action", "allowed", "to"),
    [
        (Action.ACKNOWLEDGE, {"open", "escalated"}, "acknowledged"),
        (Action.RESOLVE, {"open", "acknowledged", "escalated", "suppressed"}, "resolved"),
        (Action.REOPEN, {"resolved"}, "open"),
    ],
)
def test_the_table_of_transitions(status: str, action: Action, allowed: set[str], to: str) -> None:
    episode = opened()
    episode.status = status
    episode.resolved_at = 2500 if status == "resolved" else None
    assert asked(episode, action) is True, "also a refusal is answered"
    assert episode.last_command is not None
    if status in allowed:
        assert (episode.status, episode.revision, episode.last_command["result"]) == (to, 2, "done")
        assert episode.history == [{"at": 3000, "by": "ann", "from": status, "to": to, "revision": 2}]
    else:
        assert (episode.status, episode.revision, episode.history) == (status, 1, [])
        assert episode.last_command["result"] == f"refused: the alert is {status} at revision 1"


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
