"""Which alert keeps another quiet: while a source is active, its targets are, where the `equal` fields agree. Pure.

The rules stand in policies: those of the policy that a target goes by are asked, and any alert of the tenant may be
the source.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from streamproc.alerting.matching import matches, values_at
from streamproc.model.policy import Inhibition

Alert = Mapping[str, Any]
ACTIVE = ("open", "acknowledged", "escalated", "suppressed")
"""Statuses of a source: one that is silenced, or being worked on, is still going on."""


@dataclass(frozen=True, slots=True)
class Inhibited:
    """Why an alert is quiet: `rule` is its place in the policy."""

    rule: int
    inhibition: Inhibition
    source_id: str


def inhibited(alert: Alert, rules: Iterable[Inhibition], others: Iterable[Alert]) -> Inhibited | None:
    """What keeps `alert` quiet among `others`, the tenant's alerts: by the first rule, and of its sources the least id.

    No alert inhibits itself, and an alert that matches both sides of a rule is not inhibited by one that does too,
    or they would silence each other. A field of `equal` that is absent in either equals nothing.
    """
    candidates = [one for one in others if one.get("status") in ACTIVE and one.get("id") != alert.get("id")]
    candidates = [one for one in candidates if one.get("tenant_id") == alert.get("tenant_id")]
    for place, rule in enumerate(rules):
        if not matches(rule.target, alert):
            continue
        both = matches(rule.source, alert)
        sources = [
            str(one["id"])
            for one in candidates
            if matches(rule.source, one) and not (both and matches(rule.target, one)) and _agree(rule, alert, one)
        ]
        if sources:
            return Inhibited(place, rule, min(sources))
    return None


def _agree(rule: Inhibition, one: Alert, other: Alert) -> bool:
    return all(_key(one, path) == _key(other, path) != [] for path in rule.equal)


def _key(alert: Alert, path: str) -> list[tuple[type, Any]]:
    """With types, so that true is not 1; whole numbers equal those with a point."""
    found = values_at(alert, tuple(path.split(".")))
    return [(bool if isinstance(value, bool) else object, value) for value in found]
