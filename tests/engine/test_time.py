"""What stream time does: held-back updates, auto-resolve, expiry, tombstones."""

from __future__ import annotations

import pytest

from streamproc.engine import partition as engine_partition
from streamproc.engine.changes import KEY
from streamproc.engine.frame import Tick
from streamproc.model.command import Action
from streamproc.model.times import iso
from tests.engine.making import BASE, DAY, HOUR, MINUTE, SECOND, SOURCE, Partition, event, key_of, rule, threshold


def tick_signal(at: int) -> Tick:
    return Tick({SOURCE: BASE + at})


def sent(records: list[dict]) -> list[tuple[str, int, int]]:
    return [(record["event_type"], record["revision"], record["trigger_count"]) for record in records]


def test_time_is_that_of_the_source_furthest_behind() -> None:
    partition = Partition(rule(), sources=["events/0", "events/1", "other/0"])
    partition.tick(5000, "events/0")
    partition.tick(9000, "events/1")
    assert partition.engine.now == -1, "one has not reported"
    partition.tick(7000, "other/0")
    assert partition.engine.now == BASE + 5000
    partition.tick(4000, "events/1")
    assert partition.engine.now == BASE + 5000, "time does not go back"
    partition.tick(8000, "events/0")
    assert partition.engine.now == BASE + 7000
    partition.tick(10**9, "events/9")
    assert partition.engine.now == BASE + 7000, "not one of the sources"


def test_updates_are_sent_at_most_once_a_second_and_the_last_one_always() -> None:
    partition = Partition(rule())
    assert sent(partition.play(event(0, 0))) == [("alert.triggered", 1, 1)]
    assert sent(partition.play(event(1, 400))) == []
    assert sent(partition.play(event(2, 999))) == []
    assert sent(partition.play(event(3, 1000))) == [("alert.updated", 4, 4)]
    assert sent(partition.play(event(4, 1001), event(5, 1500))) == []
    partition.tick(1999)
    assert sent(partition.sent)[2:] == []
    partition.tick(2000)
    assert sent(partition.sent)[2:] == [("alert.updated", 6, 6)]
    assert partition.alert["context"]["event_ids"] == ["e5"]
    assert partition.alert["updated_at"] == iso(BASE + 1500)
    partition.tick(9000)
    assert len(partition.sent) == 3


def test_of_many_triggers_in_a_batch_the_first_and_the_last_are_sent() -> None:
    partition = Partition(rule())
    partition.play(*(event(n, n * 10) for n in range(500)))
    assert sent(partition.sent) == [("alert.triggered", 1, 1), ("alert.updated", 500, 500)]


def test_a_held_back_update_survives_a_restart() -> None:
    partition = Partition(threshold(count=2))
    partition.play(event(0, 0), event(1, 100), event(2, 200))
    assert sent(partition.sent) == [("alert.triggered", 1, 1)]
    partition.restart()
    partition.tick(1100)
    assert sent(partition.sent) == [("alert.triggered", 1, 1), ("alert.updated", 2, 2)]
    assert partition.alert["context"]["count"] == 3


def test_a_quiet_alert_resolves_itself_as_of_the_instant() -> None:
    partition = Partition(rule(auto_resolve_after="1h"))
    partition.play(event(0, 0), event(1, 10 * MINUTE))
    partition.tick(70 * MINUTE - 1)
    assert partition.alert["status"] == "open"
    partition.tick(90 * MINUTE)
    alert = partition.alert
    assert (alert["event_type"], alert["status"], alert["revision"]) == ("alert.resolved", "resolved", 3)
    assert (alert["resolution"], alert["resolved_at"]) == ("auto_resolved", iso(BASE + 70 * MINUTE))
    assert alert["history"] == [
        {
            "at": iso(BASE + 70 * MINUTE),
            "by": "streamproc",
            "from": "open",
            "to": "resolved",
            "revision": 3,
            "action": "resolve",
            "resolution": "auto_resolved",
        }
    ]
    partition.play(event(2, 91 * MINUTE))
    assert [a["trigger_count"] for a in partition.last.values()] == [2, 1], "the next trigger opens another"


def test_acknowledged_alerts_resolve_themselves_too() -> None:
    partition = Partition(rule(auto_resolve_after="1h"))
    partition.play(event(0, 0))
    partition.command(Action.ACKNOWLEDGE, partition.alert, 1000)
    partition.tick(HOUR)
    assert (partition.alert["status"], partition.alert["acknowledged_by"]) == ("resolved", "ann")


def test_null_means_that_only_people_resolve() -> None:
    partition = Partition(rule(auto_resolve_after=None))
    partition.play(event(0, 0))
    partition.tick(4000 * DAY)
    assert partition.alert["status"] == "open"
    assert partition.store.keys == 1, "nor is the key forgotten"


def test_thirty_days_are_the_default() -> None:
    partition = Partition(rule())
    partition.play(event(0, 0))
    partition.tick(30 * DAY - 1)
    assert partition.alert["status"] == "open"
    partition.tick(30 * DAY)
    assert partition.alert["status"] == "resolved"


