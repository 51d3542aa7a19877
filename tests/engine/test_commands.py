"""What people ask of alerts: from which status, once, and answered also when refused."""

from __future__ import annotations

import pytest

from streamproc.model.command import Action
from streamproc.model.times import iso
from tests.engine.making import BASE, DAY, MINUTE, Partition, event, rule, threshold

ACKNOWLEDGE, RESOLVE, REOPEN = Action.ACKNOWLEDGE, Action.RESOLVE, Action.REOPEN


@pytest.mark.parametrize(
    ("before", "asked", "status", "event_type"),
    [
        ([], ACKNOWLEDGE, "acknowledged", "alert.acknowledged"),
        ([], RESOLVE, "resolved", "alert.resolved"),
        ([], REOPEN, "open", None),
        ([ACKNOWLEDGE], ACKNOWLEDGE, "acknowledged", None),
        ([ACKNOWLEDGE], RESOLVE, "resolved", "alert.resolved"),
        ([ACKNOWLEDGE], REOPEN, "acknowledged", None),
        ([RESOLVE], ACKNOWLEDGE, "resolved", None),
        ([RESOLVE], RESOLVE, "resolved", None),
        ([RESOLVE], REOPEN, "open", "alert.updated"),
        ([RESOLVE, REOPEN], ACKNOWLEDGE, "acknowledged", "alert.acknowledged"),
        ([ACKNOWLEDGE, RESOLVE, REOPEN], RESOLVE, "resolved", "alert.resolved"),
    ],
)
def test_transitions(before: list[Action], asked: Action, status: str, event_type: str | None) -> None:
    """`event_type` None: refused; the status and the revision stay, and the record says why."""
    partition = Partition(rule())
    partition.play(event(0, 0))
    alert = partition.alert
    for n, action in enumerate(before):
        partition.command(action, alert, 1000 + n, f"before {n}")
    revision = partition.alert["revision"]
    partition.command(asked, alert, 5000, "asked")
    answer = partition.alert
    assert answer["status"] == status
    assert (answer["last_command"]["id"], answer["last_command"]["action"]) == ("asked", asked)
    if event_type is None:
        assert answer["last_command"]["result"].startswith("refused: ")
        assert (answer["event_type"], answer["revision"]) == ("alert.updated", revision)
    else:
        assert answer["last_command"]["result"] == "done"
        assert (answer["event_type"], answer["revision"]) == (event_type, revision + 1)
        assert answer["updated_at"] == iso(BASE + 5000)
    assert len(partition.sent) == len(before) + 2, "each is answered by one record"


def test_what_an_acknowledged_and_resolved_alert_says() -> None:
    partition = Partition(rule())
    partition.play(event(0, 0))
    alert = partition.alert
    partition.command(ACKNOWLEDGE, alert, 1000, "c1", note="looking")
    partition.command(RESOLVE, alert, 2000, "c2", resolution="false_positive", note="it was us")
    alert = partition.alert
    assert (alert["acknowledged_by"], alert["acknowledged_at"]) == ("ann", iso(BASE + 1000))
    assert (alert["resolution"], alert["resolved_at"]) == ("false_positive", iso(BASE + 2000))
    assert [note["text"] for note in alert["notes"]] == ["looking", "it was us"]
    assert [(h["from"], h["to"], h["revision"], h["by"]) for h in alert["history"]] == [
        ("open", "acknowledged", 2, "ann"),
        ("acknowledged", "resolved", 3, "ann"),
    ]
    partition.command(REOPEN, alert, 3000, "c3")
    assert (partition.alert["resolved_at"], partition.alert["resolution"]) == (None, None)


@pytest.mark.parametrize("restart", [False, True])
def test_a_command_is_applied_once(restart: bool) -> None:
    partition = Partition(rule())
    partition.play(event(0, 0))
    alert = partition.alert
    partition.command(RESOLVE, alert, 1000, "c1")
    partition.command(REOPEN, alert, 2000, "c2")
    if restart:
        partition.restart()
    sent = len(partition.sent)
    partition.command(RESOLVE, alert, 1000, "c1")
    assert (partition.alert["status"], len(partition.sent)) == ("open", sent)


