"""Which rules could match an event, found by dictionary look-ups and not by trying them.

Per tenant: by the literal `action` (one or several), by a prefix or suffix of it (`data.*`, `*.delete`), else by
another field that must have one of some values, with or without case, else by a field of the original record that
must be there, because records of one source lack the fields of another; only what has no such handle is always tried.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar

from streamproc.model.condition import AllOf, AnyOf, Filter, Op, Path, SequenceCondition, Test
from streamproc.model.rule import EVERY_TENANT
from streamproc.rules.compile import CompiledRule
from streamproc.rules.fields import getter
from streamproc.rules.needs import needs_geo
from streamproc.rules.operators import NEGATED

Document = dict[str, Any]
Rules = tuple[CompiledRule, ...]
Table = dict[Any, list[CompiledRule]]
Handle = tuple[Path, bool]
"""A field, and whether its text is looked up case-folded."""
Handles = dict[Handle, frozenset[Any]]
"""What a filter needs: of each field one of these values, or it cannot hold."""

_ACTION: Path = ("action",)
_RAW = "raw"
_SCALARS = (str, int, float, bool)
MAX_REMEMBERED = 1000
"""Actions per tenant for which it is remembered which prefixes and suffixes they have."""


class TenantIndex:
    """The rules of one owner. `candidates` answers a superset of those that match, each once."""

    __slots__ = (
        *("_affixes", "_by_action", "_by_field", "_by_presence", "_order", "_otherwise", "_remembered"),
        *("by_id", "candidates", "needing_place"),
    )

    candidates: Callable[[Document], Rules]
    """Of an event's document, in the order of the rules."""

    def __init__(self, rules: Iterable[CompiledRule]) -> None:
        self.by_id: dict[str, CompiledRule] = {rule.id: rule for rule in rules}
        self.needing_place = sum(1 for rule in self.by_id.values() if needs_geo(rule.rule))
        self._order = {rule: place for place, rule in enumerate(self.by_id.values())}
        always: list[CompiledRule] = []
        by_action: Table = {}
        affixes: dict[tuple[int, bool], Table] = {}
        known: dict[CompiledRule, Handles] = {}
        presence: dict[Path, list[CompiledRule]] = {}
        for rule in self.by_id.values():
            tree = _whole(rule)
            handles = handles_of(tree)
            if not _by_action(rule, tree, handles, by_action, affixes):
                needed = set() if handles else needed_of(tree)
                if handles:
                    known[rule] = handles
                elif needed:
                    presence.setdefault(max(needed, key=lambda path: (len(path), path)), []).append(rule)
                else:
                    always.append(rule)
        fields = _by_field(known)
        self._otherwise: Rules = tuple(always)
        self._by_action: dict[str, Rules] = {
            action: self._ordered([*always, *found]) for action, found in by_action.items()
        }
        self._affixes = [(length, at_start, table) for (length, at_start), table in affixes.items()]
        self._by_field: list[tuple[Callable[[Document], Any], bool, dict[Any, Rules]]] = [
            (getter(path), fold, {value: self._ordered(found) for value, found in table.items()})
            for (path, fold), table in fields.items()
        ]
        self._by_presence: list[tuple[Callable[[Document], Any], Rules]] = [
            (getter(path), tuple(found)) for path, found in presence.items()
        ]
        self._remembered: dict[str, Rules] = {}
        by_more = fields or presence
        self.candidates = self._by_action_and_field if by_more else self._for_action if affixes else self._exact()

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
        more: list[Rules] | None = None
        for get, fold, values in self._by_field:
            value = get(doc)
            if value is None:
                continue
            if type(value) is str:
                rules = values.get(value.casefold() if fold else value)
            elif type(value) is list:
                rules = self._of_elements(value, fold, values)
            elif type(value) is dict:
                continue
            else:
                rules = values.get(value)
            if rules:
                if more is None:
                    more = [rules]
                else:
                    more.append(rules)
        for get, rules in self._by_presence:
            if get(doc) is not None:
                if more is None:
                    more = [rules]
                else:
                    more.append(rules)
        if more is None:
            return found
        if len(more) == 1 and not found:
            return more[0]
        return self._ordered([*found, *(rule for rules in more for rule in rules)])

    def _of_elements(self, items: list[Any], fold: bool, values: dict[Any, Rules]) -> Rules:
        found: dict[CompiledRule, None] = {}
        for item in items:
            if type(item) is str:
                found.update(dict.fromkeys(values.get(item.casefold() if fold else item, ())))
            elif type(item) in _SCALARS:
                found.update(dict.fromkeys(values.get(item, ())))
        return tuple(found)

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

    @property
    def needing_place(self) -> int:
        """How many of the rules read country or coordinates of the actor (`rules.needs`)."""
        return sum(index.needing_place for index in self._owners.values())

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


