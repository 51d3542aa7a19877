# ruff: noqa: E501  # tables: one case a line
"""What a rule's author is told, word for word: the path, the value, and what was expected."""

from __future__ import annotations

import datetime
import math
from typing import Any

import pytest

from streamproc.rules.types import TYPES

from .making import problems, rule

THRESHOLD: dict[str, Any] = {"action": "a", "count": 5, "window_seconds": 300}


def threshold(**settings: Any) -> dict[str, Any]:
    return rule({**THRESHOLD, **settings}, type="threshold")


def without(condition: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in condition.items() if name not in names}


CASES: list[tuple[Any, str | list[str]]] = [
    # the rule
    (None, "null is not a rule: a map of fields"),
    ([], "[] is not a rule: a map of fields"),
    ({}, ["tenant_id: is required", "name: is required", "type: is required"]),
    (rule({"a": 1}, name=""), "name: '' is not at least 1 characters long"),
    (rule({"a": 1}, name="x" * 65), f"name: '{'x' * 65}' is not at most 64 characters long"),
    (rule({"a": 1}, name="a\nb"), "name: 'a\\nb' is not made of printable characters only"),
    (rule({"a": 1}, description="x\x07"), "description: 'x\\x07' is not made of printable characters only"),
    (rule({"a": 1}, id="a b"), "id: 'a b' does not have the form ^[A-Za-z0-9][A-Za-z0-9._:-]*$"),
    (rule({"a": 1}, id=7), "id: 7 is not text"),
    (rule({"a": 1}, tenant_id="a/b"), "tenant_id: 'a/b' is not a tenant: some text without /, * or control characters"),
    (rule({"a": 1}, type="patern"), f"type: patern is not one of {', '.join(TYPES)}"),
    (rule({"a": 1}, type=None), "type: None is not text"),
    (rule({"a": 1}, severity="urgent"), "severity: 'urgent' is not 'informational', 'low', 'medium', 'high' or 'critical'"),
    (rule({"a": 1}, cooldown_min=-1), "cooldown_min: -1 is not at least 0.0"),
    (rule({"a": 1}, cooldown_min=True), "cooldown_min: True is not a number"),
    (rule({"a": 1}, lateness_seconds=1.5), "lateness_seconds: 1.5 is not a whole number"),
    (rule({"a": 1}, enabled="yes"), "enabled: 'yes' is not true or false"),
    (rule({"a": 1}, mode="dark"), "mode: 'dark' is not 'live' or 'shadow'"),
    (rule({"a": 1}, timezone="Berlin"), "timezone: 'Berlin' is not a time zone such as UTC or Europe/Berlin"),
    (rule({"a": 1}, auto_resolve_after="soon"), "auto_resolve_after: 'soon' is not a span such as 12h or 30d, a number of seconds, nor null"),
    (rule({"a": 1}, auto_resolve_after=0), "auto_resolve_after: 0 is not between 1s and 3650d"),
    (rule({"a": 1}, runbook="javascript:x"), "runbook: 'javascript:x' is not an https:// address"),
    (rule({"a": 1}, channels=["email", 3]), "channels[1]: 3 is not text"),
    (rule({"a": 1}, channels=["email"] * 101), f"channels: {str(['email'] * 101)[:79]}… has more than 100 entries"),
    (rule({"a": 1}, metadata=[]), "metadata: [] is not a map of names to values"),
    (rule({"a": 1}, cooldwn_min=3), "cooldwn_min: is not a known field; did you mean cooldown_min?"),
    (rule({"a": 1}, cooldownMin=3, cooldown_min=3), "cooldown_min: is given twice (as cooldown_min too)"),
    (rule({"a": 1}, Condition={"b": 1}), "Condition: is given twice (as condition too)"),
    (rule({"a": 1}, count=3), "count: belongs in the condition"),
    (rule({"a": 1}, groupBy="actor.id"), "groupBy: belongs in the condition"),
    (without(rule({"a": 1}), "condition"), "condition: is required; {} is every event"),
    (rule([]) | {"condition": []}, "condition: [] is not a map of fields"),
    # what JSON does not have
    (rule({"a": datetime.date(2026, 2, 10)}), "condition.a: datetime.date(2026, 2, 10) is not text, a number, true, false, null, a list or a map"),
    (rule({"a": math.nan}), "condition.a: nan is not a finite number"),
    (rule({"a": {"in": [1, math.inf]}}), "condition.a.in[1]: inf is not a finite number"),
    (rule({"a": 2**64}), "condition.a: 18446744073709551616 is not a 64-bit number; put it in quotes"),
    (rule({"a": "\ud800"}), "condition.a: '\\ud800' is not Unicode text"),
    (rule({"a": b"x"}), "condition.a: b'x' is not text, a number, true, false, null, a list or a map"),
    (rule({None: 1, "a": 1}), "condition.None: null is not text, as every name is; put it in quotes"),
    (rule({404: 1, "a": 1}), "condition.404: 404 is not text, as every name is; put it in quotes"),
    (rule({"a": 1}, metadata={"at": datetime.time(9)}), "metadata.at: datetime.time(9, 0) is not text, a number, true, false, null, a list or a map"),
    (rule({"a": 1}, cooldownMin=math.nan), "cooldownMin: nan is not a finite number"),
    (rule({"a": 1}, metadata={"x": "y" * 17_000}), f"metadata: {{'x': '{'y' * 72}… is not at most 16 KiB, and every alert of the rule carries it"),
    # thresholds
    (threshold(window_seconds=0), "condition.window_seconds: 0 is not at least 1"),
    (threshold(window_seconds=1e9), "condition.window_seconds: 1000000000.0 is not at most 7776000 (90 days)"),
    (threshold(window_seconds="300"), "condition.window_seconds: '300' is not a number of seconds"),
    (threshold(window_seconds=True), "condition.window_seconds: true is not a number of seconds"),
    (threshold(window="5m"), "condition.window: is given beside window_seconds; keep one of them"),
    (rule(without(THRESHOLD, "window_seconds"), type="threshold"), "condition.window_seconds: is required (or window, such as 5m)"),
    (rule(without(THRESHOLD, "window_seconds") | {"window": "5 m"}, type="threshold"), "condition.window: 5 m is not a span such as 30s, 5m, 24h or 7d"),
    (rule(without(THRESHOLD, "window_seconds") | {"window": "0s"}, type="threshold"), "condition.window: 0s is not between 1s and 90d"),
    (threshold(windowSeconds=5), "condition.windowSeconds: is given twice (as window_seconds too)"),
    (threshold(count=0), "condition.count: 0 is not at least 1"),
    (threshold(count="5"), "condition.count: '5' is not a whole number"),
    (threshold(count=5.0), "condition.count: 5.0 is not a whole number"),
    (threshold(count=10**7), "condition.count: 10000000 is not at most 1000000"),
    (rule(without(THRESHOLD, "count"), type="threshold"), "condition.count: is required"),
    (threshold(window_type="sliding"), "condition.window_type: sliding is not one of rolling, fixed"),
    (threshold(windowType=["fixed"]), "condition.windowType: ['fixed'] is not one of rolling, fixed"),
    (threshold(distinct=["a"]), "condition.distinct: ['a'] is not a field path such as actor.ip"),
    (threshold(group_by=[]), "condition.group_by: [] is not a field path, or a list of 1 to 8 of them"),
    (threshold(group_by={"actor": "ip"}), "condition.group_by: {'actor': 'ip'} is not a field path, or a list of 1 to 8 of them"),
    (threshold(group_by=list("abcdefghi")), "condition.group_by: ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'] is not a field path, or a list of 1 to 8 of them"),
    (threshold(group_by=["a", None, ["b"]]), ["condition.group_by[1]: null is not a field path such as actor.ip", "condition.group_by[2]: ['b'] is not a field path such as actor.ip"]),
    (threshold(groupBy=["actor.ip", "actor_ip"]), "condition.groupBy[1]: actor.ip is given twice"),
    (threshold(group_by="actor..ip"), "condition.group_by: actor..ip is not a field path such as actor.ip"),
    (threshold(group_by="event_time.hour"), "condition.group_by: event_time.hour is not a field of the event; a part of its time cannot be counted by"),
    (threshold(timezone="Mars"), "condition.timezone: Mars is not a time zone such as UTC or Europe/Berlin"),
    (threshold(timezone="UTC") | {"timezone": "UTC"}, "condition.timezone: is given beside the condition too; keep one of them"),
    (rule({"a": 1, "count": 5}), "condition.count: is a setting of threshold rules, and a pattern counts nothing; to test a field of that name write all: [{count: …}]"),
    # the filter
    (rule({"a": None}), "condition.a: null is not a value to compare with; write {exists: false} for an absent field"),
    (rule({"a": {"in": ["x", None]}}), "condition.a.in[1]: null is not a value to compare with; write {exists: false} for an absent field"),
    (rule({"a": ["x", "y"]}), "condition.a: ['x', 'y'] is not one value; write {in: ['x', 'y']}"),
    (rule({"a": {}}), "condition.a: {} is not a value, or an operator such as {in: [a, b]}"),
    (rule({"": 1}), "condition.: '' is not a field path such as actor.ip"),
    (rule({"a..b": 1}), "condition.a..b: a..b is not a field path such as actor.ip"),
    (rule({"a": {"mtches": "x", "eq": "y"}}), "condition.a.mtches: mtches is not known; did you mean matches?"),
    (rule({"a": {"startsWith": "x", "starts_with": "y"}}), "condition.a.starts_with: is given twice (as startsWith too)"),
    (rule({"a": {"startsWith": ""}}), "condition.a.startsWith: '' is not a text"),
    (rule({"a": {"contains": ""}}), "condition.a.contains: '' is not a text"),
    (rule({"a": {"not": {"matches": "x*"}}}), "condition.a.not: {'matches': 'x*'} is not a text, a number, true or false; to negate a test write none: [{…}]"),
    (rule({"a": {"in": "x"}}), "condition.a.in: x is not a list of 1 to 10000 values, nor {list: name}"),
    (rule({"a": {"in": []}}), "condition.a.in: [] is not a list of 1 to 10000 values, nor {list: name}"),
    (rule({"a": {"in": [{}, ["x"]]}}), ["condition.a.in[0]: {} is not a text, a number, true or false", "condition.a.in[1]: ['x'] is not a text, a number, true or false"]),
    (rule({"a": {"notIn": {"list": 3}}}), "condition.a.notIn: {'list': 3} is not {list: name}, nor a list of values"),
    (rule({"a": {"gt": True}}), "condition.a.gt: true is not a number or a text"),
    (rule({"a": {"between": [1]}}), "condition.a.between: [1] is not a pair such as [1, 10]"),
    (rule({"a": {"between": [None, {}]}}), ["condition.a.between[0]: null is not a number or a text", "condition.a.between[1]: {} is not a number or a text"]),
    (rule({"a": {"between": [1, "x"]}}), "condition.a.between: [1, 'x'] is not a pair of numbers or a pair of texts"),
    (rule({"a": {"between": [9, 1]}}), "condition.a.between: 9 is not at most 1"),
    (rule({"a": {"exists": "no"}}), "condition.a.exists: no is not true or false"),
    (rule({"a": {"field": 3}}), "condition.a.field: 3 is not a field path such as actor.ip"),
    (rule({"a": {"cidr": "10.0.0.0/33"}}), "condition.a.cidr: 10.0.0.0/33 is not a network such as 10.0.0.0/8 or 2001:db8::/32"),
    (rule({"a": {"cidr": ["10.0.0.0/8", 1, True]}}), ["condition.a.cidr[1]: 1 is not a network such as 10.0.0.0/8 or 2001:db8::/32", "condition.a.cidr[2]: true is not a network such as 10.0.0.0/8 or 2001:db8::/32"]),
    (rule({"a": {"anywhere": ""}}), "condition.a.anywhere: '' is not a text"),
    (rule({"a": {"anywhere": []}}), "condition.a.anywhere: [] is not a text, or a list of 1 to 100 of them"),
    (rule({"a": {"anywhere": ["x", 5]}}), "condition.a.anywhere[1]: 5 is not a text"),
    (rule({"a": {"cidr": 167772160}}), "condition.a.cidr: 167772160 is not a network such as 10.0.0.0/8, or a list of them"),
    (rule({"a": {"ignoreCase": True}}), "condition.a.ignoreCase: stands beside another operator, not alone"),
    (rule({"a": {"eq": "x", "ignore_case": 1}}), "condition.a.ignore_case: 1 is not true or false"),
    (rule({"a": {"eq": "x" * 4097}}), f"condition.a.eq: {'x' * 79}… is not at most 4096 characters long"),
    (rule({"any": []}), "condition.any: [] is not a list of filters"),
    (rule({"any": {"a": 1, "b": 2}}), "condition.any: {'a': 1, 'b': 2} is not a list of filters; write any: [{…}, {…}]"),
    (rule({"none": [{"a": 1}, {}, 3]}), ["condition.none[1]: {} is not a filter: a map of fields", "condition.none[2]: 3 is not a filter: a map of fields"]),
    (rule({"any": [{"all": [{"a": {"regex": "("}}]}]}), "condition.any[0].all[0].a.regex: ( is not a regular expression that RE2 takes: missing ): ("),
    (rule({"event_time.second": 1}), "condition.event_time.second: second is not known; known are hour, minute, weekday, date"),
    (rule({"event_time": {"hours": {"gt": 3}}}), "condition.event_time.hours: hours is not known; did you mean hour?"),
    (rule({"event_time.hour": 24}), "condition.event_time.hour: 24 is not a whole number from 0 to 23"),
    (rule({"event_time.hour": {"between": [22, 30]}}), "condition.event_time.hour.between[1]: 30 is not a whole number from 0 to 23"),
    (rule({"event_time.weekday": "caturday"}), "condition.event_time.weekday: caturday is not a whole number from 1 to 7, or mon to sun"),
    (rule({"event_time.weekday": {"in": [0, "mon"]}}), "condition.event_time.weekday.in[0]: 0 is not a whole number from 1 to 7, or mon to sun"),
    (rule({"event_time.hour": {"matches": "2*"}}), "condition.event_time.hour.matches: is for text, and event_time.hour is a number: use in or between"),
    (rule({"event_time.date": "2026-02-30"}), "condition.event_time.date: '2026-02-30' is not a date such as 2026-02-10"),
    # Shield's form
    (rule({}, conditions=[]), "conditions: [] is not a list of {type, values, isNot}"),
    (rule({}, conditions=["x"]), "conditions[0]: x is not of the form {type, values, isNot}"),
    (rule({}, conditions=[{"type": "detectd", "values": ["true"]}]), "conditions[0].type: detectd is not known; did you mean detected?"),
    (rule({}, conditions=[{"values": ["true"]}]), "conditions[0].type: is required, one of apps, rules, datatypes_detected, datatypes_obfuscated, detected, obfuscated, blocked, bypassed, hostname, username, usergroup, content_type, client_device, client_ip, icap_mode"),
    (rule({}, conditions=[{"type": "apps", "values": "x"}]), "conditions[0].values: x is not a list of 1 to 10000 values"),
    (rule({}, conditions=[{"type": "apps", "values": [None]}]), "conditions[0].values[0]: null is not a value to compare with; write {exists: false} for an absent field"),
    (rule({}, conditions=[{"type": "apps", "values": ["x"], "isNot": "true"}]), "conditions[0].isNot: 'true' is not true or false"),
    (rule({}, conditions=[{"type": "apps", "values": ["x"], "not": True}]), "conditions[0].not: not is not known; did you mean isNot?"),
    (rule({"conditions": [{"type": "apps", "values": []}]}), "condition.conditions[0].values: [] is not a list of 1 to 10000 values"),
    (rule({"conditions": [{"type": "apps", "values": ["x"]}]}, conditions=[{"type": "apps", "values": ["x"]}]), "conditions: is given in the condition too; keep one of them"),
    (rule({"a": 1}, type="threshold", thresholdTime="5"), "thresholdTime: '5' is not a span such as 30s, 5m, 24h or 7d"),
    (rule({"a": 1}, type="threshold", thresholdType="minutes"), "condition.threshold_time: is required"),
    (rule({"a": 1}, type="threshold", thresholdTime="²", thresholdType="hours"), "thresholdTime: ² is not a whole number of hours, from 1 to 2160"),
    (rule({"a": 1}, type="threshold", thresholdTime=0, thresholdType="days"), "thresholdTime: 0 is not a whole number of days, from 1 to 90"),
    (rule({"a": 1}, type="threshold", thresholdTime="1", thresholdType="weeks"), "thresholdType: weeks is not one of minutes, hours, days, CRON"),
    (rule({"a": 1, "window": "5m"}, type="threshold", thresholdTime="5m"), "condition.window: is given beside a threshold time; keep one of them"),
    (rule({"a": 1}, thresholdTime="5m"), "thresholdTime: is a setting of threshold rules, and a pattern counts nothing; to test a field of that name write all: [{threshold_time: …}]"),
]  # fmt: skip


@pytest.mark.parametrize(("doc", "expected"), CASES, ids=[str(expected)[:60] for _, expected in CASES])
def test_the_problem_is_told(doc: Any, expected: str | list[str]) -> None:
    assert problems(doc) == ([expected] if isinstance(expected, str) else expected)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    doc = {"name": "", "type": "threshold", "condition": {"count": 0, "window_seconds": 0, "a": {"gt": None}}}
    assert sorted(problems(doc, default_tenant="acme")) == [
        "condition.a.gt: null is not a number or a text",
        "condition.count: 0 is not at least 1",
        "condition.window_seconds: 0 is not at least 1",
        "name: '' is not at least 1 characters long",
    ]


def test_a_great_many_problems_are_cut_short() -> None:
    told = problems(rule({f"f{place}": None for place in range(900)}))
    assert len(told) == 101
    assert told[-1] == "and more problems; mend these first"
