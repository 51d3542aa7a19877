# ruff: noqa: E501  # tables: one case a line
"""What each operator means, one line each: a condition, events that match and events that do not."""

from __future__ import annotations

from typing import Any

import pytest

from .making import NOON, compiled, event, matches, ms

A = [
    # condition, values of `a` that match, values that do not (Ellipsis: there is no `a`)
    ("x", ["x", ["x"], ["y", "x"]], ["X", "xx", "", None, ..., [], {}, {"x": "x"}, [["x"]], 1, True]),
    (1, [1, 1.0, [1]], ["1", True, 1.5, None, ..., [True]]),
    (1.0, [1, 1.0], ["1.0", True]),
    (0, [0, 0.0, -0.0], [False, "", None, ..., [], {}]),
    (True, [True, [True]], [1, "true", False, None, ...]),
    (False, [False], [0, None, ..., "", []]),
    ("", [""], [None, ..., [], 0]),
    (2**53 + 1, [2**53 + 1], [float(2**53), 2**53]),
    ({"eq": "x"}, ["x"], ["y"]),
    ({"not": "x"}, ["y", 1, None, ..., [], {}, ["y"], "X"], ["x", ["x"], ["y", "x"]]),
    ({"not": ["x", 1]}, ["y", ..., True], ["x", 1, 1.0, ["z", 1]]),
    ({"not": 1}, [True, "1", ...], [1, 1.0]),
    ({"in": ["x", 1, True]}, ["x", 1, 1.0, True, ["z", "x"]], ["y", "1", "true", 0, False, None, ..., {}, []]),
    ({"in": ["x"]}, ["x"], [["y"], {"x": 1}]),
    ({"not_in": ["x", 1]}, ["y", True, None, ..., []], ["x", 1, ["z", "x"]]),
    ({"notIn": ["x"]}, ["y", ...], ["x"]),
    ({"gt": 5}, [6, 5.1, [1, 6]], [5, 4, "6", True, None, ..., [], {}]),
    ({"gte": 5}, [5, 5.0, 6], [4.9, "5", None, ...]),
    ({"lt": 5}, [4, -1e300], [5, "4", False, None, ...]),
    ({"lte": 5}, [5, 4], [5.1, True, ...]),
    ({"gt": "b"}, ["c", "ba"], ["b", "a", 99, None, ...]),
    ({"gte": 1, "lt": 5}, [1, 4.9], [0, 5]),
    ({"gte": 5, "lt": 2}, [[1, 6]], [3, [3, 4]]),  # of a list each test may find its own element
    ({"between": [1, 3]}, [1, 2.5, 3, [9, 2]], [0.9, 3.1, "2", True, None, ...]),
    ({"between": ["a", "c"]}, ["a", "bzz", "c"], ["ca", 2, ...]),
    ({"matches": "*"}, ["", "x", "x\ny"], [1, None, ..., {}, []]),
    ({"matches": "data.*"}, ["data.", "data.x.y"], ["data", "adata.x", "DATA.x"]),
    ({"matches": "*.delete"}, [".delete", "a.delete"], ["delete", "a.deleted"]),
    ({"matches": "a*b"}, ["ab", "axb", "aab"], ["a", "b", "abx"]),
    ({"matches": "ab*ba"}, ["abba", "abxba"], ["aba", "ab"]),
    ({"matches": "*x*"}, ["x", "axb"], ["", "y"]),
    ({"matches": "a*b*a"}, ["aba", "axbxa"], ["aa", "ab", "ba"]),
    ({"matches": "a**b"}, ["ab", "axb"], ["a"]),
    ({"matches": "a?c"}, ["abc", "aéc", "a😀c", "a\nc"], ["ac", "abbc"]),
    ({"matches": "?*.?"}, ["a.b", "aa.b"], [".b", "a."]),
    ({"matches": "a.c"}, ["a.c"], ["abc"]),
    ({"matches": "[a]\\*"}, ["[a]\\", "[a]\\x"], ["a", "[a]"]),
    ({"matches": "plain"}, ["plain", ["x", "plain"]], ["plainer", "Plain"]),
    ({"contains": "ell"}, ["hello", ["x", "bell"]], ["HELLO", "el", 1, None, ...]),
    ({"contains": 5}, [[1, 5], 5, [5.0]], ["5", [1], ["5"], ...]),
    ({"contains": True}, [[True]], [[1], ["true"]]),
    ({"startsWith": "ab"}, ["ab", "abc"], ["a", "AB", "xab", 1]),
    ({"ends_with": "yz"}, ["yz", "xyz"], ["z", "yzx"]),
    ({"regex": "^a+$"}, ["a", "aaa"], ["", "ab", "A", 1, None, ...]),
    ({"regex": "b"}, ["abc", ["x", "b"]], ["ac"]),
    ({"regex": "^.$"}, ["é", "日", "😀"], ["ab"]),
    ({"regex": r"^\d{3}-\d+$"}, ["123-4"], ["12-4", "१२३-४"]),
    ({"cidr": "10.0.0.0/8"}, ["10.1.2.3", "::ffff:10.1.2.3", ["x", "10.0.0.1"]], ["11.0.0.1", "10.1.2", "", "x", 167837955, "010.1.2.3", "10.1.2.3:80", ..., "1" * 100_000]),
    ({"cidr": ["192.168.0.0/16", "2001:db8::/32"]}, ["192.168.3.4", "2001:db8::1", "2001:DB8:0::1"], ["2001:db9::1", "10.0.0.1"]),
    ({"cidr": "10.1.2.3"}, ["10.1.2.3"], ["10.1.2.4"]),
    ({"cidr": "10.1.2.3/8"}, ["10.9.9.9"], ["11.1.2.3"]),
    ({"cidr": "::ffff:10.0.0.0/104"}, ["10.1.2.3", "::ffff:10.1.2.3"], ["11.0.0.1", "::10.1.2.3"]),
    ({"cidr": "0.0.0.0/0"}, ["1.2.3.4", "::ffff:1.2.3.4"], ["::1"]),
    ({"anywhere": "in"}, ["ink", ["a", ["pin"]], {"in": 1}, {"a": [{"b": {"win": None}}]}], ["IN", "", 1, None, {}, {"i": "n"}, ["i", "n"]]),
    ({"anywhere": ["x", "42"]}, ["ax", 42, 1.42, 142.0, {"a": [42]}, {"42": 0}], [4.2, "4 2", True, [4, 2], {"4": "2"}]),
    ({"anywhere": "RU", "ignore_case": True}, ["Rust", True, {"tRUe": 0}], [False, "r u", ["r", "u"]]),
    ({"anywhere": "STRASSE", "ignore_case": True}, [{"a": "Straße"}], ["strase"]),
    ({"cidr": "::/0"}, ["::1", "fe80::1%eth0"], ["1.2.3.4"]),
    ({"exists": True}, ["", 0, False, [], {}, [None]], [None, ...]),
    ({"exists": False}, [None, ...], ["", 0, False, [], {}]),
    ({"eq": "Straße", "ignore_case": True}, ["straße", "STRASSE"], ["strase", 1, ...]),
    ({"not": "X", "ignoreCase": True}, ["y", ...], ["x", "X"]),
    ({"in": ["Admin", 1], "ignore_case": True}, ["ADMIN", "admin", 1], ["adm", True]),
    ({"not_in": ["Admin"], "ignore_case": True}, ["x", ...], ["ADMIN"]),
    ({"matches": "A*Z", "ignore_case": True}, ["axz", "AZ"], ["a"]),
    ({"matches": "A?Z", "ignore_case": True}, ["axz"], ["az"]),
    ({"contains": "ELL", "ignore_case": True}, ["hello"], ["helo"]),
    ({"starts_with": "AB", "ignore_case": True}, ["abc", "Abc"], ["ba"]),
    ({"ends_with": "YZ", "ignore_case": True}, ["xyz"], ["xy"]),
    ({"regex": "^a|b$", "ignore_case": True}, ["Ax", "xB"], ["xAx"]),
    ({"eq": "x", "ignore_case": False}, ["x"], ["X"]),
    ({"starts_with": "a", "ends_with": "z", "not": "az"}, ["abz"], ["az", "a", "z"]),
]  # fmt: skip


