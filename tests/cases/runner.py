"""Reads cases (rules, events, what is expected) and compares what a player makes of them.

The forms of events and expectations are those of the tests in rules, plus `ten` for an event's tenant. Expectations
are in order of creation, and may name anything that an alert has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import yaml

from streamproc.backtest.rule_tests import A_TENANT, differences, play, spread
from streamproc.model.times import iso
from streamproc.rules import compile_rule, parse_rule
from streamproc.sources.decode import Decoder

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
        for at, fields in spread(short):
            tenant = fields.get("ten", A_TENANT)
            named = {"id": f"e{len(events) + 1}", "tenant_id": tenant, "event_time": iso(at)}
            events.append({**named, **{name: value for name, value in fields.items() if name != "ten"}})
    return events


def check(case: dict[str, Any], play: Player) -> None:
    """Play a case and compare; an expectation lists only the fields it fixes."""
    alerts = play(case["rules"], events_of(case))
    pairs = zip(case["expect"], alerts, strict=False)
    found = [found for wanted, alert in pairs if (found := list(differences(wanted, alert)))]
    assert found == [], f"{case['name']}: (field, wanted, found) {found}"
    assert len(alerts) == len(case["expect"]), [alert["rule"]["id"] for alert in alerts]


def in_backtest(rules: list[dict[str, Any]], events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Plays a case in the backtest."""
    compiled = [compile_rule(parse_rule(doc, default_tenant=A_TENANT), 1) for doc in rules]
    decoder = Decoder("cases")
    return play(
        compiled, [one for n, doc in enumerate(events) for one in decoder.decode(orjson.dumps(doc), 0, n, None)]
    )


def waits(case: dict[str, Any]) -> bool:
    """Whether time alone makes something of the case: live, that needs a clock that is driven."""
    return any(
        rule.get("type") == "absence"
        or "schedule" in rule.get("condition", {})
        or rule.get("thresholdType") == "CRON"
        or rule.get("auto_resolve") == "when_clear"
        or "auto_resolve_after" in rule
        for rule in case["rules"]
    )


def in_order(case: dict[str, Any]) -> Callable[[dict[str, Any]], tuple[str, int]]:
    """A sort key that puts alerts in the order in which a backtest creates them: by their trigger, then by rule."""
    rules = [rule["id"] for rule in case["rules"]]
    return lambda alert: (alert["triggered_at"], rules.index(alert["rule"]["id"]))