def handles_of(tree: Filter) -> Handles:
    """The values of which an event must have one, by field; more may be needed for the filter to hold."""
    match tree:
        case Test():
            values = literals(tree)
            return {(tree.path, tree.ignore_case): values} if values else {}
        case AllOf(parts):
            found: Handles = {}
            for part in parts:
                for handle, values in handles_of(part).items():
                    # of a list each test may find its own element, so that either is needed, not what both have
                    if handle not in found or len(values) < len(found[handle]):
                        found[handle] = values
            return found
        case AnyOf((first, *others)):
            found = handles_of(first)
            for part in others:
                also = handles_of(part) if found else {}
                found = {handle: values | also[handle] for handle, values in found.items() if handle in also}
            return found
        case _:
            return {}


def needed_of(tree: Filter) -> set[Path]:
    """Fields of the original record that an event must have, or the filter cannot hold."""
    match tree:
        case Test():
            absent = _holds_absent(tree)
            return {tree.path} if not absent and tree.path[0] == _RAW and len(tree.path) > 1 else set()
        case AllOf(parts):
            return {path for part in parts for path in needed_of(part)}
        case AnyOf((first, *others)):
            return needed_of(first).intersection(*map(needed_of, others))
        case _:
            return set()


def _holds_absent(test: Test) -> bool:
    """Whether the test can hold for an event that lacks the field."""
    return test.op in NEGATED or (test.op is Op.EXISTS and test.value is False)


def _whole(rule: CompiledRule) -> Filter:
    """What must hold of an event of the rule."""
    condition = rule.rule.condition
    if isinstance(condition, SequenceCondition):
        return AllOf((condition.filter, AnyOf(condition.steps)))
    filter_: Filter = condition.filter
    return filter_


def _by_action(
    rule: CompiledRule, tree: Filter, handles: Handles, by_action: Table, affixes: dict[tuple[int, bool], Table]
) -> bool:
    """Whether a test of the action says which actions the rule can match; an exact one says most."""
    actions = handles.get((_ACTION, False))
    if actions is not None:
        for action in actions:
            by_action.setdefault(action, []).append(rule)
        return True
    of_action = [test for test in required(tree) if test.path == _ACTION]
    for affix in filter(None, map(_affix, of_action)):
        text, at_start = affix
        affixes.setdefault((len(text), at_start), {}).setdefault(text, []).append(rule)
        return True
    return False


def _by_field(known: Mapping[CompiledRule, Handles]) -> dict[Handle, Table]:
    """Each rule at one of its handles: where rules name many different values, and few the same."""
    sharing: dict[Handle, Counter[Any]] = {}
    for handles in known.values():
        for handle, own in handles.items():
            sharing.setdefault(handle, Counter()).update(own)
    fields: dict[Handle, Table] = {}
    for rule, handles in known.items():

        def telling(handle: Handle, handles: Handles = handles) -> tuple[float, int]:
            rules = sharing[handle]
            # of equals the deepest path is the most telling: raw.requestParameters.x says more than outcome
            return len(rules) / max(rules[value] for value in handles[handle]), len(handle[0])

        best = max(handles, key=telling)
        table = fields.setdefault(best, {})
        for value in handles[best]:
            table.setdefault(value, []).append(rule)
    return fields


def literals(test: Test) -> frozenset[Any] | None:
    """The values of which the field must have one, text case-folded where the test does so; None: not known."""
    if test.path[0] == "event_time":
        return None
    if test.op is Op.EQ:
        values = (test.value,)
    elif test.op is Op.IN and isinstance(test.value, tuple):
        values = test.value
    else:
        return None
    return frozenset(v.casefold() if test.ignore_case and type(v) is str else v for v in values)


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
