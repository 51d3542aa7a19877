"""What a replay reports, without its process."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.backtest.past import play_past
from streamproc.backtest.replay import backtest
from streamproc.model.event import Event
from streamproc.model.time_text import milliseconds
from streamproc.model.times import iso
from streamproc.rules import CompiledRule, RuleIndex, compile_rule, parse_rule
from streamproc.sources.decode import Decoder
from streamproc.web.replaying import MAX_BUCKETS, MAX_EVENTS, Replay, play_given, timeline
from tests.web.rules.making import NOW, every_event, failure, login_rule, replay


def test_events_without_a_time_happen_now_and_fire() -> None:
    report = play_given(replay([login_rule()], [failure() for _ in range(5)]))
    assert (report["events"], report["matches"], report["alert_count"], report["triggers"]) == (5, 5, 1, 1)
    (alert,) = report["alerts"]
    assert (alert["tenant_id"], alert["group"]) == ("acme", {"actor.ip": "203.0.113.7"})
    assert alert["context"]["count"] == 5
    assert report["rules"] == [{"rule_id": "failed-logins", "alerts": 1, "triggers": 1}]


def test_one_less_does_not_fire() -> None:
    report = play_given(replay([login_rule()], [failure() for _ in range(4)]))
    assert (report["matches"], report["alert_count"], report["alerts"]) == (4, 0, [])
    assert report["rules"] == [{"rule_id": "failed-logins", "alerts": 0, "triggers": 0}]


def test_a_disabled_rule_is_played_as_if_it_were_not() -> None:
    report = play_given(replay([every_event(enabled=False)], [{"action": "data.export"}]))
    assert report["alert_count"] == 1


def test_what_is_no_event_is_told_by_place_and_the_rest_is_played() -> None:
    events = [{"action": "data.export"}, {"outcome": "success"}, 7, {"action": "data.export", "tenant_id": "other"}]
    report = play_given(replay([every_event()], events))
    assert (report["events"], report["rejected"]["count"]) == (1, 3)
    assert [text.partition(": ")[0] for text in report["rejected"]["first"]] == ["events[1]", "events[2]", "events[3]"]


def test_no_more_events_than_allowed_come_out_of_envelopes() -> None:
    records = [{"eventName": "X", "eventSource": "s3.amazonaws.com", "eventTime": iso(NOW), "eventID": str(n)}
               for n in range(900)]  # fmt: skip
    envelopes: list[Any] = [{"Records": records} for _ in range(6)]
    report = play_given(replay([every_event()], envelopes, format="cloudtrail"))
    assert report["events"] == MAX_EVENTS
    assert report["truncated"]


def test_named_lists_are_used() -> None:
    rule = every_event(condition={"action": "data.export", "actor.id": {"in": {"list": "leavers"}}})
    events = [{"action": "data.export", "actor": {"id": id}} for id in ("ann", "bob")]
    report = play_given(replay([rule], events, lists={"acme": {"leavers": ["ann"]}}))
    assert (report["matches"], report["alert_count"]) == (1, 1)


def test_only_the_first_alerts_are_answered_and_all_are_counted() -> None:
    events = [{"action": "data.export", "actor": {"id": f"u{n}"}} for n in range(30)]
    rule = {**login_rule(id="each"), "condition": {"action": "data.export", "count": 1, "window_seconds": 60,
                                                   "group_by": "actor.id"}}  # fmt: skip
    report = play_given(replay([rule], events, max_alerts=7))
    assert (report["alert_count"], len(report["alerts"])) == (30, 7)
    assert sum(bucket["alerts"] for bucket in report["timeline"]["buckets"]) == 30


def test_a_replay_travels_unchanged() -> None:
    one = replay([login_rule()], [failure(x="ü")], lists={"acme": {"l": [1]}}, revisions=(3,))
    assert Replay.decode(one.encode()) == one
    two = replay([login_rule()], None, span_ms=1)
    assert Replay.decode(two.encode()) == two


@given(
    st.lists(st.integers(0, 400 * 86_400_000), max_size=50),
    st.integers(0, 400 * 86_400_000),
    st.integers(0, 400 * 86_400_000),
)
def test_the_timeline_has_each_alert_once_and_few_bars(starts: list[int], a: int, b: int) -> None:
    first, last = min(a, b), max(a, b)
    made = timeline(starts, first, last)
    buckets = made["buckets"]
    assert sum(bucket["alerts"] for bucket in buckets) == len(starts)
    assert len(buckets) <= 2 * MAX_BUCKETS + 1
    width = made["bucket_seconds"] * 1000
    at = [milliseconds(bucket["at"]) for bucket in buckets]
    assert at == list(range(at[0], at[-1] + 1, width))
    for bucket, start in zip(buckets, at, strict=True):
        assert bucket["alerts"] == sum(1 for one in starts if start <= one < start + width)


def test_nothing_has_an_empty_timeline() -> None:
    assert timeline([], None, None)["buckets"] == []


def index(*documents: dict[str, Any]) -> RuleIndex:
    owners: dict[str, list[CompiledRule]] = {}
    for one in documents:
        owners.setdefault(one["tenant_id"], []).append(compile_rule(parse_rule(one), 1))
    return RuleIndex.empty.with_tenants(owners)


def recorded(*moments: tuple[int, int]) -> list[Event]:
    """Failures that happened at, and arrived at, so many seconds after `NOW`."""
    decoder = Decoder("events", "event", "acme")
    found = []
    for place, (at, arrived) in enumerate(moments):
        doc = failure(event_time=iso(NOW + at * 1000))
        found += decoder.decode(orjson.dumps(doc), 0, place, NOW + arrived * 1000)
    return found


def test_the_past_is_judged_as_a_backtest_does_where_clocks_are_right() -> None:
    moments = [(n, n) for n in range(0, 60, 5)]
    past = play_past(index(login_rule()), recorded(*moments), NOW + 3_600_000)
    tested = backtest(index(login_rule()), recorded(*moments))
    assert past.alerts.keys() == tested.alerts.keys()
    assert len(past.alerts) == 1
    assert (past.triggers, past.hits) == (tested.triggers, tested.hits)


def test_a_clock_that_runs_ahead_makes_nobody_else_late() -> None:
    moments = [(0, 0), (86_400, 1), (2, 2), (3, 3), (4, 4), (5, 5)]
    past = play_past(index(login_rule()), recorded(*moments), NOW + 60_000)
    assert (past.late, len(past.alerts)) == (0, 1)
    assert backtest(index(login_rule()), recorded(*moments)).late > 0, "which is why the past has a replay of its own"


@pytest.mark.parametrize(("now", "alerts"), [(4_100, 0), (4_300, 1)])
def test_of_the_past_nothing_is_told_that_is_not_yet_due(now: int, alerts: int) -> None:
    quiet = every_event(type="absence", condition={"action": "user.login", "expect_every": "1h"})
    past = play_past(index(quiet), recorded((0, 0)), NOW + now * 1000)
    assert len(past.alerts) == alerts
