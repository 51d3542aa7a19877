"""The rules that are measured: each the document that is applied, and the plain Python that the oracle counts by."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from streamproc.bench.draw import LOGIN, Draw, actor_id, address_text, role

EVERYONE = "*"
HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class CountingRule:
    """A threshold: `count` events that match, of one group, in a window. `filter` and `matches` say the same."""

    id: str
    filter: dict[str, Any]
    matches: Callable[[Draw], bool]
    group_by: str
    group: Callable[[Draw], str]
    count: int
    window_ms: int
    fixed: bool = False

    def document(self, tenant: str = EVERYONE) -> dict[str, Any]:
        """As `streamproc config apply` takes it."""
        return {
            "kind": "rule",
            "tenant_id": tenant,
            "id": self.id,
            "name": self.id.replace("-", " ").capitalize(),
            "type": "threshold",
            "severity": "high",
            "condition": {
                **self.filter,
                "count": self.count,
                "window_seconds": self.window_ms // 1000,
                "window_type": "fixed" if self.fixed else "rolling",
                "group_by": self.group_by,
            },
        }


def keys_rule(condition: dict[str, Any]) -> dict[str, Any]:
    """The document of a threshold for everybody that is there for the keys it has, not for its alerts."""
    return {
        "kind": "rule",
        "tenant_id": EVERYONE,
        "id": "keys",
        "name": "Keys",
        "type": "threshold",
        "condition": condition,
    }


def _by_actor(draw: Draw) -> str:
    return actor_id(draw.actor)


def _by_address(draw: Draw) -> str:
    return address_text(draw.address)


BRUTE_FORCE = CountingRule(
    id="brute-force",
    filter={"action": LOGIN, "outcome": "failure"},
    matches=lambda d: d.action == LOGIN and d.outcome == "failure",
    group_by="actor.ip",
    group=_by_address,
    count=10,
    window_ms=60_000,
)
"""W1."""

BUSY_HOUR = CountingRule(
    id="busy-hour",
    filter={},
    matches=lambda d: True,
    group_by="actor.id",
    group=_by_actor,
    count=12,
    window_ms=HOUR_MS,
    fixed=True,
)
"""W2: every event counts; an actor has 3.6 an hour on average, and twelve in a burst."""


def _denied(rule_id: str, action: str, count: int) -> CountingRule:
    return CountingRule(
        id=rule_id,
        filter={"action": action, "outcome": "denied"},
        matches=lambda d: d.action == action and d.outcome == "denied",
        group_by="actor.id",
        group=_by_actor,
        count=count,
        window_ms=10 * 60_000,
    )


TEN: tuple[CountingRule, ...] = (
    BRUTE_FORCE,
    _denied("denied-grants", "role.grant", 2),
    _denied("denied-keys", "api_key.create", 2),
    _denied("denied-deletions", "document.delete", 2),
    CountingRule(
        id="service-settings",
        filter={
            "action": "settings.update",
            "metadata.actor_role": "service",
            "outcome": {"in": ["failure", "denied"]},
        },
        matches=lambda d: (
            d.action == "settings.update" and role(d.actor) == "service" and d.outcome in ("failure", "denied")
        ),
        group_by="actor.id",
        group=_by_actor,
        count=2,
        window_ms=5 * 60_000,
    ),
    CountingRule(
        id="large-exports",
        filter={"action": {"matches": "report.*"}, "metadata.affected_count": {"gte": 49}},
        matches=lambda d: d.action.startswith("report.") and d.affected >= 49,
        group_by="actor.id",
        group=_by_actor,
        count=2,
        window_ms=5 * 60_000,
    ),
    CountingRule(
        id="refused-documents",
        filter={"action": {"starts_with": "document."}, "outcome": "denied", "metadata.actor_role": "viewer"},
        matches=lambda d: d.action.startswith("document.") and d.outcome == "denied" and role(d.actor) == "viewer",
        group_by="actor.ip",
        group=_by_address,
        count=2,
        window_ms=5 * 60_000,
    ),
    # The last three are of actions that never come, as most rules of an installation mostly are.
    *(
        CountingRule(
            id=f"never-{action.replace('.', '-').replace('_', '-')}",
            filter={"action": action},
            matches=lambda d: False,
            group_by="actor.id",
            group=_by_actor,
            count=1,
            window_ms=60_000,
        )
        for action in ("workspace.delete", "mfa.disable", "audit_log.stop")
    ),
)
"""Ten rules whose hits are few, so that what they cost is the looking for them."""


def documents(rules: Iterable[CountingRule], tenants: Iterable[str]) -> list[dict[str, Any]]:
    """A copy of each rule for each tenant."""
    chosen = list(rules)
    return [rule.document(tenant) for tenant in tenants for rule in chosen]
