"""Tests that stand in a rule (CONTRACT "Rule", `tests`): read, checked, and run in the backtest.

Each test has fresh state, and its events arrive in the order in which they are written, also those of an earlier
time. Time is written as `t`: seconds after `BASE_MS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from streamproc.backtest.replay import backtest
from streamproc.model.event import Event, EventError
from streamproc.model.rule import EVERY_TENANT, Rule, Severity
from streamproc.model.times import iso
from streamproc.rules import CompiledRule, RuleIndex, compile_rule
from streamproc.rules.problems import Problems
from streamproc.sources.decode import Decoder
from streamproc.sources.registry import CANONICAL, FORMATS, unknown_format

BASE_MS = 1_770_724_800_000
"""2026-02-10T12:00:00Z, a Tuesday."""
A_TENANT = "acme"
"""Whose the events are when neither they nor the rule say."""
MAX_EVENTS = 100_000
MAX_EXPECTED = 200
SPREAD = ("t", "x", "every")
"""Seconds after the base, how many such events, and how many seconds apart: what an event of a test has beside its
own fields."""
TEST_FIELDS = ("name", "format", "events", "expect", "lists")

Checked = Callable[[Any], str | None]
"""What a value should have been, None when it is that."""


@dataclass(frozen=True, slots=True)
class _Native:
    """Where records of a format carry their time and their id, for tests that leave them out."""

    time: str
    id: str
    milliseconds: bool = False


NATIVE: Mapping[str, _Native] = {
    "cloudtrail": _Native("eventTime", "eventID"),
    "actiontrail": _Native("eventTime", "eventId"),
    "github": _Native("@timestamp", "_document_id", milliseconds=True),
    "kubernetes": _Native("stageTimestamp", "auditID"),
    "okta": _Native("published", "uuid"),
    "gcp": _Native("timestamp", "insertId"),
    "m365": _Native("CreationTime", "Id"),
}


@dataclass(frozen=True, slots=True)
class RuleTest:
    """One test, ready to run. `path` is its place in the rule: `tests[0]`."""

    name: str
    path: str
    events: tuple[Event, ...]
    expect: tuple[Mapping[str, Any], ...]
    lists: Mapping[str, Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a test came to. `missing`: expected and not there; `unexpected`: alert records there and not expected."""

    test: RuleTest
    alerts: tuple[dict[str, Any], ...]
    missing: tuple[Mapping[str, Any], ...]
    unexpected: tuple[dict[str, Any], ...]

    @property
    def passed(self) -> bool:
        """Whether the alerts are exactly those that were expected."""
        return not self.missing and not self.unexpected


def read_tests(rule: Rule) -> list[RuleTest]:
    """The tests of a rule, in their order. Raises RuleError with everything that is wrong in them."""
    problems = Problems()
    tests = [_read(rule, written, f"tests[{place}]", problems) for place, written in enumerate(rule.tests)]
    problems.check()
    return tests


def run(rule: Rule, test: RuleTest, lists: Mapping[str, Sequence[Any]] | None = None) -> Outcome:
    """Run one test. `lists` are the tenant's named lists, which the test's own override.

    A disabled rule is run as if it were enabled.
    """
    enabled = rule if rule.enabled else rule.model_copy(update={"enabled": True})
    compiled = compile_rule(enabled, 1, {**(lists or {}), **test.lists})
    alerts = play([compiled], test.events)
    pairs = _matching(test.expect, alerts)
    return Outcome(
        test,
        tuple(alerts),
        tuple(wanted for place, wanted in enumerate(test.expect) if place not in pairs),
        tuple(alert for place, alert in enumerate(alerts) if place not in pairs.values()),
    )


def play(rules: Sequence[CompiledRule], events: Sequence[Event]) -> list[dict[str, Any]]:
    """The alerts that rules make of events that arrive in this order: the last record of each, as they opened."""
    owners: dict[str, list[CompiledRule]] = {}
    for rule in rules:
        owners.setdefault(rule.owner, []).append(rule)
    return list(backtest(RuleIndex.empty.with_tenants(owners), events).alerts.values())


