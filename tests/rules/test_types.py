"""What each rule type reads from its condition, its defaults, and what it says of a wrong one."""

from __future__ import annotations

from typing import Any

import pytest

from streamproc.model.condition import (
    AbsenceCondition,
    AllOf,
    AnomalyCondition,
    NewValueCondition,
    OffHoursCondition,
    Op,
    ScheduledCondition,
    ThresholdCondition,
    TravelCondition,
)
from streamproc.model.condition import Test as FieldTest
from streamproc.rules import parse_rule
from streamproc.rules.counting import counting_hash

from .making import problems, rule

DAY_MS = 86_400_000
ALL = AllOf(())
STEPS = [{"action": "a"}, {"action": "b"}]


def condition(kind: str, **written: Any) -> Any:
    return parse_rule(rule(written, type=kind)).condition


def test_defaults_are_those_of_the_contract() -> None:
    assert condition("anomaly") == AnomalyCondition(ALL, DAY_MS, 30, 3, 2, 10, "stddev", ("actor.id",))
    assert condition("ingestion_spike") == AnomalyCondition(ALL, 3_600_000, 14, 3, 3, 100, "stddev", ())
    assert condition("new_country") == NewValueCondition(ALL, "actor.country", 0, 90 * DAY_MS, ("actor.id",))
    assert condition("new_value", path="a") == NewValueCondition(ALL, "a", 0, 90 * DAY_MS, ())
    assert condition("off_hours") == OffHoursCondition(ALL, (1, 2, 3, 4, 5), 540, 1020, None, (), ())
    assert condition("impossible_travel") == TravelCondition(ALL, 900, 100, ("actor.id",))
    assert condition("absence", expect_every="1h") == AbsenceCondition(ALL, 3_600_000, ())
    repeated = condition("repeated_action")
    assert repeated == ThresholdCondition(ALL, 10, 60_000, "rolling", ("actor.id", "action"))
    destructive = condition("high_volume_destructive")
    assert (destructive.count, destructive.window_ms, destructive.group_by) == (10, 300_000, ())
    assert [test.value for test in destructive.filter.parts] == ["*.deleted", "*.removed", "*.delete", "*.remove"]
    steps = condition("sequence", steps=STEPS, within="10m")
    assert (steps.ordered, steps.within_ms, len(steps.steps), steps.group_by) == (True, 600_000, 2, ())


def test_an_anomaly_of_one_actor() -> None:
    found = condition("anomaly", actor_id="user_123", baseline_window_days=30, threshold_stddev=3)
    assert found.filter == FieldTest(("actor", "id"), Op.EQ, "user_123")
    assert found.group_by == ("actor.id",)


def test_a_schedule_in_either_form() -> None:
    ours = condition("threshold", schedule="0  */2 * * *", count=3, action="a")
    theirs = parse_rule(
        {"name": "n", "tenant_id": "acme", "thresholdTime": "0 */2 * * *", "thresholdType": "CRON", "condition": {}}
    ).condition
    assert isinstance(ours, ScheduledCondition) and isinstance(theirs, ScheduledCondition)
    assert (ours.schedule, ours.count) == ("0 */2 * * *", 3)
    assert (theirs.schedule, theirs.count) == ("0 */2 * * *", 1)


def test_what_is_counted_is_told_apart() -> None:
    ways = [
        ("sequence", {"steps": STEPS, "within": "10m"}),
        ("sequence", {"steps": STEPS[::-1], "within": "10m"}),
        ("sequence", {"steps": STEPS, "within": "11m"}),
        ("sequence", {"steps": STEPS, "within": "10m", "ordered": False}),
        ("absence", {"expect_every": "1h"}),
        ("absence", {"expect_every": "2h"}),
        ("new_value", {"path": "a"}),
        ("new_value", {"path": "b"}),
        ("anomaly", {"bucket": "day"}),
        ("anomaly", {"bucket": "hour"}),
        ("off_hours", {}),
        ("off_hours", {"holidays": "DE"}),
        ("off_hours", {"business_hours": {"start": "08:00"}}),
        ("threshold", {"schedule": "0 * * * *", "count": 1}),
        ("threshold", {"schedule": "1 * * * *", "count": 1}),
    ]
    hashes = [counting_hash(parse_rule(rule(written, type=kind))) for kind, written in ways]
    assert len(set(hashes)) == len(ways)
    same = [counting_hash(parse_rule(rule({"ratio": n, "min_count": n}, type="anomaly"))) for n in (2, 5)]
    assert same[0] == same[1]  # how far a count must leave its baseline is no matter of what is counted


