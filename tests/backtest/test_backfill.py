"""The past, played in a state of its own: interrupted anywhere it learns and finds the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from streamproc.alerting.fingerprint import fingerprint
from streamproc.backtest.backfill import Backfill, Reached, past_alert, seeds
from streamproc.backtest.store import MemoryStore
from streamproc.engine.frame import RuleRef, pack_seed, unpack
from streamproc.engine.partition import PartitionEngine
from streamproc.kafka.backfill_state import BackfillState
from streamproc.model.event import Event
from tests.engine.making import BASE, DAY, HOUR, event, index, rule, threshold

RULES = [
    rule("country", type="new_country", condition={"action": "a"}),
    rule("daily", type="anomaly", condition={"action": "a"}),
    rule("silent", type="absence", condition={"action": "a", "expect_every": "2d", "group_by": "actor.id"}),
    threshold("burst", 4, "1h"),
]


def history(days: int = 20) -> list[Event]:
    """Ten events a day by u, at home; on the last day sixty, and one from elsewhere."""
    events = []
    for day in range(days):
        count = 60 if day == days - 1 else 10
        for n in range(count):
            home = {"id": "u", "country": "DE"}
            away = {"id": "u", "country": "NG"}
            actor = away if day == days - 1 and n == 30 else home
            events.append(event(len(events), day * DAY + n * HOUR // 4, actor))
    return events


def play(events: list[Event], path: Path, crash_at: int | None = None, every: int = 50) -> tuple[Any, Any]:
    """Feed all events with checkpoints; `crash_at` events in, everything in memory is lost."""
    rules = index(*RULES)
    state, reached = BackfillState(path), Reached()
    work = Backfill(rules, state, reached)
    n = 0
    while n < len(events):
        work.feed(events[n])
        n += 1
        if n % every == 0:
            reached = work.flush()
            state.keep({"number": reached.number, "last": reached.last})
        if n == crash_at:
            crash_at = None
            state.close()
            state = BackfillState(path)
            checkpoint = state.checkpoint or {"number": 0, "last": 0}
            work = Backfill(rules, state, Reached(checkpoint["number"], checkpoint["last"]))
            n = checkpoint["number"]
    work.finish(BASE + 30 * DAY)
    learnt = sorted(
        (s.fingerprint, s.ref.rule_id, orjson.dumps(s.window, default=repr)) for s in seeds(rules, state.keys())
    )
    found = sorted(state.alerts())
    state.close()
    return learnt, found


def test_what_the_past_shows(tmp_path: Path) -> None:
    learnt, found = play(history(), tmp_path / "state")
    assert {rule_id for _, rule_id, _ in learnt} == {"country", "daily"}
    alerts = {alert["rule"]["id"]: alert for alert in map(orjson.loads, found)}
    assert alerts.keys() == {"country", "daily", "silent", "burst"}
    assert alerts["daily"]["context"]["count"] == 48
    assert alerts["silent"]["triggered_at"] < "2026-03-12T12:00:00Z"  # a deadline of the past, not of the future


@pytest.mark.parametrize("crash_at", [1, 49, 50, 51, 137, 199, 230])
def test_an_interruption_changes_nothing(tmp_path: Path, crash_at: int) -> None:
    assert play(history(), tmp_path / "crashed", crash_at) == play(history(), tmp_path / "whole")


def test_a_live_key_learns_from_a_seed_once(tmp_path: Path) -> None:
    rules = index(*RULES)
    state = BackfillState(tmp_path / "state")
    work = Backfill(rules, state, Reached())
    for one in history():
        work.feed(one)
    work.finish(BASE + 20 * DAY)
    found = [unpack(pack_seed(seed)) for seed in seeds(rules, state.keys())]
    store = MemoryStore()
    engine = PartitionEngine(store, rules, ["events/0"])
    values = []
    for _ in range(2):
        for seed in found:
            engine.apply(seed)
        store.write(engine.take())
        fp = fingerprint("acme", "acme", "country", ("u",))
        values.append(store.get(b"k" + fp))
    assert values[0] == values[1] is not None


def test_past_alerts_are_marked_resolved_and_never_those_of_live_ones(tmp_path: Path) -> None:
    _, found = play(history(), tmp_path / "state")
    for record in found:
        before = orjson.loads(record)
        alert, past = past_alert(record, BASE + 40 * DAY, notify=False)
        assert alert["backfill"] is True and alert["status"] == "resolved" and alert["id"] != before["id"]
        assert orjson.loads(past.record) == alert and past.alert_id == alert["id"]
        assert "backfill_notify" not in alert
        assert past_alert(record, BASE + 40 * DAY, notify=True)[0]["backfill_notify"] is True


def test_detect_tells_of_past_alerts_and_forgets_them_after_the_retention(tmp_path: Path) -> None:
    _, found = play(history(), tmp_path / "state")
    _, past = past_alert(found[0], BASE, notify=False)
    store = MemoryStore()
    engine = PartitionEngine(store, index(), ["events/0"], alert_retention_ms=DAY)
    from streamproc.engine.frame import Seed, Tick

    engine.apply(Seed(RuleRef("acme", "gone", 1, b"", "acme"), b"f" * 16, (), 0, None, [past]))
    changes = engine.take()
    assert [(one.alert_id, one.value) for one in changes.alerts] == [(past.alert_id, past.record)]
    store.write(changes)
    engine.apply(Tick({"events/0": past.resolved_at + DAY}))
    assert [(one.alert_id, one.value) for one in engine.take().alerts] == [(past.alert_id, None)]