@pytest.mark.parametrize(
    ("made", "horizon"),
    [
        (threshold(count=5, window="1m"), 2 * MINUTE + 10 * MINUTE),
        (threshold(count=5, window="7d", lateness_seconds=0), 14 * DAY),
        (threshold(count=5, window="1h", condition={"window_type": "fixed"}), 2 * HOUR + 10 * MINUTE),
    ],
    ids=["rolling", "a week", "fixed"],
)
def test_a_key_that_nothing_touches_is_forgotten_an_hour_after_it_can_matter(made: dict, horizon: int) -> None:
    partition = Partition(made)
    partition.play(event(0, 0), event(1, 1000, "other"))
    partition.play(event(2, 5000))
    partition.tick(5000 + horizon + HOUR - 1)
    assert list(partition.store.values) == [KEY + key_of("u")]
    partition.tick(5000 + horizon + HOUR)
    assert partition.store.values == {}
    assert partition.store.timers == set(), "nothing is left behind"
    assert partition.engine.counts.expired == 2


def test_a_forgotten_key_starts_anew() -> None:
    partition = Partition(threshold(count=2))
    partition.play(event(0, 0))
    partition.tick(2 * HOUR)
    assert partition.play(event(1, 2 * HOUR)) == []
    assert len(partition.play(event(2, 2 * HOUR + 1))) == 1


def test_a_hit_in_the_batch_that_forgets_its_key_is_kept() -> None:
    partition = Partition(threshold(count=2))
    partition.play(event(0, 0))
    partition.engine.apply(tick_signal(2 * HOUR))
    partition.play(event(1, 2 * HOUR))
    partition.restart()
    assert len(partition.play(event(2, 2 * HOUR + 1))) == 1


def test_a_resolved_alert_is_kept_a_day_so_that_it_can_be_reopened() -> None:
    partition = Partition(rule(auto_resolve_after="1m"))
    partition.play(event(0, 0))
    partition.tick(MINUTE)
    partition.tick(MINUTE + DAY - 1)
    assert partition.store.keys == 1
    partition.tick(MINUTE + DAY)
    assert partition.store.keys == 0


def test_a_resolved_alert_gets_its_tombstone_after_the_retention() -> None:
    partition = Partition(rule(auto_resolve_after="1m"), alert_retention_ms=5 * DAY)
    partition.play(event(0, 0))
    partition.tick(MINUTE)
    alert = partition.alert["id"]
    partition.restart()
    partition.tick(MINUTE + 5 * DAY - 1)
    assert partition.tombstones == []
    partition.tick(MINUTE + 5 * DAY)
    assert partition.tombstones == [alert]
    assert (partition.store.values, partition.store.timers) == ({}, set())


def test_a_reopened_alert_gets_none_until_it_is_resolved_again() -> None:
    partition = Partition(rule(auto_resolve_after=None), alert_retention_ms=5 * DAY)
    partition.play(event(0, 0))
    alert = partition.alert
    partition.command(Action.RESOLVE, alert, 1000, "c1")
    partition.command(Action.REOPEN, alert, 2000, "c2")
    partition.tick(6 * DAY)
    assert partition.tombstones == []
    partition.command(Action.RESOLVE, alert, 6 * DAY, "c3")
    partition.tick(11 * DAY - 1)
    assert partition.tombstones == []
    partition.tick(11 * DAY)
    assert partition.tombstones == [alert["id"]]


def test_two_ticks_in_a_batch_send_one_tombstone() -> None:
    partition = Partition(rule(auto_resolve_after="1m"), alert_retention_ms=DAY)
    partition.play(event(0, 0))
    partition.tick(MINUTE)
    for at in (2 * DAY, 2 * DAY + 1):
        partition.engine.apply(tick_signal(at))
    partition.write()
    assert len(partition.tombstones) == 1


def test_a_sweep_takes_so_many_keys_and_says_that_there_are_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_partition, "SWEEP_LIMIT", 10)
    partition = Partition(rule(auto_resolve_after="1m"))
    partition.play(*(event(n, n, f"actor {n}") for n in range(25)))
    partition.engine.apply(tick_signal(HOUR))
    assert partition.engine.more_due
    assert len(partition.write()) == 10
    for expected in (10, 5):
        partition.engine.sweep()
        assert len(partition.write()) == expected
    assert not partition.engine.more_due
    assert {alert["status"] for alert in partition.last.values()} == {"resolved"}


def test_old_events_are_ordinary_events() -> None:
    """A backlog's event times are long past, its arrival is now: nothing expires under it."""
    partition = Partition(threshold(count=3, window="1h"))
    now = 400 * DAY
    partition.tick(now)
    for n in range(3):
        partition.play(event(n, n * MINUTE, arrival=now + n * SECOND))
        partition.tick(now + n * SECOND)
    assert partition.alert["trigger_count"] == 1
    assert partition.alert["triggered_at"] == iso(BASE + 2 * MINUTE)
    assert partition.alert["created_at"] == iso(BASE + now + 2 * SECOND)


def test_a_clock_that_runs_ahead_moves_a_window_by_at_most_five_minutes() -> None:
    partition = Partition(threshold(count=2, window="1m", lateness_seconds=300))
    partition.play(event(0, 300 * DAY, arrival=0))
    assert len(partition.play(event(1, 5 * MINUTE, arrival=1000))) == 1, "in one window with the clamped one"
    partition.play(event(2, 0, arrival=2000))
    assert partition.engine.counts.late == 0