def with_a(value: Any) -> dict[str, Any]:
    return event() if value is ... else event(a=value)


@pytest.mark.parametrize(("written", "yes", "no"), A, ids=[str(case[0]) for case in A])
def test_operator(written: Any, yes: list[Any], no: list[Any]) -> None:
    rule = compiled({"a": written})
    below = compiled({"m.a": written})
    deep = compiled({"m": {"n": {"a": written}}})
    for values, expected in ((yes, True), (no, False)):
        for value in values:
            doc = with_a(value)
            assert rule.matches(doc, NOON) is expected, value
            assert below.matches(event(m=doc), NOON) is expected, value
            assert deep.matches(event(m={"n": doc}), NOON) is expected, value


PATHS = [
    ("action", event(action="x")),
    ("actor.id", event(actor={"id": "x"})),
    ("actor_id", event(actor={"id": "x"})),
    ("actorIp", event(actor={"ip": "x"})),
    ("ip_country", event(actor={"country": "x"})),
    ("actor.userAgent", event(actor={"user_agent": "x"})),
    ("resourceType", event(resource={"type": "x"})),
    ("outcomeRaw", event(outcome_raw="x")),
    ("workspaceId", event(tenant_id="x")),
    ("metadata.actor_id", event(metadata={"actor_id": "x"})),
    ("metadata.actorId", event(metadata={"actorId": "x"})),
    ("raw.eventTime", event(raw={"eventTime": "x"})),
    ("raw.requestParameters.bucketName", event(raw={"requestParameters": {"bucketName": "x"}})),
    ("raw.annotations.authorization\\.k8s\\.io/decision", event(raw={"annotations": {"authorization.k8s.io/decision": "x"}})),
    ("tags", event(tags=["y", "x"])),
    ("tags.1", event(tags=["y", "x"])),
    ("items.name", event(items=[{"name": "y"}, 3, {"name": "x"}])),
    ("items.1.name", event(items=[{"name": "y"}, {"name": "x"}])),
    ("items.tags", event(items=[{"tags": ["y"]}, {"tags": ["z", "x"]}])),
    ("items.tags.0", event(items=[{"tags": ["y"]}, {"tags": ["x", "z"]}])),
    ("grid.0.1", event(grid=[["y", "x"]])),
    ("map.0", event(map={"0": "x"})),
    ("日本.語", event(日本={"語": "x"})),
]  # fmt: skip


