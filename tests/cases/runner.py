"""Reads cases (rules, events, what is expected) and compares what a player makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import yaml

from streamproc.backtest.replay import backtest
from streamproc.model.times import iso
from streamproc.rules import RuleIndex, compile_rule, parse_rule
from streamproc.sources.decode import Decoder

BASE_MS = 1_770_724_800_000
"""2026-02-10T12:00:00Z, a Tuesday."""

Player = Callable[[list[dict[str, Any]], list[dict[str, Any]]], list[dict[str, Any]]]
"""(rules, events in order of arrival) → alert records in order of creation."""


def cases(*paths: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, case) of each case in some files."""
    for path in paths:
        for case in yaml.safe_load(path.read_text()):
            yield f"{path.stem}: {case['name']}", case


def events_of(case: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of a case as documents, in the order in which they arrive."""
    events: list[dict[str, Any]] = []
    for short in case["events"]:
        fields = dict(short)
        t, times, every = fields.pop("t"), fields.pop("x", 1), fields.pop("every", 0)
        tenant, id_ = fields.pop("ten", "acme"), fields.pop("id", None)
        for n in range(times):
            at = round(BASE_MS + (t + n * every) * 1000)
            named = {"id": id_ or f"e{len(events) + 1}", "tenant_id": tenant, "event_time": iso(at)}
            events.append({**named, **fields})
    return events


def check(case: dict[str, Any], play: Player) -> None:
    """Play a case and compare; an expectation lists only the fields it fixes."""
    alerts = play(case["rules"], events_of(case))
    found = [[_field(alert, name) for name in wanted] for alert, wanted in zip(alerts, case["expect"], strict=False)]
    assert found == [list(wanted.values()) for wanted in case["expect"]]
    assert len(alerts) == len(case["expect"]), [alert["rule"]["id"] for alert in alerts]


def _field(alert: dict[str, Any], name: str) -> Any:
    if name == "rule_id":
        return alert["rule"]["id"]
    if name == "trigger_event":
        return alert["event"]["id"]
    if name.startswith("context."):
        return alert["context"][name.removeprefix("context.")]
    return alert[name]


def in_backtest(rules: list[dict[str, Any]], events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Plays a case in the backtest."""
    owners: dict[str, list[Any]] = {}
    for doc in rules:
        rule = parse_rule(doc, default_tenant="acme")
        owners.setdefault(rule.tenant_id, []).append(compile_rule(rule, 1))
    decoder = Decoder("cases")
    decoded = [one for n, doc in enumerate(events) for one in decoder.decode(orjson.dumps(doc), 0, n, None)]
    return list(backtest(RuleIndex.empty.with_tenants(owners), decoded).alerts.values())
