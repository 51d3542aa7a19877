"""`match(event, rules) -> hits`: which rules an event satisfies, and for which groups.

Stateless and pure but for a bounded memory of fingerprints, which only saves hashing.
"""

from __future__ import annotations

from streamproc.alerting.fingerprint import fingerprint
from streamproc.engine.frame import RuleRef
from streamproc.engine.veil import Veil
from streamproc.model.event import Event
from streamproc.model.hit import MAX_AHEAD_MS, Hit
from streamproc.rules import CompiledRule, RuleIndex
from streamproc.sources.redact import Redactor

MAX_REMEMBERED = 100_000


class Matcher:
    """Matches events against one rule index. `no_group` counts hits dropped because a group value was absent.

    A hit names its rule by a number; `ref` says which it is, until the next `use`. Rules see the whole event; with a
    `redactor` hits have nothing of the fields that it takes out.
    """

    __slots__ = (
        "_fingerprints",
        "_numbers",
        "_redactor",
        "_refs",
        "_remembered",
        "_tallies",
        "_veils",
        "no_group",
        "rules",
    )

    def __init__(self, rules: RuleIndex, redactor: Redactor | None = None) -> None:
        self.rules = rules
        self._redactor = redactor
        self._veils: list[Veil | None] = []  # by number
        self.no_group = 0
        self._fingerprints: list[dict[tuple[object, ...], bytes]] = []  # by number
        self._remembered = 0
        self._numbers: dict[tuple[int, str], int] = {}
        self._refs: list[tuple[RuleRef, CompiledRule]] = []
        self._tallies: dict[tuple[int, bytes], Hit] = {}

    def use(self, rules: RuleIndex) -> None:
        """Match against another index from now on."""
        if rules is not self.rules:
            self.rules = rules
            self._fingerprints.clear()
            self._numbers.clear()
            self._refs.clear()
            self._veils.clear()
            self._remembered = 0

    def ref(self, number: int) -> RuleRef:
        """What the first place of a hit stands for."""
        return self._refs[number][0]

    def match(self, event: Event, place: int, into: list[Hit]) -> None:
        """Append the event's hits: one per matching rule and group, rules in the index's order.

        `place` is as `model.hit` says. What only counts is kept for `tallies`.
        """
        doc, tenant = event.doc, event.tenant
        raw: bytes | None = None
        for rule in self.rules.candidates(tenant, doc):
            if not rule.matches(doc, event.time):
                continue
            groups = rule.groups(doc)
            if not groups:
                self.no_group += 1
                continue
            value = None
            if rule.observe is not None:
                value = rule.observe(doc, event.time)
                if value is None:
                    self.no_group += 1
                    continue
            number = self._numbers.get((id(rule), tenant))
            if number is None:
                number = self._number(rule, tenant)
            latest = event.arrival + MAX_AHEAD_MS
            t = event.time if event.time <= latest else latest
            known = self._fingerprints[number]
            if raw is None:
                raw = event.raw if self._redactor is None else self._redactor.document(event.raw, doc)
            veil = self._veils[number]
            if veil is not None:
                groups, value = [veil.group(group) for group in groups], veil.observed(value)
            for group in groups:
                # Text is its own key; of other values the type is part of it, as True, 1 and 1.0 are equal keys.
                plain = len(group) == 1 and type(group[0]) is str
                key = group if plain else (group, *map(type, group))
                fp = known.get(key)
                if fp is None:
                    fp = self._remember(known, key, fingerprint(tenant, rule.owner, rule.id, group))
                if rule.tally:
                    before = self._tallies.get((number, fp))
                    counted: list[int] = [] if before is None else before[7]
                    counted += (place, t)
                    self._tallies[number, fp] = (number, fp, group, t, event.arrival, place, "", counted, raw)
                else:
                    into.append((number, fp, group, t, event.arrival, place, event.id, value, raw))

    def tallies(self, into: list[Hit]) -> None:
        """Append what was counted since the last call: a tally for each key. Call it before `use`, and once a batch.

        Places of a key must not go back from one call to the next.
        """
        if self._tallies:
            into += self._tallies.values()
            self._tallies.clear()

    def _number(self, rule: CompiledRule, tenant: str) -> int:
        number = self._numbers[(id(rule), tenant)] = len(self._refs)
        # The rule is kept beside its reference so that its id() stays its own.
        self._fingerprints.append({})
        veil = None if self._redactor is None else Veil(rule, self._redactor)
        self._veils.append(veil if veil is not None and veil.needed else None)
        self._refs.append((RuleRef(rule.owner, rule.id, rule.revision, rule.counting_hash, tenant), rule))
        return number

    def _remember(self, known: dict[tuple[object, ...], bytes], key: tuple[object, ...], fp: bytes) -> bytes:
        if self._remembered >= MAX_REMEMBERED:
            for one in self._fingerprints:
                one.clear()
            self._remembered = 0
        self._remembered += 1
        known[key] = fp
        return fp
