"""What people ask of alerts: from which status, once, and answered also when refused."""

from __future__ import annotations

from typing import Any

import pytest

from streamproc.engine.frame import Tick
from streamproc.model.command import Action, Command
from streamproc.model.records import AlertRecord, IncidentLink
from streamproc.model.times import iso
from tests.engine.making import BASE, DAY, MINUTE, SOURCE, Partition, event, rule, threshold

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


def acting(*rules: Any) -> Partition:
    partition = Partition(*(rules or (rule(),)))
    partition.play(event(0, 0))
    return partition


@pytest.mark.parametrize("restart", [False, True])
def test_a_snoozed_alert_opens_again_at_its_time_whatever_triggers_meanwhile(restart: bool) -> None:
    partition = acting()
    partition.command(Action.SNOOZE, partition.alert, 1000, until=BASE + 10 * MINUTE, note="deploy")
    snoozed = partition.alert
    assert (snoozed["status"], snoozed["event_type"]) == ("suppressed", "alert.suppressed")
    assert (snoozed["suppressed_by"], snoozed["snoozed_until"]) == ("snooze", iso(BASE + 10 * MINUTE))
    partition.play(event(1, MINUTE))
    assert (partition.alert["status"], partition.alert["trigger_count"]) == ("suppressed", 2)
    if restart:
        partition.restart()
    partition.tick(10 * MINUTE - 1)
    assert partition.alert["status"] == "suppressed"
    partition.tick(12 * MINUTE)
    alert = partition.alert
    assert (alert["status"], alert["event_type"], alert["revision"]) == ("open", "alert.updated", 4)
    assert (alert["suppressed_by"], alert["snoozed_until"]) == (None, None)
    assert alert["history"] == [
        {
            "at": iso(BASE + 1000),
            "by": "ann",
            "from": "open",
            "to": "suppressed",
            "revision": 2,
            "action": "snooze",
            "until": iso(BASE + 10 * MINUTE),
            "note": "deploy",
        },
        {
            "at": iso(BASE + 10 * MINUTE),
            "by": "streamproc",
            "from": "suppressed",
            "to": "open",
            "revision": 4,
            "action": "unsuppress",
            "reason": "snooze",
        },
    ]
    AlertRecord.model_validate(alert)


def test_a_snooze_that_ends_within_its_own_batch_ends() -> None:
    partition = acting()
    alert = partition.alert
    fp = bytes.fromhex(alert["fingerprint"])
    partition.engine.apply(Command("c1", alert["id"], fp, Action.SNOOZE, "ann", BASE + 1000, until=BASE + 2000))
    partition.engine.apply(Tick({SOURCE: BASE + 3000}))
    partition.write()
    assert partition.alert["status"] == "open"


def test_a_command_after_a_snooze_finds_it_over_though_no_sweep_came_to_it() -> None:
    partition = acting()
    partition.command(Action.SNOOZE, partition.alert, 1000, until=BASE + 2000)
    partition.store.timers.clear()  # as if so many others were due that the sweep stopped before it
    partition.tick(3000)
    assert partition.alert["status"] == "suppressed"
    partition.command(ACKNOWLEDGE, partition.alert, 3500, "c2")
    assert (partition.alert["status"], len(partition.alert["history"])) == ("acknowledged", 3)


def test_a_longer_snooze_replaces_a_shorter_one_and_a_resolve_ends_it() -> None:
    partition = acting()
    partition.command(Action.SNOOZE, partition.alert, 1000, "c1", until=BASE + MINUTE)
    partition.command(Action.SNOOZE, partition.alert, 2000, "c2", until=BASE + 10 * MINUTE)
    partition.tick(5 * MINUTE)
    assert partition.alert["status"] == "suppressed"
    partition.command(RESOLVE, partition.alert, 6 * MINUTE, "c3")
    assert (partition.alert["status"], partition.alert["snoozed_until"]) == ("resolved", None)
    partition.tick(11 * MINUTE)
    assert partition.alert["status"] == "resolved"


