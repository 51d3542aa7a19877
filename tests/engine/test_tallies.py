"""Tallies: wherever batches end and whatever is sent again, each event counts once, and the same buckets alert."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from streamproc.alerting.fingerprint import alert_id, fingerprint
from streamproc.backtest.replay import backtest
from streamproc.engine.frame import Signal, frames, pack_frame, unpack
from streamproc.engine.match import Matcher
from streamproc.model.command import Action
from streamproc.model.event import Event
from streamproc.model.hit import Hit
from tests.detect.by_bucket import ByHand, TooClose
from tests.engine.making import BASE, DAY, HOUR, MINUTE, SECOND, SOURCE, Partition, event, index, rule, threshold

SETTINGS = {"bucket": "day", "min_count": 3, "ratio": 1.5, "threshold_stddev": 1.1, "baseline_window_days": 10}
RULES = [
    rule("each", type="anomaly", condition=SETTINGS),
    rule("one", type="anomaly", condition={**SETTINGS, "actor_id": "u", "method": "tail"}, timezone="Asia/Kolkata"),
    rule("all", type="ingestion_spike", condition=SETTINGS, timezone="America/New_York"),
    threshold("beside", 2, "5m"),
]


def tallied(partition: Partition, events: Sequence[Event], source: str = SOURCE) -> list[Signal]:
    """The frames that route sends for one batch."""
    matcher, hits = Matcher(partition.rules), list[Hit]()
    for one in events:
        matcher.match(one, one.place, hits)
    matcher.tallies(hits)
    return [unpack(pack_frame(frame)) for _, frame in frames(source, 0, hits, matcher.ref, 1)]


def play(partition: Partition, events: Sequence[Event], source: str = SOURCE) -> list[dict[str, Any]]:
    for signal in tallied(partition, events, source):
        partition.engine.apply(signal)
    return partition.write()


def timeline(counts: Sequence[Sequence[int]]) -> list[Event]:
    """Of each day, how often u and v act; at any time of the day, and both in turn."""
    times = [
        (n * DAY + (i * 37 % 24) * HOUR + i * SECOND, actor)
        for n, day in enumerate(counts)
        for actor, count in zip("uv", day, strict=True)
        for i in range(count)
    ]
    return [event(n, at, actor) for n, (at, actor) in enumerate(sorted(times))]


def by_hand(events: Sequence[Event]) -> dict[str, tuple[Any, ...]]:
    """What must be told of each alert of the rules that tally."""
    found: dict[str, tuple[Any, ...]] = {}
    for compiled in (index(doc).get("acme", doc["id"]) for doc in RULES):
        assert compiled is not None
        if not compiled.tally:
            continue
        groups: dict[tuple[Any, ...], list[int]] = {}
        for one in events:
            if compiled.matches(one.doc, one.time):
                groups.setdefault(compiled.groups(one.doc)[0], []).append(one.time)
        for group, times in groups.items():
            key = ByHand(compiled.rule.condition, 600_000, compiled.rule.timezone)
            counts = {}
            for bucket, inside in groupby(times, key.place):
                of_bucket = list(inside)
                counts[bucket] = len(of_bucket)
                key.judge(of_bucket[-1], len(of_bucket))
            if key.fired:
                fp = fingerprint("acme", "acme", compiled.id, group)
                id_ = alert_id(fp, "bucket", str(key.start(key.fired[0])))
                found[id_] = (compiled.id, list(group), len(key.fired), len(key.fired), counts[key.fired[-1]])
    return found


def told(alerts: dict[str, dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
    return {
        id: (a["rule"]["id"], [*a["group"].values()], a["trigger_count"], a["revision"], a["context"]["count"])
        for id, a in alerts.items()
        if a["rule"]["id"] != "beside"
    }


days = st.lists(st.tuples(st.sampled_from([1, 2, 2, 3, 9]), st.sampled_from([0, 1, 2, 12])), min_size=8, max_size=22)
sizes = st.sampled_from([1, 2, 7, 30, 90])
fates = st.sampled_from(["goes on", "written", "killed", "routed again", "read again"])
plans = st.lists(st.tuples(sizes, fates, st.integers(0, 60)), max_size=25)


@given(days, plans)
def test_each_event_counts_once_however_often_it_is_sent(counts: list[tuple[int, int]], plan: list[Any]) -> None:
    """`plan`: the size of a batch, what happens after it, and how far back a repetition starts."""
    events, partition = timeline(counts), Partition(*RULES)
    log: list[Signal] = []
    written = at = 0
    # when the plan is at an end, all that is left comes as one batch
    for size, fate, back in [*plan, (len(events), "written", 0)]:
        signals = tallied(partition, events[at : at + size])
        at = min(at + size, len(events))
        log += signals
        for signal in signals:
            partition.engine.apply(signal)
        if fate == "killed":  # detect was: it reads on from what it wrote last
            partition.restart()
            for signal in log[written:]:
                partition.engine.apply(signal)
        elif fate == "routed again":  # route was: its batches start elsewhere now
            at = max(0, at - back)
        elif fate == "read again":
            for signal in log[max(0, len(log) - back) :]:
                partition.engine.apply(signal)
        if fate != "goes on":
            partition.write()
            written = len(log)
    partition.tick(events[-1].time - BASE + MINUTE)
    try:
        expected = by_hand(events)
    except TooClose:
        assume(False)
    assert told(partition.last) == expected
    in_backtest = backtest(index(*RULES), timeline(counts)).alerts
    assert told(in_backtest) == expected
    assert in_backtest.keys() == partition.last.keys()


def steady(days: int, a_day: int = 20) -> list[Event]:
    """By u, in the minutes after noon."""
    return [event(n * 50 + i, n * DAY + i * SECOND, "u") for n in range(days) for i in range(a_day)]


ONE = rule("r", type="anomaly", auto_resolve="when_clear")
BURST = 14 * DAY + HOUR


def burst(first: int, count: int, at: int = BURST) -> list[Event]:
    return [event(1000 + first + n, at + n, "u") for n in range(count)]


def test_what_comes_to_a_bucket_that_fired_brings_its_count_up_once_a_second() -> None:
    partition = Partition(ONE)
    assert play(partition, steady(14)) == []
    [opened] = play(partition, burst(0, 100))
    assert (opened["event_type"], opened["revision"], opened["context"]["count"]) == ("alert.triggered", 1, 100)
    assert play(partition, burst(100, 50, BURST + 500)) == []
    [grown] = play(partition, burst(150, 50, BURST + 2 * SECOND))
    assert (grown["event_type"], grown["context"]["count"]) == ("alert.updated", 200)
    assert (grown["id"], grown["revision"], grown["trigger_count"]) == (opened["id"], 1, 1)
    assert grown["reason"] == "200 events in a day for actor.id u; 20.0 ± 0.0 are usual"
    assert play(partition, burst(200, 50, BURST + 2 * SECOND + 500)) == []
    partition.restart()
    partition.tick(BURST + 4 * SECOND)
    assert partition.alert["context"]["count"] == 250
    assert partition.engine.counts.triggers == 0  # of the engine that was started last


def test_an_alert_that_is_over_is_left_alone() -> None:
    partition = Partition(ONE)
    play(partition, steady(14))
    play(partition, burst(0, 100))
    partition.command(Action.RESOLVE, partition.alert, BURST + MINUTE)
    sent = len(partition.sent)
    play(partition, burst(100, 100, BURST + HOUR))
    partition.tick(BURST + 2 * HOUR)
    assert len(partition.sent) == sent
    assert partition.alert["status"] == "resolved"


def test_it_is_clear_when_the_bucket_has_ended() -> None:
    partition = Partition(ONE)
    play(partition, steady(14))
    play(partition, burst(0, 100))
    partition.tick(BURST + 2 * HOUR)
    assert partition.alert["status"] == "open"
    partition.tick(15 * DAY)
    assert (partition.alert["status"], partition.alert["resolved_at"]) == ("resolved", "2026-02-25T00:00:00.000Z")


def test_two_sources_are_counted_together_and_guarded_apart() -> None:
    partition = Partition(ONE, sources=(SOURCE, "events/1"))
    play(partition, steady(14))
    here, there = burst(0, 30), burst(0, 30)
    play(partition, here)
    assert play(partition, here) == []
    [alert] = play(partition, there, source="events/1")
    assert alert["context"]["count"] == 60
    assert play(partition, there, source="events/1") == []


def test_too_little_history_is_told_by_a_counter() -> None:
    partition = Partition(ONE)
    play(partition, steady(3, 5))
    assert partition.engine.counts.insufficient_history == 0  # too few to matter in any case
    play(partition, [event(500 + n, 3 * DAY + HOUR + n, "u") for n in range(50)])
    assert partition.engine.counts.insufficient_history == 50
    assert partition.sent == []


def test_the_sample_is_of_the_bucket_that_fired() -> None:
    """A batch may go past midnight; its one document is that of its last event."""
    partition = Partition(ONE)
    play(partition, steady(14))
    next_day = [event(1200, 14 * DAY + 13 * HOUR, "u")]
    [alert] = play(partition, [*burst(0, 100), *next_day])
    assert alert["context"]["count"] == 100
    assert alert["context"]["sample"] == []
