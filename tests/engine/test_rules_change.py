"""Rules that change, are switched off or go while their keys have state."""

from __future__ import annotations

import pytest

from tests.engine.making import DAY, MINUTE, Partition, event, key_of, rule, threshold


def test_a_cosmetic_change_keeps_window_and_episode() -> None:
    partition = Partition(threshold(count=3))
    partition.play(event(0, 0), event(1, 1))
    partition.use(threshold(count=3, name="Renamed", severity="critical"))
    partition.play(event(2, 2))
    alert = partition.alert
    assert (alert["title"], alert["severity"], alert["rule"]["revision"]) == ("Renamed", "critical", 2)
    assert alert["context"]["count"] == 3


def test_so_does_another_count() -> None:
    partition = Partition(threshold(count=5))
    partition.play(event(0, 0), event(1, 1))
    partition.use(threshold(count=3))
    assert len(partition.play(event(2, 2))) == 1


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize(
    "changed",
    [
        threshold(count=2, window="5m"),
        threshold(count=2, condition={"window_type": "fixed"}),
        threshold(count=2, condition={"outcome": "success"}),
        threshold(count=2, lateness_seconds=60),
    ],
    ids=["window", "kind of window", "filter", "lateness"],
)
def test_counting_otherwise_starts_a_new_window_and_keeps_the_episode(changed: dict, restart: bool) -> None:
    partition = Partition(threshold(count=2))
    partition.play(event(0, 0), event(1, 1))
    assert partition.alert["trigger_count"] == 1
    partition.use(changed)
    if restart:
        partition.restart()
    partition.play(event(2, 2000))
    assert partition.alert["trigger_count"] == 1, "the new window has one"
    partition.play(event(3, 2001))
    partition.tick(10_000)
    assert partition.alert["trigger_count"] == 2
    assert partition.alert["context"]["event_ids"] == ["e2", "e3"]
    assert len(partition.last) == 1


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize(
    "changed", [rule(), threshold(count=2, condition={"window_type": "fixed"})], ids=["pattern", "fixed"]
)
def test_time_goes_on_for_a_key_whose_rule_counts_otherwise_by_now(changed: dict, restart: bool) -> None:
    """Its window is another detector's: neither read nor written with the new one."""
    partition = Partition(threshold(count=2))
    partition.play(event(0, 0), event(1, 1), event(2, 2))
    told = partition.alert["context"]
    partition.use(changed)
    if restart:
        partition.restart()
    partition.tick(5000)
    assert partition.alert["revision"] == 2, "the update that was held back"
    assert partition.alert["context"] | {"sample": told["sample"]} == told
    partition.tick(30 * DAY + 2)
    assert partition.alert["status"] == "resolved"


def test_hits_made_with_what_the_rule_used_to_count_are_dropped_and_counted() -> None:
    partition = Partition(threshold(count=1))
    underway = partition.signals([event(0, 0), event(1, 1)])
    partition.use(threshold(count=1, window="5m"))
    for signal in underway:
        partition.engine.apply(signal)
    partition.write()
    assert (partition.engine.counts.outdated, partition.sent) == (2, [])


def test_hits_made_with_an_older_revision_that_counts_the_same_are_taken() -> None:
    partition = Partition(threshold(count=1))
    underway = partition.signals([event(0, 0)])
    partition.use(threshold(count=1, severity="low"))
    for signal in underway:
        partition.engine.apply(signal)
    partition.write()
    assert partition.alert["severity"] == "low"


@pytest.mark.parametrize("after", [[], [rule(enabled=False)]], ids=["deleted", "switched off"])
def test_hits_of_a_rule_not_in_force_are_dropped_and_counted(after: list[dict]) -> None:
    partition = Partition(rule())
    underway = partition.signals([event(0, 0)])
    partition.use(*after)
    for signal in underway:
        partition.engine.apply(signal)
    partition.write()
    assert (partition.engine.counts.outdated, partition.sent, partition.store.values) == (1, [], {})


def test_switching_off_keeps_window_and_alert_however_long_it_takes() -> None:
    made = threshold(count=2, window="7d", auto_resolve_after="2d")
    partition = Partition(made)
    partition.play(event(0, 0, "alerted"), event(1, 1, "alerted"), event(2, 2, "counted"))
    partition.use(made | {"enabled": False})
    for day in range(1, 6):
        partition.tick(day * DAY)
    partition.restart()
    partition.tick(6 * DAY)
    assert partition.store.keys == 2
    assert partition.alert["status"] == "open"

    partition.use(made)
    partition.play(event(3, 6 * DAY + 1, "counted"))
    assert [alert["context"]["count"] for alert in partition.last.values()] == [2, 2]
    partition.tick(7 * DAY + 2)
    assert [alert["status"] for alert in partition.last.values()] == ["resolved", "open"], "time counts again"


def test_dropping_a_key_resolves_its_alert_and_forgets_it() -> None:
    partition = Partition(rule())
    partition.play(event(0, 0))
    partition.use()
    partition.engine.drop(key_of("u"))
    partition.engine.drop(key_of("nobody"))
    partition.write()
    alert = partition.alert
    assert (alert["status"], alert["resolution"], alert["revision"]) == ("resolved", "rule_deleted", 2)
    assert alert["history"][-1]["by"] == "streamproc"
    assert partition.store.keys == 0
    partition.tick(91 * DAY)
    assert partition.tombstones == [alert["id"]]
    assert (partition.store.values, partition.store.timers) == ({}, set())


def test_dropping_a_key_whose_alert_is_resolved_only_forgets_it() -> None:
    partition = Partition(rule(auto_resolve_after="1m"))
    partition.play(event(0, 0))
    partition.tick(MINUTE)
    before = len(partition.sent)
    partition.engine.drop(key_of("u"))
    partition.write()
    assert len(partition.sent) == before
    assert partition.store.keys == 0


def test_a_rule_that_comes_back_starts_anew() -> None:
    partition = Partition(threshold(count=2))
    partition.play(event(0, 0), event(1, 1))
    partition.use()
    partition.engine.drop(key_of("u"))
    partition.use(threshold(count=2))
    assert partition.play(event(2, 2)) == []
    assert [r["event"]["id"] for r in partition.play(event(3, 3))] == ["e3"]


def test_a_rule_for_every_tenant_counts_each_apart() -> None:
    partition = Partition(threshold(count=2, tenant_id="*"))
    partition.play(event(0, 0), event(1, 1, tenant_id="other"))
    assert partition.sent == []
    partition.play(event(2, 2, tenant_id="other"))
    assert [(a["tenant_id"], a["rule"]["owner"]) for a in partition.sent] == [("other", "*")]