@pytest.mark.parametrize(("path", "doc"), PATHS, ids=[path for path, _ in PATHS])
def test_path(path: str, doc: dict[str, Any]) -> None:
    assert matches({path: "x"}, doc)
    assert matches({path: {"in": ["x"], "exists": True, "starts_with": "x"}}, doc)
    assert not matches({path: "other"}, doc)
    assert not matches({path: {"exists": False}}, doc)
    assert not matches({path: "x"}, event())
    head, _, rest = path.partition(".")
    if rest and "\\" not in path:
        assert matches({head: {rest: "x"}}, doc), "nested maps are paths too"


MISSING = ["missing", "missing.below", "action.below", "tags.7", "tags.name", "tags.²", "items.nothing", "null.below"]


@pytest.mark.parametrize("path", MISSING)
def test_a_missing_field_matches_only_what_says_so(path: str) -> None:
    doc = event(tags=["x"], items=[{"name": "y"}], null=None)
    for condition in ({"not": "x"}, {"not_in": ["x"]}, {"exists": False}):
        assert matches({path: condition}, doc)
    assert matches({"none": [{path: "x"}]}, doc)
    for operator, operand in {
        "eq": "x",
        "in": ["x"],
        "gt": 0,
        "lt": "z",
        "between": [0, 9],
        "matches": "*",
        "contains": "x",
        "starts_with": "x",
        "ends_with": "x",
        "regex": "",
        "cidr": "::/0",
        "exists": True,
        "field": path,
    }.items():
        if operand:
            assert not matches({path: {operator: operand}}, doc), operator