@pytest.mark.parametrize(
    ("kind", "written", "told"),
    [
        ("sequence", {"within": "1m"}, "condition.steps: null is not a list of 2 to 10 filters"),
        ("sequence", {"steps": STEPS}, "condition.within: is required: a span such as 10m"),
        ("sequence", {"steps": [STEPS[0], 7], "within": 60}, "condition.steps[1]: 7 is not a filter: a map of fields"),
        ("sequence", {"steps": STEPS, "within": "1m", "ordered": 1}, "condition.ordered: 1 is not true or false"),
        ("absence", {}, "condition.expect_every: is required: a span such as 10m"),
        ("absence", {"expect_every": "500d"}, "condition.expect_every: 500d is not between 1s and 366d"),
        ("new_value", {}, "condition.path: is required: a field path"),
        ("new_value", {"path": "event_time.hour"}, None),
        ("anomaly", {"bucket": "week"}, "condition.bucket: week is not one of hour, day"),
        ("anomaly", {"baseline_window_days": 9}, "condition.baseline_window_days: 9 is not at least 10"),
        ("ingestion_spike", {"baseline_window_days": 3}, "condition.baseline_window_days: 3 is not at least 7"),
        ("anomaly", {"threshold_stddev": float("inf")}, None),
        ("anomaly", {"actor_id": 7}, "condition.actor_id: 7 is not an actor's id"),
        ("impossible_travel", {"speed_kmh": 0}, "condition.speed_kmh: 0 is not at least 1"),
        ("off_hours", {"holidays": "XX"}, None),
        ("off_hours", {"business_hours": {"start": "25:00"}}, None),
        ("off_hours", {"business_hours": {"days": ["funday"]}}, None),
        ("off_hours", {"business_hours": {"begin": "09:00"}}, None),
        ("off_hours", {"business_hours": {"start": "09:00", "end": "09:00"}}, None),
        ("compliance", {"passed": "no"}, "condition.passed: no is not true or false"),
        ("high_volume_destructive", {"actions": []}, None),
        ("threshold", {"schedule": "every hour", "count": 1}, None),
        ("threshold", {"schedule": "0 0 31 2 *", "count": 1}, None),
        ("threshold", {"schedule": "* * * * * *", "count": 1}, None),
        ("threshold", {"schedule": "0 * * * *", "window": "5m", "count": 1}, None),
    ],
)
def test_a_wrong_setting_is_named(kind: str, written: dict[str, Any], told: str | None) -> None:
    found = problems(rule(written, type=kind))
    assert len(found) == 1 and found[0].startswith("condition.")
    if told is not None:
        assert found == [told]


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"title": "{{ rule.name"}, "title"),
        ({"reason": "{% for x in y %}"}, "reason"),
        ({"description": "{% include 'x' %}"}, "description"),
        ({"title": "x" * 501}, "title"),
        ({"severity": []}, "severity"),
        ({"severity": [{"severity": "urgent"}]}, "severity[0].severity"),
        ({"severity": [{"severity": "low"}, {"severity": "high"}]}, "severity[0].when"),
        ({"severity": [{"when": {"a": {"gtt": 1, "gt": 1}}, "severity": "low"}]}, "severity[0].when.a.gtt"),
        ({"severityCases": []}, "severityCases"),
        ({"auto_resolve": "when_clear"}, "auto_resolve"),
        ({"auto_resolve": "later"}, "auto_resolve"),
    ],
)
def test_a_wrong_field_is_named(fields: dict[str, Any], path: str) -> None:
    assert [text.split(":")[0] for text in problems(rule({"a": 1}, **fields))] == [path]
