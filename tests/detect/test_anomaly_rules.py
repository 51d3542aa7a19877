"""Rules of type anomaly and ingestion_spike in the backtest: what their alerts are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from streamproc.backtest.replay import backtest
from tests.engine.making import DAY, HOUR, event, index


def rule(kind: str, **fields: Any) -> dict[str, Any]:
    return {"id": "r", "tenant_id": "acme", "name": "r", "type": kind, **fields}


def played(written: dict[str, Any], plan: Sequence[tuple[int, int, str]]) -> list[dict[str, Any]]:
    """Backtest events: (ms after the start, how many, a second apart, actor)."""
    times = sorted((at + n * 1000, actor) for at, count, actor in plan for n in range(count))
    events = [event(n, at, actor) for n, (at, actor) in enumerate(times)]
    return list(backtest(index(written), events).alerts.values())


def test_an_actor_leaves_its_baseline_and_a_new_one_has_none() -> None:
    plan = [(day * DAY, 20, "u1") for day in range(14)]
    plan += [(14 * DAY, 120, actor) for actor in ("u1", "u2")]
    [alert] = played(rule("anomaly"), plan)
    assert alert["group"] == {"actor.id": "u1"}
    assert alert["event"] is None
    assert alert["triggered_at"] == "2026-02-24T12:00:39.000Z"  # when the fortieth came
    assert (alert["trigger_count"], alert["revision"]) == (1, 1)
    assert alert["context"]["count"] == 120
    assert alert["reason"] == "120 events in a day for actor.id u1; 20.0 ± 0.0 are usual"
    assert len(alert["context"]["sample"]) == 4


@pytest.mark.parametrize(("actor", "found"), [("u1", 1), ("u2", 0)])
def test_a_rule_for_one_actor(actor: str, found: int) -> None:
    plan = [(day * DAY, 20, name) for day in range(14) for name in ("u1", "u2")]
    plan.append((14 * DAY, 120, "u1"))
    assert len(played(rule("anomaly", condition={"actor_id": actor}), plan)) == found


def test_a_second_day_is_a_second_trigger_and_clearing_makes_it_a_second_alert() -> None:
    plan = [(day * DAY, 20, "u1") for day in range(14)] + [(day * DAY, 90, "u1") for day in (14, 15, 18)]
    [alert] = played(rule("anomaly"), plan)
    assert (alert["trigger_count"], alert["status"]) == (3, "open")
    alerts = played(rule("anomaly", auto_resolve="when_clear"), plan)
    assert [alert["context"]["bucket_start"][:10] for alert in alerts] == ["2026-02-24", "2026-02-25", "2026-02-28"]
    assert [alert["resolved_at"] for alert in alerts[:2]] == ["2026-02-25T00:00:00.000Z", "2026-02-26T00:00:00.000Z"]


def test_the_volume_of_a_tenant() -> None:
    plan = [(hour * HOUR, 50, f"u{hour % 7}") for hour in range(8 * 24)] + [(8 * DAY, 400, "u1")]
    [alert] = played(rule("ingestion_spike"), plan)
    assert alert["group"] == {}
    assert alert["context"]["threshold"] == 150
    assert alert["reason"] == "400 events in an hour; 50.0 ± 0.0 are usual"