NESTING = [
    ({}, True),
    ({"a": 1, "b": 2}, True),
    ({"a": 1, "b": 3}, False),
    ({"all": [{"a": 1}, {"b": 2}]}, True),
    ({"all": [{"a": 1}, {"b": 3}]}, False),
    ({"any": [{"a": 2}, {"b": 2}]}, True),
    ({"any": [{"a": 2}, {"b": 3}]}, False),
    ({"any": {"a": 1}}, True),
    ({"none": [{"a": 2}, {"b": 3}]}, True),
    ({"none": [{"a": 2}, {"b": 2}]}, False),
    ({"none": {"a": 1}}, False),
    ({"any": [{"a": 1, "b": 3}, {"a": 2, "b": 2}]}, False),
    ({"a": 1, "any": [{"b": 5}, {"none": [{"all": [{"a": 1}, {"b": 5}]}]}]}, True),
    ({"m": {"any": [{"x": 1}, {"y": 1}]}}, True),
    ({"m": {"x": 1, "none": [{"y": 1}]}}, False),
    ({"any": [{"conditions": [{"type": "detected", "values": ["true"]}]}]}, True),
    ({"none": [{"conditions": [{"type": "detected", "values": ["true"]}]}]}, False),
]


@pytest.mark.parametrize(("condition", "expected"), NESTING, ids=[str(case[0]) for case in NESTING])
def test_nesting(condition: dict[str, Any], expected: bool) -> None:
    assert matches(condition, event(a=1, b=2, m={"x": 1, "y": 1}, detected=True)) is expected


FIELDS = [
    ({"field": "b"}, {"a": "x", "b": "x"}, True),
    ({"field": "b"}, {"a": "x", "b": "X"}, False),
    ({"field": "b", "ignore_case": True}, {"a": "x", "b": "X"}, True),
    ({"field": "b"}, {"a": 1, "b": 1.0}, True),
    ({"field": "b"}, {"a": 1, "b": True}, False),
    ({"field": "b"}, {"a": 1, "b": "1"}, False),
    ({"field": "b"}, {"a": ["x", "y"], "b": "y"}, True),
    ({"field": "b"}, {"a": ["x", "y"], "b": ["z", "y"]}, True),
    ({"field": "b"}, {"a": [1], "b": [True]}, False),
    ({"field": "b"}, {"a": [{}], "b": [{}]}, False),
    ({"field": "b"}, {"a": {}, "b": {}}, False),
    ({"field": "b"}, {}, False),
    ({"field": "b"}, {"a": None, "b": None}, False),
    ({"field": "actor_id"}, {"a": "u", "actor": {"id": "u"}}, True),
    ({"field": "event_time.hour"}, {"a": 12}, True),
    ({"field": "event_time.date"}, {"a": "2026-02-10"}, True),
]


@pytest.mark.parametrize(("written", "doc", "expected"), FIELDS, ids=str)
def test_field_against_field(written: dict[str, Any], doc: dict[str, Any], expected: bool) -> None:
    assert matches({"a": written}, event(**doc)) is expected


def test_a_part_of_the_time_against_a_field() -> None:
    assert matches({"event_time.hour": {"field": "a"}}, event(a=[7, 12]))
    assert not matches({"event_time.hour": {"field": "a"}}, event(a="12"))


