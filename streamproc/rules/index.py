"""Which rules could match an event, found by dictionary look-ups and not by trying them.

Per tenant: by the literal `action` (one or several), by a prefix or suffix of it (`data.*`, `*.delete`), else by
another literal field; only what has no such handle is always tried. What was found for an action is remembered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from streamproc.model.condition import AllOf, Filter, Op, Path, Test
from streamproc.model.rule import EVERY_TENANT
from streamproc.rules.compile import CompiledRule
from streamproc.rules.fields import getter

Document = dict[str, Any]
Rules = tuple[CompiledRule, ...]

_ACTION: Path = ("action",)
MAX_REMEMBERED = 10_000


class TenantIndex:
    """The rules of one owner. `candidates` answers a superset of those that match, each once."""

    __slots__ = ("_always", "_by_action", "_by_field", "_by_prefix", "_by_suffix", "_order", "_remembered", "by_id")

    def __init__(self, rules: Iterable[CompiledRule]) -> None:
        self.by_id: dict[str, CompiledRule] = {rule.id: rule for rule in rules}
        self._order = {id(rule): place for place, rule in enumerate(self.by_id.values())}
        self._always: list[CompiledRule] = []
        self._by_action: dict[str, list[CompiledRule]] = {}
        self._by_prefix: dict[int, dict[str, list[CompiledRule]]] = {}
        self._by_suffix: dict[int, dict[str, list[CompiledRule]]] = {}
        fields: dict[Path, dict[str, list[CompiledRule]]] = {}
        for rule in self.by_id.values():
            self._place(rule, fields)
        self._by_field: list[tuple[Callable[[Document], Any], dict[str, list[CompiledRule]]]] = [
            (getter(path), values) for path, values in fields.items()
        ]
        self._remembered: dict[str, Rules] = {}

    def _place(self, rule: CompiledRule, fields: dict[Path, dict[str, list[CompiledRule]]]) -> None:
        tests = _required(rule.rule.condition.filter)
        for test in tests:
            if test.path == _ACTION:
                texts = _literals(test)
                if texts is not None:
                    for text in texts:
                        self._by_action.setdefault(text, []).append(rule)
                    return
                affix = _affix(test)
                if affix is not None:
                    text, at_start = affix
                    table = self._by_prefix if at_start else self._by_suffix
                    table.setdefault(len(text), {}).setdefault(text, []).append(rule)
                    return
        best: tuple[int, Path, frozenset[str]] | None = None
        for test in tests:
            texts = _literals(test)
            # The deepest path is the most telling: raw.requestParameters.x says more than outcome.
            if texts is not None and (best is None or len(test.path) > best[0]):
                best = (len(test.path), test.path, texts)
        if best is None:
            self._always.append(rule)
            return
        for text in best[2]:
            fields.setdefault(best[1], {}).setdefault(text, []).append(rule)

    def candidates(self, doc: Document) -> Rules:
        """In the order of the rules."""
        action = doc["action"]
        found = self._remembered.get(action)
        if found is None:
            found = self._for_action(action)
        if not self._by_field:
            return found
        more: dict[int, CompiledRule] = {}
        for get, values in self._by_field:
            value = get(doc)
            if type(value) is str:
                for rule in values.get(value, ()):
                    more[id(rule)] = rule
            elif type(value) is list:
                for item in value:
                    if type(item) is str:
                        for rule in values.get(item, ()):
                            more[id(rule)] = rule
        return self._ordered([*found, *more.values()]) if more else found

    def _for_action(self, action: str) -> Rules:
        rules = [*self._always, *self._by_action.get(action, ())]
        for length, prefixes in self._by_prefix.items():
            rules += prefixes.get(action[:length], ())
        for length, suffixes in self._by_suffix.items():
            if length <= len(action):
                rules += suffixes.get(action[len(action) - length :], ())
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        found = self._remembered[action] = self._ordered(rules)
        return found

    def _ordered(self, rules: Iterable[CompiledRule]) -> Rules:
        return tuple(sorted(rules, key=lambda rule: self._order[id(rule)]))


class RuleIndex:
    """The rules of all owners; immutable. `*`'s hold for every tenant."""

    __slots__ = ("_every", "_owners")
    empty: ClassVar[RuleIndex]

    def __init__(self, owners: Mapping[str, TenantIndex]) -> None:
        self._owners = owners
        self._every = owners.get(EVERY_TENANT)

    def with_tenant(self, owner: str, rules: Sequence[CompiledRule]) -> RuleIndex:
        """A new index in which these are the owner's rules; all other owners' are shared."""
        return self.with_tenants({owner: rules})

    def with_tenants(self, changed: Mapping[str, Sequence[CompiledRule]]) -> RuleIndex:
        """`with_tenant` for several owners at once."""
        owners = {owner: index for owner, index in self._owners.items() if owner not in changed}
        owners |= {owner: TenantIndex(rules) for owner, rules in changed.items() if rules}
        return RuleIndex(owners)

    def candidates(self, tenant: str, doc: Document) -> Rules:
        """The rules that might match an event of the tenant: those for every tenant, then its own."""
        own = self._owners.get(tenant)
        if own is None:
            return () if self._every is None else self._every.candidates(doc)
        if self._every is None:
            return own.candidates(doc)
        return self._every.candidates(doc) + own.candidates(doc)

    def get(self, owner: str, rule_id: str) -> CompiledRule | None:
        """The owner's rule of that id."""
        index = self._owners.get(owner)
        return None if index is None else index.by_id.get(rule_id)

    def __len__(self) -> int:
        return sum(len(index.by_id) for index in self._owners.values())


RuleIndex.empty = RuleIndex({})


def _required(tree: Filter) -> list[Test]:
    """Tests that hold whenever the filter does."""
    if isinstance(tree, Test):
        return [tree]
    if isinstance(tree, AllOf):
        return [test for part in tree.parts for test in _required(part)]
    return []


def _literals(test: Test) -> frozenset[str] | None:
    """The texts of which the field must have one; None when the test does not say."""
    if test.ignore_case or test.path[0] == "event_time":
        return None
    if test.op is Op.EQ and type(test.value) is str:
        return frozenset({test.value})
    if test.op is Op.IN and isinstance(test.value, tuple) and all(type(v) is str for v in test.value):
        return frozenset(test.value)
    return None


def _affix(test: Test) -> tuple[str, bool] | None:
    """The text that the action must start (True) or end (False) with."""
    if test.ignore_case:
        return None
    if test.op is Op.STARTS_WITH:
        return test.value, True
    if test.op is Op.ENDS_WITH:
        return test.value, False
    if test.op is Op.MATCHES:
        head = test.value.partition("*")[0].partition("?")[0]
        if head:
            return head, True
        tail = test.value.rpartition("*")[2].rpartition("?")[2]
        if tail:
            return tail, False
    return None
