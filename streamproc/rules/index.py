"""Which rules could match an event, found by dictionary look-ups and not by trying them.

Per tenant: by the literal `action` (one or several), by a prefix or suffix of it (`data.*`, `*.delete`), else by
another literal field; only what has no such handle is always tried.
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
Table = dict[str, list[CompiledRule]]

_ACTION: Path = ("action",)
MAX_REMEMBERED = 1000
"""Actions per tenant for which it is remembered which prefixes and suffixes they have."""


class TenantIndex:
    """The rules of one owner. `candidates` answers a superset of those that match, each once."""

    __slots__ = ("_affixes", "_by_action", "_by_field", "_order", "_otherwise", "_remembered", "by_id", "candidates")

    candidates: Callable[[Document], Rules]
    """Of an event's document, in the order of the rules."""

    def __init__(self, rules: Iterable[CompiledRule]) -> None:
        self.by_id: dict[str, CompiledRule] = {rule.id: rule for rule in rules}
        self._order = {rule: place for place, rule in enumerate(self.by_id.values())}
        always: list[CompiledRule] = []
        by_action: Table = {}
        affixes: dict[tuple[int, bool], Table] = {}
        fields: dict[Path, Table] = {}
        for rule in self.by_id.values():
            tests = required(rule.rule.condition.filter)
            if not _by_action(rule, tests, by_action, affixes) and not _by_field(rule, tests, fields):
                always.append(rule)
        self._otherwise: Rules = tuple(always)
        self._by_action: dict[str, Rules] = {
            action: self._ordered([*always, *found]) for action, found in by_action.items()
        }
        self._affixes = [(length, at_start, table) for (length, at_start), table in affixes.items()]
        self._by_field: list[tuple[Callable[[Document], Any], Table]] = [
            (getter(path), values) for path, values in fields.items()
        ]
        self._remembered: dict[str, Rules] = {}
        self.candidates = self._by_action_and_field if fields else self._for_action if affixes else self._exact()

    def _exact(self) -> Callable[[Document], Rules]:
        find, otherwise = self._by_action.get, self._otherwise
        return lambda doc: find(doc["action"], otherwise)

    def _for_action(self, doc: Document) -> Rules:
        action = doc["action"]
        if not self._affixes:
            return self._by_action.get(action, self._otherwise)
        found = self._remembered.get(action)
        return self._with_affixes(action) if found is None else found

    def _by_action_and_field(self, doc: Document) -> Rules:
        found = self._for_action(doc)
        more: dict[CompiledRule, None] = {}
        for get, values in self._by_field:
            value = get(doc)
            if type(value) is str:
                if value in values:
                    more.update(dict.fromkeys(values[value]))
            elif type(value) is list:
                for item in value:
                    if type(item) is str and item in values:
                        more.update(dict.fromkeys(values[item]))
        return self._ordered([*found, *more]) if more else found

    def _with_affixes(self, action: str) -> Rules:
        rules = list(self._by_action.get(action, self._otherwise))
        for length, at_start, table in self._affixes:
            if length <= len(action):
                rules += table.get(action[:length] if at_start else action[len(action) - length :], ())
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        found = self._remembered[action] = self._ordered(rules)
        return found

    def _ordered(self, rules: Iterable[CompiledRule]) -> Rules:
        return tuple(sorted(rules, key=self._order.__getitem__))


class RuleIndex:
    """The rules of all owners; immutable. `*`'s hold for every tenant."""

    __slots__ = ("_every", "_find", "_owners")
    empty: ClassVar[RuleIndex]

    def __init__(self, owners: Mapping[str, TenantIndex]) -> None:
        self._owners = owners
        every = owners.get(EVERY_TENANT)
        self._every = None if every is None else every.candidates
        self._find = {owner: index.candidates for owner, index in owners.items()}

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
        own, every = self._find.get(tenant), self._every
        if every is None:
            return () if own is None else own(doc)
        return every(doc) if own is None else every(doc) + own(doc)

    def get(self, owner: str, rule_id: str) -> CompiledRule | None:
        """The owner's rule of that id."""
        index = self._owners.get(owner)
        return None if index is None else index.by_id.get(rule_id)

    def __len__(self) -> int:
        return sum(len(index.by_id) for index in self._owners.values())


RuleIndex.empty = RuleIndex({})


def required(tree: Filter) -> list[Test]:
    """Tests that hold whenever the filter does."""
    if isinstance(tree, Test):
        return [tree]
    if isinstance(tree, AllOf):
        return [test for part in tree.parts for test in required(part)]
    return []


def _by_action(rule: CompiledRule, tests: list[Test], by_action: Table, affixes: dict[tuple[int, bool], Table]) -> bool:
    """Whether a test of the action says which actions the rule can match; an exact one says most."""
    of_action = [test for test in tests if test.path == _ACTION]
    for texts in filter(None, map(literals, of_action)):
        for text in texts:
            by_action.setdefault(text, []).append(rule)
        return True
    for affix in filter(None, map(_affix, of_action)):
        text, at_start = affix
        affixes.setdefault((len(text), at_start), {}).setdefault(text, []).append(rule)
        return True
    return False


def _by_field(rule: CompiledRule, tests: list[Test], fields: dict[Path, Table]) -> bool:
    """Whether another field must have one of some texts."""
    known = [(test.path, texts) for test in tests if (texts := literals(test))]
    if not known:
        return False
    # The deepest path is the most telling: raw.requestParameters.x says more than outcome.
    path, texts = max(known, key=lambda pair: len(pair[0]))
    for text in texts:
        fields.setdefault(path, {}).setdefault(text, []).append(rule)
    return True


def literals(test: Test) -> frozenset[str] | None:
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