def spread(short: Mapping[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    """(time in ms, fields) of each event that a short form `{t, x, every, …}` stands for."""
    fields = {name: value for name, value in short.items() if name not in SPREAD}
    t, times, every = short.get("t", 0), short.get("x", 1), short.get("every", 0)
    for n in range(times):
        yield round(BASE_MS + (t + n * every) * 1000), fields


def differences(expected: Mapping[str, Any], alert: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """(name, expected, found) of what an alert has otherwise; an expectation fixes only what it names."""
    for name, wanted in expected.items():
        found = field_of(alert, name)
        if not _same(wanted, found):
            yield name, wanted, found


def field_of(alert: Mapping[str, Any], name: str) -> Any:
    """What an expectation calls `name`, of an alert record."""
    match name:
        case "rule_id":
            return alert["rule"]["id"]
        case "count":
            return alert["context"].get("count")
        case "trigger_event":
            return None if alert["event"] is None else alert["event"]["id"]
        case _ if name.startswith("context."):
            return alert["context"].get(name.removeprefix("context."))
        case _:
            return alert[name]


def _same(wanted: Any, found: Any) -> bool:
    if isinstance(wanted, dict) and isinstance(found, dict):
        return wanted.keys() == found.keys() and all(_same(value, found[name]) for name, value in wanted.items())
    return isinstance(wanted, bool) is isinstance(found, bool) and bool(wanted == found)


def _matching(expect: Sequence[Mapping[str, Any]], alerts: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """Places of expectations → places of alerts: as many pairs as there can be, each alert in one at most.

    An expectation may fit several alerts, so that one that is taken already is moved on where possible
    (augmenting paths).
    """
    fits = [
        [place for place, alert in enumerate(alerts) if next(differences(wanted, alert), None) is None]
        for wanted in expect
    ]
    taken: dict[int, int] = {}

    def place(wanted: int, tried: set[int]) -> bool:
        for alert in fits[wanted]:
            if alert not in tried:
                tried.add(alert)
                if alert not in taken or place(taken[alert], tried):
                    taken[alert] = wanted
                    return True
        return False

    for wanted in range(len(expect)):
        place(wanted, set())
    return {wanted: alert for alert, wanted in taken.items()}


def _read(rule: Rule, written: Mapping[str, Any], path: str, problems: Problems) -> RuleTest:
    for name in written:
        if name not in TEST_FIELDS:
            problems.unknown(f"{path}.{name}", name, TEST_FIELDS)
    name = written.get("name", f"test {path.removeprefix('tests[').removesuffix(']')}")
    if not isinstance(name, str) or not name:
        problems.value(f"{path}.name", name, "text")
    format = written.get("format", CANONICAL)
    if format not in FORMATS:
        problems.add(f"{path}.format", unknown_format(str(format)))
        format = None
    lists = written.get("lists", {})
    if not isinstance(lists, dict) or not all(isinstance(values, list) for values in lists.values()):
        problems.value(f"{path}.lists", lists, "a map of names to lists of values")
        lists = {}
    events = _list(written, "events", path, MAX_EVENTS, problems)
    expect = _list(written, "expect", path, MAX_EXPECTED, problems)
    decoded = () if format is None else tuple(_events(rule, events, format, f"{path}.events", problems))
    checked = [_expected(one, f"{path}.expect[{place}]", problems) for place, one in enumerate(expect)]
    return RuleTest(str(name), path, decoded, tuple(checked), lists)


def _list(written: Mapping[str, Any], name: str, path: str, most: int, problems: Problems) -> list[Any]:
    found = written.get(name)
    if found is None:
        none = "; [] is no alert" if name == "expect" else ""
        problems.add(f"{path}.{name}", f"is required: a list{none}")
        return []
    if not isinstance(found, list | tuple) or len(found) > most:
        problems.value(f"{path}.{name}", found, f"a list of at most {most}")
        return []
    return list(found)


def _events(rule: Rule, written: Sequence[Any], format: str, path: str, problems: Problems) -> Iterator[Event]:
    tenant = A_TENANT if rule.tenant_id == EVERY_TENANT else rule.tenant_id
    decoder = Decoder("test", format, None if format == CANONICAL else tenant)
    number = 0
    for place, one in enumerate(written):
        where = f"{path}[{place}]"
        if not _spread_is_right(one, where, problems):
            continue
        for at, fields in spread(one):
            number += 1
            if number > MAX_EVENTS:
                problems.add(path, f"are more than {MAX_EVENTS}")
                return
            if format == CANONICAL:
                document = {"id": f"e{number}", "event_time": iso(at), **_with_tenant(fields, tenant)}
            else:
                document = _native(one, fields, number, at, NATIVE.get(format))
            try:
                events = decoder.decode(orjson.dumps(document), 0, number, at)
            except EventError as error:
                field, _, message = error.message.partition(": ")
                problems.add(f"{where}.{field}", message)
                break
            if format != CANONICAL and len(events) == 1 and not _has_id(one, NATIVE.get(format)):
                _rename(events[0], f"e{number}")
            yield from events


def _has_id(short: Mapping[str, Any], native: _Native | None) -> bool:
    return native is not None and native.id in short and "x" not in short


def _rename(event: Event, id: str) -> None:
    """Some mappers make ids of several fields; a test should not need to know how."""
    event.id = event.doc["id"] = id
    event.written = None


def _with_tenant(fields: dict[str, Any], tenant: str) -> dict[str, Any]:
    named = not fields.keys().isdisjoint(("tenant_id", "tenantId", "workspace_id", "workspaceId"))
    return fields if named else {"tenant_id": tenant, **fields}


def _native(
    short: Mapping[str, Any], fields: dict[str, Any], number: int, at: int, native: _Native | None
) -> dict[str, Any]:
    """The record, with a time and an id. `t` and `x` go before the time and the id that the record came with."""
    if native is None:
        return fields
    time = at if native.milliseconds else iso(at)
    made = {native.id: f"e{number}", native.time: time, **fields}
    if "t" in short:
        made[native.time] = time
    if "x" in short:
        made[native.id] = f"e{number}"
    return made


def _spread_is_right(one: Any, where: str, problems: Problems) -> bool:
    if not isinstance(one, dict):
        problems.value(where, one, "an event: a map of fields")
        return False
    before = len(problems.found)
    for name, expected, right in (
        ("t", "a number of seconds after the start", lambda value: -(10**10) <= value <= 10**10),
        ("x", f"a whole number from 1 to {MAX_EVENTS}", lambda value: type(value) is int and 1 <= value <= MAX_EVENTS),
        ("every", "a number of seconds, 0 or more", lambda value: 0 <= value <= 10**9),
    ):
        value = one.get(name, 1)
        if type(value) not in (int, float) or not right(value):
            problems.value(f"{where}.{name}", value, expected)
    if "t" in one and "event_time" in one:
        problems.add(f"{where}.event_time", "is given beside t; keep one of them")
    if one.get("x", 1) != 1 and ("id" in one or "event_time" in one):
        problems.add(f"{where}.x", "repeats an event, so that it can have no id and no event_time of its own")
    return len(problems.found) == before


def _expected(written: Any, path: str, problems: Problems) -> Mapping[str, Any]:
    if not isinstance(written, dict):
        problems.value(path, written, f"an alert: a map of {', '.join(EXPECTED)}")
        return {}
    for name, value in written.items():
        check = EXPECTED.get(name)
        if check is None:
            problems.unknown(f"{path}.{name}", str(name), tuple(EXPECTED))
        elif (expected := check(value)) is not None:
            problems.value(f"{path}.{name}", value, expected)
    return written


def _number(value: Any) -> str | None:
    return None if type(value) is int and value >= 1 else "a whole number, at least 1"


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) else "text"


def _text_or_null(value: Any) -> str | None:
    return None if value is None or isinstance(value, str) else "an event's id (e1 is the first), or null"


def _map(value: Any) -> str | None:
    return None if isinstance(value, dict) else "a map of the paths of group_by to values"


def _truth(value: Any) -> str | None:
    return None if isinstance(value, bool) else "true or false"


def _one_of(*choices: str) -> Checked:
    return lambda value: None if value in choices else f"one of {', '.join(choices)}"


EXPECTED: Mapping[str, Checked] = {
    "group": _map,
    "count": _number,
    "trigger_count": _number,
    "trigger_event": _text_or_null,
    "severity": _one_of(*Severity),
    "title": _text,
    "reason": _text,
    "description": _text,
    "status": _one_of("open", "resolved"),
    "late": _truth,
    "tenant_id": _text,
}
"""What an expectation may fix of an alert; `count` is that of its `context`, `trigger_event` the id of its event."""
