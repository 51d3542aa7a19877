"""A killed engine, started anew on what was written, ends where one that never stopped does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.engine.frame import Tick
from streamproc.model.event import Event
from tests.engine.making import BASE, MINUTE, SOURCE, Partition, event, rule, threshold

RULES = [
    rule("each", lateness_seconds=60),
    threshold("rolling", 3, "1m", lateness_seconds=60),
    threshold("hosts", 2, "5m", condition={"distinct": "resource.id"}),
    threshold("fixed", 3, "5m", condition={"window_type": "fixed"}, timezone="Asia/Kolkata"),
    threshold("quiet", 2, "1m", auto_resolve_after="2m"),
]

steps = st.tuples(
    st.sampled_from([0, 1, 300, 999, 1000, 20_000, 5 * MINUTE]),  # since the one before
    st.sampled_from([0, 0, 0, 5_000, 3 * MINUTE]),  # how late it comes
    st.sampled_from("uvw"),
    st.sampled_from(["h1", "h2"]),
)
FATES = ["fine", "killed before the write", "killed after the write", "stopped"]
batches = st.lists(st.tuples(st.lists(steps, max_size=8), st.sampled_from(FATES), st.booleans()), max_size=8)


def played(
    plan: list[tuple[list[Any], str, bool]], *, hurt: bool = True, whole: bool = False, **settings: Any
) -> tuple[Partition, dict[str, dict[str, Any]]]:
    """Play batches of events, each with its fate, a tick after some; `whole`: all as one batch."""
    partition = Partition(*RULES, **settings)
    now = number = 0
    for batch, fate, ticked in plan:
        events: list[Event] = []
        for gap, delay, actor, host in batch:
            now += gap
            # one in eight is the one before, delivered again as a record of its own
            again = number % 8 == 7 and events
            one = events[-1] if again else event(number, now - delay, actor, now, resource={"id": host})
            events.append(event(number, now - delay, actor, now, resource={"id": host}) if not again else _moved(one))
            number += 1
        partition.apply(*events)
        if hurt and fate == "killed before the write":
            partition.restart()
            partition.apply(*events)
        if not whole:
            partition.write()
        if hurt and fate == "killed after the write":
            partition.restart()
            partition.apply(*events)
            partition.write()
        if hurt and fate == "stopped":
            partition.restart()
        if ticked and whole:
            partition.engine.apply(Tick({SOURCE: BASE + now}))
        elif ticked:
            partition.tick(now)
    partition.write()
    partition.tick(now + 2000)
    return partition, partition.last


def _moved(one: Event) -> Event:
    return Event(one.tenant, one.id, one.action, one.time, one.arrival, one.doc, one.raw, one.place + 1)


def essence(alerts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        id: (a["rule"]["id"], a["group"], a["event"]["id"], a["trigger_count"], a["revision"], a["status"], a["late"])
        for id, a in alerts.items()
    }


@given(batches)
def test_kills_at_any_point_between_and_within_batches_change_no_alert(plan: list[Any]) -> None:
    assert played(plan)[1] == played(plan, hurt=False)[1]


@given(batches)
def test_neither_does_where_batches_end(plan: list[Any]) -> None:
    assert essence(played(plan, hurt=False, whole=True)[1]) == essence(played(plan, hurt=False)[1])


@given(batches)
def test_nor_how_many_keys_are_kept_in_memory(plan: list[Any]) -> None:
    assert played(plan, hurt=False, cache_keys=1)[1] == played(plan, hurt=False)[1]


@given(batches)
def test_a_revision_follows_each_trigger_and_none_is_sent_twice(plan: list[Any]) -> None:
    partition, last = played(plan, hurt=False)
    sent = [(record["id"], record["revision"]) for record in partition.sent]
    assert len(set(sent)) == len(sent)
    for id, alert in last.items():
        revisions = [record["revision"] for record in partition.sent if record["id"] == id]
        assert revisions == sorted(revisions)
        assert revisions[0] == 1
        assert alert["revision"] == alert["trigger_count"] + (alert["status"] == "resolved")


@pytest.mark.parametrize("seen_by", ["the same engine", "the next engine"])
def test_a_frame_that_comes_again_is_skipped_hit_by_hit(seen_by: str) -> None:
    partition = Partition(rule())
    events = [event(n, n * 1000) for n in range(5)]
    partition.play(*events[:3])
    if seen_by == "the next engine":
        partition.restart()
    before = partition.engine.counts.replayed
    partition.play(*events)
    assert partition.engine.counts.replayed - before == 3
    assert partition.alert["trigger_count"] == 5


def test_places_of_different_sources_are_apart() -> None:
    partition = Partition(rule(), sources=["events/0", "events/1"])
    partition.apply(event(7, 0), source="events/0")
    partition.apply(event(3, 1), source="events/1")
    partition.write()
    assert partition.engine.counts.replayed == 0
    assert partition.engine.counts.triggers == 2
