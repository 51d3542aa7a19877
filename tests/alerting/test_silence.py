"""Silences: what they match, when they hold, when to look again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from streamproc.alerting.hours import holds, is_open, look_again
from streamproc.alerting.hours import next_change as hours_change
from streamproc.alerting.matching import matches
from streamproc.alerting.silence import active, next_change, over, silenced
from streamproc.model.alert_filter import MAX_TESTS, FilterReader
from streamproc.model.document import DocumentError
from streamproc.model.hours import Recurring, WeeklyHours
from streamproc.model.silence import Silence, parse_silence

ALERT: dict[str, Any] = {
    "id": "alt_1",
    "tenant_id": "acme",
    "severity": "high",
    "title": "Failed logins",
    "trigger_count": 3,
    "late": False,
    "rule": {"id": "logins", "type": "threshold"},
    "group": {"actor.ip": "203.0.113.7"},
    "mitre_techniques": ["T1110", "T1078"],
    "metadata": {"team.name": "soc", "cost": 5},
    "event": {"actor": {"id": "alice", "groups": ["Finance"]}},
    "notes": [{"by": "bob", "text": "seen"}],
    "assignee": None,
}
MINUTE = 60_000
HOUR = 60 * MINUTE
ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia")
YEAR = (1_767_225_600_000, 1_798_761_600_000)
"""2026, in ms."""


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def silence(**fields: Any) -> Silence:
    document = {"id": "s1", "tenant_id": "acme", "matchers": {"rule.id": "logins"}, "author": "ann", "comment": "move"}
    if "recurring" not in fields:
        document["ends_at"] = "2026-02-11T00:00:00Z"
    return parse_silence(document | fields)


def told(written: object) -> list[str]:
    problems: list[Any] = []
    FilterReader(problems).read(written, "matchers")
    return [str(problem) for problem in problems]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"rule.id": "logins"}, True),
        ({"rule.id": "login"}, False),
        ({"rule.id": "logins", "severity": "low"}, False),
        ({"rule.id": {"not": "logins"}}, False),
        ({"rule.id": {"!=": "other"}}, True),
        ({"rule.id": {"in": ["a", "logins"]}}, True),
        ({"rule.id": {"not": ["a", "logins"]}}, False),
        ({"title": {"regex": "^Failed"}}, True),
        ({"title": {"regex": "^logins"}}, False),
        ({"title": {"=~": "logins$"}}, True),
        ({"title": {"!~": "logins$"}}, False),
        ({"title": {"contains": "led log"}}, True),
        ({"title": {"starts_with": "led"}}, False),
        ({"group.actor.ip": "203.0.113.7"}, True),
        ({"metadata.team.name": "soc"}, True),
        ({"event.actor.groups": "Finance"}, True),
        ({"mitre_techniques": "T1078"}, True),
        ({"mitreTechniques": {"not": "T1078"}}, False),
        ({"mitre_techniques.0": "T1078"}, False),
        ({"notes.by": "bob"}, True),
        ({"assignee": {"exists": False}}, True),
        ({"assignee": {"not": "bob"}}, True),
        ({"assignee": {"regex": ".*"}}, False),
        ({"severity": {"gte": "medium"}}, True),
        ({"severity": {"gt": "high"}}, False),
        ({"severity": {"lt": "critical", "gte": "high"}}, True),
        ({"trigger_count": {"gte": 3}}, True),
        ({"trigger_count": {"gt": "2"}}, False),
        ({"trigger_count": "3"}, False),
        ({"late": False}, True),
        ({"late": 0}, False),
        ({"metadata.cost": True}, False),
        ({"any": [{"rule.id": "x"}, {"severity": "high"}]}, True),
        ({"none": [{"rule.id": "x"}, {"severity": "high"}]}, False),
        ([{"rule.id": "logins"}, {"severity": "low"}], False),
        ({"object": "severity", "operator": "Equal to", "value": "high"}, True),
        ({"or": [{"object": "rule.id", "operator": "==", "value": "x"}, {"severity": "high"}]}, True),
    ],
)
def test_what_a_matcher_matches(written: Any, expected: bool) -> None:
    problems: list[Any] = []
    tree = FilterReader(problems).read(written, "matchers").tree
    assert problems == []
    assert matches(tree, ALERT) is expected


def deep(levels: int) -> Any:
    written: Any = {"rule.id": "x"}
    for _ in range(levels):
        written = {"all": [written]}
    return written


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ({}, "matchers: has no test; name at least one field of the alert"),
        ({"any": [{}, {"rule.id": "x"}]}, "matchers.any[0]: has no test; name at least one field of the alert"),
        ({"severty": "x"}, "matchers.severty: 'severty' is not a field of an alert; did you mean severity?"),
        ({"severity": "hi"}, "matchers.severity: 'hi' is not one of informational, low, medium, high, critical"),
        ({"title": {"regx": "x"}}, "matchers.title.regx: 'regx' is not an operator; did you mean regex?"),
        ({"title": None}, "matchers.title: None is not a text of at most 1024 characters, a number, true or false"),
        ({"title": ["a"]}, "matchers.title: ['a'] is not one value; write {in: [a, b]}"),
        ({"title": {"in": []}}, "matchers.title.in: [] is not a list of 1 to 1000 values"),
        ({"title": {"regex": "a("}}, "matchers.title.regex: 'a(' is not a regular expression that RE2 takes"),
        ({"title": {"regex": "((a{99}){99}){9}"}}, "is not a regular expression that RE2 takes"),
        ({"a..b": 1}, "matchers.a..b: 'a..b' is not a field path such as rule.id"),
        ("rule", "matchers: 'rule' is not a filter: a map of fields, or a list of them"),
        (deep(20), "is nested deeper than 8 levels"),
        ([{"rule.id": "x"}] * (MAX_TESTS + 5), "is one too many: a document has at most 200 tests"),
        ({"operator": "eq", "value": 1}, "matchers.object: is required"),
        ({"object": "id", "operator": "eq", "value": 1, "x": 1}, "matchers.x: is not a known field"),
    ],
)
def test_what_is_wrong_with_a_matcher_is_told(written: Any, problem: str) -> None:
    found = told(written)
    assert len(found) == 1
    assert problem in found[0]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"ends_at": None}, "ends_at: is required, unless the silence is recurring"),
        ({"starts_at": "2026-02-12"}, "ends_at: is not after starts_at"),
        ({"starts_at": "soon"}, "starts_at: 'soon' is not a time such as"),
        ({"author": ""}, "author: '' is not at least 1 characters long"),
        ({"commment": "x"}, "commment: is not a known field; did you mean comment?"),
        ({"recurring": {"start": "09:00"}}, "needs start and end, or schedule and duration"),
        ({"recurring": {"start": "09:00", "end": "25:00"}}, "recurring.end: '25:00' is not a time of day"),
        ({"recurring": {"schedule": "0 2 * * *"}}, "needs schedule and duration together"),
        ({"recurring": {"schedule": "0 2 * *", "duration": "1h"}}, "is not a CRON expression of five fields"),
        ({"recurring": {"schedule": "0 2 * * *", "duration": "1h", "start": "09:00"}}, "not both"),
        ({"recurring": {"start": "09:00", "end": "10:00", "timezone": "Berlin"}}, "is not a time zone"),
        ({"recurring": {"start": "09:00", "end": "10:00", "days": ["son"]}}, "has 'son', which is not one of mon"),
    ],
)
def test_what_is_wrong_with_a_silence_is_told(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(DocumentError) as caught:
        silence(**fields)
    assert problem in str(caught.value)


def test_a_silence_holds_from_its_start_until_before_its_end() -> None:
    one = silence(starts_at="2026-02-10T12:00:00Z", ends_at="2026-02-10T13:00:00Z")
    start, end = at("2026-02-10T12:00:00Z"), at("2026-02-10T13:00:00Z")
    assert [silenced(ALERT, [one], t) for t in (start - 1, start, end - 1, end)] == [None, one, one, None]
    assert [next_change([one], t) for t in (start - 1, start, end - 1, end)] == [start, end, end, None]
    assert [over(one, t) for t in (start, end - 1, end)] == [False, False, True]


def test_a_silence_is_about_its_tenant_and_of_several_the_first_is_named() -> None:
    now = at("2026-02-10T12:00:00Z")
    other, every = silence(tenant_id="globex"), silence(tenant_id="*", id="z")
    assert silenced(ALERT, [other], now) is None
    assert silenced(ALERT, [silence(id="b"), silence(id="a"), other], now) == silence(id="a")
    assert silenced(ALERT, [silence(id="b"), every], now) == every
    assert silenced(ALERT, [silence(enabled=False)], now) is None
    assert next_change([silence(enabled=False)], now) is None


def test_a_weekly_silence_goes_on_after_midnight_within_its_bounds() -> None:
    hours = {"days": ["fri"], "start": "22:00", "end": "06:00", "timezone": "Europe/Berlin"}
    one = silence(recurring=hours, starts_at="2026-02-01T00:00:00Z", ends_at="2026-02-14T02:00:00Z")
    expected = {"06T20:59": False, "06T21:00": True, "07T04:59": True, "07T05:00": False, "07T21:00": False,
                "13T21:00": True, "14T01:59": True, "14T02:00": False}  # fmt: skip
    assert {text: active(one, at(f"2026-02-{text}:00Z")) for text in expected} == expected


weekly = st.builds(
    lambda days, start, end, zone: WeeklyHours.model_construct(days=days, start=start, end=end, timezone=zone),
    st.sets(st.integers(1, 7), min_size=1).map(lambda days: tuple(sorted(days))),
    st.integers(0, 1439),
    st.integers(0, 1440),
    st.sampled_from(ZONES),
)
times = st.integers(*YEAR)
near_changes = st.one_of(
    times,
    # the clocks of Berlin, St John's and Lord Howe are set within these hours
    st.sampled_from((1_774_746_000_000, 1_772_953_200_000, 1_775_314_800_000)).flatmap(
        lambda t: st.integers(t - 30 * HOUR, t + 30 * HOUR)
    ),
)


def shown_open(hours: WeeklyHours, t: int) -> bool:
    """By the calendar, a day at a time."""
    wall = datetime.fromtimestamp(t // 1000, UTC).astimezone(ZoneInfo(hours.timezone)).replace(tzinfo=None)
    for back in (0, 1):
        day = wall.date() - timedelta(days=back)
        if day.isoweekday() in hours.days:
            midnight = datetime(day.year, day.month, day.day)
            length = hours.end - hours.start + (0 if hours.end > hours.start else 1440)
            start = midnight + timedelta(minutes=hours.start)
            if start <= wall < start + timedelta(minutes=length):
                return True
    return False


@given(weekly, near_changes)
def test_weekly_hours_are_what_the_wall_clock_shows(hours: WeeklyHours, t: int) -> None:
    assert is_open(hours, t) is shown_open(hours, t)


@settings(max_examples=40, deadline=None)
@given(weekly, near_changes)
def test_weekly_hours_change_when_they_say(hours: WeeklyHours, t: int) -> None:
    change = hours_change(hours, t)
    now = shown_open(hours, t)
    end = change if change is not None else t + 9 * 24 * HOUR
    for minute in range(t // MINUTE + 1, -(-end // MINUTE)):
        assert shown_open(hours, minute * MINUTE) is now
    if change is not None:
        assert shown_open(hours, change) is not now


def test_hours_that_never_end_say_so() -> None:
    always = WeeklyHours.model_validate({"start": "08:00", "end": "08:00"})
    assert is_open(always, 0)
    assert hours_change(always, 0) is None


schedules = st.builds(
    lambda schedule, ms, zone: Recurring.model_construct(
        days=None, start=None, end=None, schedule=schedule, duration=ms, timezone=zone
    ),
    st.sampled_from(("0 2 * * *", "30 2 * * 0", "*/20 * * * *", "15 1-3 * * *", "0 0 1 * *", "30 22 * * 1-5")),
    st.integers(1, 30 * 60).map(lambda minutes: minutes * MINUTE),
    st.sampled_from(ZONES),
)


def instants(recurring: Recurring, low: int, high: int) -> list[int]:
    """All of them, by the wall clock read forward."""
    zone = ZoneInfo(recurring.timezone)
    assert recurring.schedule is not None
    wall = datetime.fromtimestamp(low // 1000, UTC).astimezone(zone).replace(tzinfo=None) - timedelta(days=2)
    found = []
    for one in CronSim(recurring.schedule, wall):
        instant = int(one.replace(tzinfo=zone).timestamp()) * 1000
        if instant > high + 24 * HOUR:
            return sorted(found)
        found.append(instant)
    raise AssertionError


@settings(max_examples=150, deadline=None)
@given(schedules, near_changes)
def test_a_schedule_holds_for_its_duration_from_each_instant(recurring: Recurring, t: int) -> None:
    assert recurring.duration is not None
    every = instants(recurring, t - recurring.duration, t)
    assert holds(recurring, t) is any(one <= t < one + recurring.duration for one in every)


@pytest.mark.parametrize("schedule", ["30 2 * * *", "0 2,3 * * *", "45 1 * * *", "15 3 * * *", "10,35 2 * * *"])
@pytest.mark.parametrize("minutes", [10, 50, 200])
@pytest.mark.parametrize(
    ("zone", "change"),
    [("Europe/Berlin", "2026-03-29T01:00Z"), ("Europe/Berlin", "2026-10-25T01:00Z"),
     ("Australia/Lord_Howe", "2026-04-04T15:00Z"), ("Australia/Lord_Howe", "2026-10-03T15:30Z")],
)  # fmt: skip
def test_a_schedule_where_clocks_are_set(schedule: str, minutes: int, zone: str, change: str) -> None:
    recurring = Recurring.model_validate({"schedule": schedule, "duration": f"{minutes}m", "timezone": zone})
    length, moment = minutes * MINUTE, at(change)
    every = instants(recurring, moment - 12 * HOUR, moment + 12 * HOUR)
    for quarter in range(moment - 5 * HOUR, moment + 5 * HOUR, 5 * MINUTE):
        for t in (quarter - 1, quarter):
            assert holds(recurring, t) is any(one <= t < one + length for one in every), t
            if not holds(recurring, t):
                assert look_again(recurring, t) == min(one for one in every if one > t)
            else:
                assert look_again(recurring, t) == max(one for one in every if one <= t) + length


@settings(max_examples=60, deadline=None)
@given(schedules, near_changes)
def test_nothing_changes_before_the_time_to_look_again(recurring: Recurring, t: int) -> None:
    assert recurring.duration is not None
    again = look_again(recurring, t)
    assert again is not None
    assert again > t
    every = instants(recurring, t - recurring.duration, again)
    now = holds(recurring, t)
    edges = [edge for one in every for edge in (one, one + recurring.duration) if t < edge < again]
    for edge in edges:
        assert any(one <= edge < one + recurring.duration for one in every) is now