def test_a_snooze_ends_though_its_rule_is_off() -> None:
    partition = acting()
    partition.command(Action.SNOOZE, partition.alert, 1000, until=BASE + MINUTE)
    partition.use()
    partition.tick(MINUTE)
    assert partition.alert["status"] == "open"


@pytest.mark.parametrize(("until", "opened"), [(30 * MINUTE, True), (3 * 60 * MINUTE, False)])
def test_a_snoozed_alert_that_is_quiet_resolves_itself(until: int, opened: bool) -> None:
    """Time jumps over both instants; each still counts as of when it was."""
    partition = acting(rule(auto_resolve_after="1h"))
    partition.command(Action.SNOOZE, partition.alert, 1000, until=BASE + until)
    partition.tick(DAY)
    assert (partition.alert["status"], partition.alert["resolved_at"]) == ("resolved", iso(BASE + 60 * MINUTE))
    assert [entry["to"] for entry in partition.alert["history"]] == (
        ["suppressed", "open", "resolved"] if opened else ["suppressed", "resolved"]
    )


def test_links_tell_how_their_alert_stands() -> None:
    partition = acting(rule(title="{{ rule.name }}!"))
    alert = partition.alert
    partition.command(Action.ESCALATE, alert, 1000, "c1", incident_id="inc_1", note="is it?")
    alert = partition.alert
    assert (alert["status"], alert["event_type"], alert["incident_id"]) == ("escalated", "alert.escalated", "inc_1")
    link = partition.links["inc_1", alert["id"]]
    assert link == {
        "schema_version": 1,
        "incident_id": "inc_1",
        "alert_id": alert["id"],
        "tenant_id": "acme",
        "title": "r!",
        "severity": "medium",
        "linked_at": iso(BASE + 1000),
        "linked_by": "ann",
        "note": "is it?",
        "alert_status": "escalated",
        "rule_id": "r",
        "updated_at": iso(BASE + 1000),
    }
    IncidentLink.model_validate(link)
    partition.links.clear()
    partition.play(event(1, 2000))
    partition.command(Action.COMMENT, alert, 3000, "c2", note="hm")
    assert partition.links == {}, "nothing that a link tells has changed"
    partition.command(Action.ESCALATE, alert, 4000, "c3", incident_id="inc_2")
    assert partition.alert["incident_id"] == "inc_2"
    assert {incident for incident, _ in partition.links} == {"inc_1", "inc_2"}
    partition.command(RESOLVE, alert, 5000, "c4")
    partition.command(REOPEN, alert, 6000, "c5")
    assert {link["alert_status"] for link in partition.links.values()} == {"open"}
    partition.command(Action.ESCALATE, alert, 7000, "c6", incident_id="inc_1")
    assert partition.alert["status"] == "escalated", "onto an incident that it was part of before"
    assert partition.links["inc_1", alert["id"]]["linked_at"] == iso(BASE + 1000)
    AlertRecord.model_validate(partition.alert)


def test_links_follow_what_time_and_rules_do() -> None:
    partition = acting(rule(auto_resolve_after="1h"))
    partition.command(Action.ESCALATE, partition.alert, 1000, incident_id="inc_1")
    partition.tick(61 * MINUTE)
    [link] = partition.links.values()
    assert link["alert_status"] == "resolved"
    partition.tick(91 * DAY)
    assert list(partition.links.values()) == [None], "gone with its alert"

    partition = acting()
    partition.command(Action.ESCALATE, partition.alert, 1000, incident_id="inc_1")
    partition.engine.drop(bytes.fromhex(partition.alert["fingerprint"]))
    partition.write()
    [link] = partition.links.values()
    assert link["alert_status"] == "resolved"


def test_a_severity_that_rises_is_told_to_the_incident() -> None:
    cases = [{"when": {"trigger_count": {"gte": 2}}, "severity": "critical"}]
    partition = acting(rule(severity=[*cases, {"severity": "low"}]))
    partition.command(Action.ESCALATE, partition.alert, 1000, incident_id="inc_1")
    partition.play(event(1, 3000))
    assert [link["severity"] for link in partition.links.values()] == ["critical"]
