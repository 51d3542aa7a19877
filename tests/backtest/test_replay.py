"""Rules over a log: time as the events say it, in either order, however many are worked on at once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamproc.backtest import replay
from streamproc.backtest.replay import Result, backtest, matches
from streamproc.model.event import Event
from streamproc.model.times import iso
from tests.engine.making import BASE, DAY, HOUR, MINUTE, event, index, rule, threshold

RULES = [
    rule("each", lateness_seconds=60),
    threshold("rolling", 3, "1m", lateness_seconds=60),
    threshold("fixed", 3, "5m", condition={"window_type": "fixed"}),
    threshold("quiet", 2, "1m", auto_resolve_after="2m"),
    rule("short", auto_resolve_after="1s"),
]


def told(result: Result) -> list[tuple[Any, ...]]:
    return [(a["event"]["id"], a["trigger_count"], a["status"], a["updated_at"]) for a in result.alerts.values()]


def log(*steps: tuple[int, str]) -> list[Event]:
    """Events some time after the one before, each by an actor."""
    events, now = [], 0
    for n, (gap, actor) in enumerate(steps):
        now += gap
        events.append(event(n, now, actor))
    return events


steps = st.lists(
    st.tuples(st.sampled_from([0, 1, 400, 999, 1000, 1001, MINUTE, 3 * MINUTE, 2 * DAY]), st.sampled_from("uv")),
    max_size=40,
)


@given(steps, st.sampled_from([1, 2, 7]), st.sampled_from([1, 300]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_batches_change_nothing(
    monkeypatch: pytest.MonkeyPatch, gaps: list[tuple[int, str]], hits: int, span: int
) -> None:
    whole = backtest(index(*RULES), log(*gaps))
    with monkeypatch.context() as patched:
        patched.setattr(replay, "BATCH_HITS", hits)
        patched.setattr(replay, "BATCH_MS", span)
        # updates in between may be other ones: what an alert says of its last trigger is the same
        assert backtest(index(*RULES), log(*gaps)) == whole


@given(st.permutations(range(12)), steps.filter(lambda s: len(s) >= 12))
def test_by_time_the_order_in_the_file_does_not_matter(order: list[int], gaps: list[tuple[int, str]]) -> None:
    # no two at once, as which of them triggers is then a matter of their order
    events = log(*((gap + 1, actor) for gap, actor in gaps[:12]))
    shuffled = log(*((gap + 1, actor) for gap, actor in gaps[:12]))
    assert backtest(index(*RULES), [shuffled[n] for n in order], by_time=True) == backtest(index(*RULES), events)


def test_in_order_of_delivery_a_late_event_is_late() -> None:
    made = threshold(count=2, lateness_seconds=60)
    events = [event(0, 10 * MINUTE), event(1, 0), event(2, 1000), event(3, 9 * MINUTE + 30_000)]
    result = backtest(index(made), events)
    assert (result.late, [a[0] for a in told(result)]) == (2, ["e3"])
    assert result.alerts.popitem()[1]["created_at"] == iso(BASE + 10 * MINUTE), "it arrived behind the newest"
    result = backtest(index(made), events, by_time=True)
    assert (result.late, [a[0] for a in told(result)]) == (0, ["e2"])


def test_the_last_update_is_told_of_what_it_counted() -> None:
    """The next event of the key comes long after its window is forgotten."""
    result = backtest(index(threshold(count=2)), log((0, "u"), (10, "u"), (10, "u"), (5 * HOUR, "u")))
    [alert] = result.alerts.values()
    assert (alert["trigger_count"], alert["revision"]) == (2, 2)
    assert alert["context"]["event_ids"] == ["e0", "e1", "e2"]


def test_a_log_long_enough_resolves_and_forgets_on_its_way() -> None:
    result = backtest(index(rule()), log((0, "u"), (31 * DAY, "u"), (100 * DAY, "v")))
    assert told(result) == [
        ("e0", 1, "resolved", iso(BASE + 30 * DAY)),
        ("e1", 1, "resolved", iso(BASE + 61 * DAY)),
        ("e2", 1, "open", iso(BASE + 131 * DAY)),
    ]


def test_events_that_match_nothing_make_time_pass_too() -> None:
    events = [event(0, 0), event(1, 40 * DAY, action="other")]
    assert told(backtest(index(rule()), events)) == [("e0", 1, "resolved", iso(BASE + 30 * DAY))]


def test_the_end_of_the_log_resolves_nothing() -> None:
    events = [event(0, 0), event(1, 29 * DAY, action="other")]
    assert told(backtest(index(rule()), events)) == [("e0", 1, "open", iso(BASE))]


def test_an_event_at_the_instant_at_which_quiet_ends_comes_before_it() -> None:
    made = rule(auto_resolve_after="1m")
    assert [a[1] for a in told(backtest(index(made), log((0, "u"), (MINUTE, "u"))))] == [2]
    assert [a[1] for a in told(backtest(index(made), log((0, "u"), (MINUTE + 1, "u"))))] == [1, 1]


def test_alerts_come_in_order_of_creation_with_their_last_revision() -> None:
    result = backtest(index(rule()), log((0, "b"), (1, "a"), (5000, "b"), (1, "c"), (5000, "a")))
    assert [(a["group"]["actor.id"], a["revision"]) for a in result.alerts.values()] == [("b", 2), ("a", 2), ("c", 1)]
    assert list(result.alerts) == [alert["id"] for alert in result.alerts.values()]


def test_what_is_counted() -> None:
    events = [*log((0, "u"), (1, "u"), (1, "v")), event(9, 50, {"type": "user"}), event(10, 60, action="other")]
    events.append(event(0, 0))
    result = backtest(index(rule()), events, by_time=True)
    assert (result.events, result.hits, result.triggers, result.duplicates, result.ungrouped) == (6, 4, 3, 1, 1)
    assert (result.first, result.last) == (BASE, BASE + 60)


def test_no_events() -> None:
    assert backtest(index(rule()), []) == Result()


def test_rules_of_a_tenant_see_only_its_events() -> None:
    made = index(rule("own"), rule("all", tenant_id="*"))
    result = backtest(made, [event(0, 0), event(1, 1, tenant_id="other")])
    assert [(a["tenant_id"], a["rule"]["id"]) for a in result.alerts.values()] == [
        ("acme", "all"),
        ("acme", "own"),
        ("other", "all"),
    ]


def test_a_thousand_keys_due_at_once() -> None:
    result = backtest(
        index(rule(auto_resolve_after="1m")), [*log(*((0, f"u{n}") for n in range(5000))), event(0, HOUR)]
    )
    statuses = [alert["status"] for alert in result.alerts.values()]
    assert statuses.count("resolved") == 5000
    assert {a["resolved_at"] for a in result.alerts.values() if a["status"] == "resolved"} == {iso(BASE + MINUTE)}


def test_matches_are_of_filters_whatever_is_counted() -> None:
    made = index(threshold("t", 1000), rule("p", condition={"action": {"starts_with": "a"}, "group_by": "nothing"}))
    events = [event(0, 0), event(1, 1, action="b"), event(2, 2, action="ab"), event(0, 3)]
    assert list(matches(made, enumerate(events))) == [(0, "t"), (0, "p"), (2, "p"), (3, "t"), (3, "p")]