TIMES = [
    ({"hour": {"between": [22, 6]}}, "UTC", "2026-02-10T22:00:00+00:00", True),
    ({"hour": {"between": [22, 6]}}, "UTC", "2026-02-10T06:59:59.999+00:00", True),
    ({"hour": {"between": [22, 6]}}, "UTC", "2026-02-10T07:00:00+00:00", False),
    ({"hour": {"between": [6, 22]}}, "UTC", "2026-02-10T22:59:59+00:00", True),
    ({"hour": 9}, "Asia/Kolkata", "2026-02-10T04:00:00+00:00", True),
    ({"minute": 30}, "Asia/Kolkata", "2026-02-10T04:00:00+00:00", True),
    ({"minute": {"between": [50, 10]}}, "UTC", "2026-02-10T04:05:00+00:00", True),
    ({"hour": 2}, "Europe/Berlin", "2026-03-29T00:59:59+00:00", False),  # the clocks go from 02:00 to 03:00
    ({"hour": 3}, "Europe/Berlin", "2026-03-29T01:00:00+00:00", True),
    ({"weekday": "tue"}, "UTC", "2026-02-10T00:00:00+00:00", True),
    ({"weekday": "Tuesday"}, "UTC", "2026-02-10T00:00:00+00:00", True),
    ({"weekday": 2}, "America/New_York", "2026-02-10T03:00:00+00:00", False),
    ({"weekday": {"between": ["fri", "mon"]}}, "UTC", "2026-02-08T12:00:00+00:00", True),
    ({"weekday": {"between": ["fri", "mon"]}}, "UTC", "2026-02-10T12:00:00+00:00", False),
    ({"weekday": {"in": ["sat", 7]}}, "UTC", "2026-02-08T12:00:00+00:00", True),
    ({"weekday": {"not": "sun"}}, "UTC", "2026-02-08T12:00:00+00:00", False),
    ({"date": "2026-02-11"}, "Asia/Shanghai", "2026-02-10T16:00:00+00:00", True),
    ({"date": {"between": ["2026-02-01", "2026-02-10"]}}, "UTC", "2026-02-10T23:59:59+00:00", True),
    ({"date": {"starts_with": "2026-02"}}, "UTC", "2026-02-28T23:59:59+00:00", True),
    ({"date": {"exists": True}}, "UTC", "2026-02-28T23:59:59+00:00", True),
    ({"hour": {"exists": False}}, "UTC", "2026-02-28T23:59:59+00:00", False),
]


@pytest.mark.parametrize(("written", "zone", "time", "expected"), TIMES, ids=str)
def test_parts_of_the_time(written: dict[str, Any], zone: str, time: str, expected: bool) -> None:
    assert matches({"event_time": written}, event(), ms(time), timezone=zone) is expected
    assert matches({"eventTime": written, "timezone": zone}, event(), ms(time)) is expected


def test_the_last_hours_of_9999_are_in_10000_east_of_greenwich() -> None:
    last = 253_402_300_799_999
    here = {"hour": 13, "minute": 59, "weekday": "sat"}
    assert matches({"event_time": here}, event(), last, timezone="Pacific/Kiritimati")
    assert matches({"event_time": {"date": {"starts_with": "10000-01-01"}}}, event(), last, timezone="Asia/Tokyo")


def test_the_time_itself_is_text() -> None:
    assert matches({"event_time": {"gte": "2026-02-10T12:00:00.000Z", "starts_with": "2026"}}, event())


LISTS = {"vip": ["alice", "Bob", 7, True]}


@pytest.mark.parametrize(
    ("written", "value", "expected"),
    [
        ({"in": {"list": "vip"}}, "alice", True),
        ({"in": {"list": "vip"}}, 7.0, True),
        ({"in": {"list": "vip"}}, 1, False),
        ({"in": {"list": "vip"}}, ["x", "Bob"], True),
        ({"in": {"list": "vip"}}, "bob", False),
        ({"in": {"list": "vip"}, "ignore_case": True}, "bob", True),
        ({"not_in": {"list": "vip"}}, "alice", False),
        ({"not_in": {"list": "vip"}}, "carol", True),
        ({"in": {"list": "unknown"}}, "alice", False),
        ({"not_in": {"list": "unknown"}}, "alice", True),
    ],
    ids=str,
)
def test_named_lists(written: dict[str, Any], value: Any, expected: bool) -> None:
    assert compiled({"a": written}, lists=LISTS).matches(event(a=value), NOON) is expected
