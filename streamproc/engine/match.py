"""`match(event, rules) -> hits`: which rules an event satisfies, and for which groups.

Stateless and pure but for a bounded memory of fingerprints, which only saves hashing.
"""

from __future__ import annotations

from streamproc.alerting.fingerprint import fingerprint
from streamproc.model.event import Event
from streamproc.model.hit import MAX_AHEAD_MS, Hit
from streamproc.rules import RuleIndex

MAX_REMEMBERED = 100_000


class Matcher:
    """Matches events against one rule index. `no_group` counts hits dropped because a group value was absent."""

    __slots__ = ("_fingerprints", "no_group", "rules")

    def __init__(self, rules: RuleIndex) -> None:
        self.rules = rules
        self.no_group = 0
        self._fingerprints: dict[tuple[object, ...], bytes] = {}

    def use(self, rules: RuleIndex) -> None:
        """Match against another index from now on; fingerprints do not depend on it."""
        self.rules = rules

    def match(self, event: Event, place: int, into: list[Hit]) -> None:
        """Append the event's hits: one per matching rule and group, rules in the index's order.

        `place` is as `model.hit` says.
        """
        doc, tenant = event.doc, event.tenant
        for rule in self.rules.candidates(tenant, doc):
            if not rule.matches(doc, event.time):
                continue
            groups = rule.groups(doc)
            if not groups:
                self.no_group += 1
                continue
            value = None
            if rule.distinct is not None:
                value = rule.distinct(doc)
                if value is None:
                    self.no_group += 1
                    continue
            t = event.time if event.time <= event.arrival + MAX_AHEAD_MS else event.arrival + MAX_AHEAD_MS
            for group in groups:
                key = (tenant, rule.owner, rule.id, group, *map(type, group))
                fp = self._fingerprints.get(key)
                if fp is None:
                    fp = self._remember(key, tenant, rule.owner, rule.id, group)
                into.append((rule, fp, group, t, event.arrival, place, event.id, value, event.raw))

    def _remember(
        self,
        key: tuple[object, ...],
        tenant: str,
        owner: str,
        rule_id: str,
        group: tuple[str | int | float | bool, ...],
    ) -> bytes:
        if len(self._fingerprints) >= MAX_REMEMBERED:
            self._fingerprints.clear()
        fp = self._fingerprints[key] = fingerprint(tenant, owner, rule_id, group)
        return fp