def test_a_further_trigger_keeps_an_acknowledged_alert_acknowledged() -> None:
    partition = Partition(rule())
    partition.play(event(0, 0))
    partition.command(ACKNOWLEDGE, partition.alert, 1000)
    partition.play(event(1, 5000))
    assert (partition.alert["status"], partition.alert["trigger_count"]) == ("acknowledged", 2)
    assert partition.alert["last_command"]["id"] == "c1"


def test_a_trigger_after_resolve_opens_another_and_the_window_is_as_it_was() -> None:
    partition = Partition(threshold(count=3))
    partition.play(event(0, 0), event(1, 1), event(2, 2))
    partition.command(RESOLVE, partition.alert, 1000)
    [opened] = partition.play(event(3, 2000))
    assert (opened["revision"], opened["event"]["id"], opened["context"]["count"]) == (1, "e3", 4)
    assert [alert["status"] for alert in partition.last.values()] == ["resolved", "open"]


def test_a_command_for_an_episode_that_is_over_changes_nothing() -> None:
    partition = Partition(rule())
    partition.play(event(0, 0))
    first = partition.alert
    partition.command(RESOLVE, first, 1000, "c1")
    partition.play(event(1, 2000))
    partition.command(REOPEN, first, 3000, "c2")
    assert partition.engine.counts.unknown_command == 1
    assert [alert["status"] for alert in partition.last.values()] == ["resolved", "open"]


@pytest.mark.parametrize("wrong", [{"id": "alt_other"}, {"fingerprint": "00" * 16}])
def test_a_command_for_an_unknown_alert_is_counted(wrong: dict[str, str]) -> None:
    partition = Partition(rule())
    partition.play(event(0, 0))
    partition.command(RESOLVE, partition.alert | wrong, 1000)
    assert partition.engine.counts.unknown_command == 1
    assert (len(partition.sent), partition.alert["status"]) == (1, "open")


@pytest.mark.parametrize(("after", "status"), [(DAY, "open"), (DAY + 1, "resolved")])
def test_reopening_is_possible_for_a_day(after: int, status: str) -> None:
    partition = Partition(rule())
    partition.play(event(0, 0))
    partition.command(RESOLVE, partition.alert, 1000, "c1")
    partition.command(REOPEN, partition.alert, 1000 + after, "c2")
    assert partition.alert["status"] == status
    if status == "resolved":
        assert "more than a day ago" in partition.alert["last_command"]["result"]


def test_a_command_takes_a_held_back_update_along() -> None:
    partition = Partition(rule())
    partition.play(event(0, 0))
    partition.play(event(1, 100), event(2, 200))
    partition.command(ACKNOWLEDGE, partition.alert, 300)
    alert = partition.alert
    assert (alert["revision"], alert["trigger_count"], alert["context"]["event_ids"]) == (4, 3, ["e2"])
    partition.tick(MINUTE)
    assert len(partition.sent) == 2


def test_a_refusal_takes_a_held_back_update_along() -> None:
    partition = Partition(rule())
    partition.play(event(0, 0))
    partition.play(event(1, 100))
    partition.command(REOPEN, partition.alert, 300)
    assert (partition.alert["revision"], partition.alert["event_type"]) == (2, "alert.updated")
    partition.tick(MINUTE)
    assert len(partition.sent) == 2


def test_a_command_from_a_clock_ahead_holds_nothing_back_for_good() -> None:
    partition = Partition(rule())
    partition.play(event(0, 0))
    partition.command(ACKNOWLEDGE, partition.alert, 60_000)
    partition.play(event(1, 2000))
    partition.tick(61_000)
    assert partition.alert["trigger_count"] == 2
