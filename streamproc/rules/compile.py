"""From a parsed rule to functions that are as quick as plain Python gets; done once per rule and revision.

Nothing a tenant wrote is ever turned into source text: the functions are closures over its values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from streamproc.model.condition import AllOf, AnomalyCondition, AnyOf, Filter, NoneOf, Op, Path, ShieldTest, Test
from streamproc.model.rule import Rule
from streamproc.rules.clock import time_part
from streamproc.rules.counting import counting_hash
from streamproc.rules.fields import getter, steps_of, walk
from streamproc.rules.filter import as_text
from streamproc.rules.groups import Document, Groups, groups_of
from streamproc.rules.observe import Observe, matches_of, observe_of
from streamproc.rules.operators import NEGATED, Check, Lists, same_value, scalar_check

Predicate = Callable[[Document, int], bool]
Reader = Callable[[Document, int], Any]


@dataclass(slots=True, eq=False)
class CompiledRule:
    """A rule ready to judge events.

    `matches(document, time in ms)`; `groups(document)`: `[()]` without group_by, `[]` when a value is absent, one
    tuple per element for a list; `observe(document, time in ms)`: what the detector is told of the event beside
    its time (see `rules.observe`), None when it is absent and the event does not count. `tally`: the detector only
    counts, so that many events travel as one signal.
    """

    owner: str
    id: str
    revision: int
    counting_hash: bytes
    rule: Rule
    matches: Predicate
    groups: Groups
    observe: Observe | None
    tally: bool = False


def compile_rule(rule: Rule, revision: int, lists: Lists | None = None) -> CompiledRule:
    """Compile a rule that `parse_rule` made; `lists` are the tenant's named lists (an unknown one is empty)."""
    condition = rule.condition
    compiled = partial(compile_filter, zone=rule.zone, lists=lists)
    return CompiledRule(
        owner=rule.tenant_id,
        id=rule.id,
        revision=revision,
        counting_hash=counting_hash(rule),
        rule=rule,
        matches=matches_of(condition, rule.zone, compiled),
        groups=groups_of(condition.group_by),
        observe=observe_of(condition, compiled),
        tally=isinstance(condition, AnomalyCondition),
    )


def compile_filter(tree: Filter, zone: ZoneInfo, lists: Lists | None = None) -> Predicate:
    """A predicate for the tree; times of day are those of `zone`."""
    lists = lists or {}
    match tree:
        case AllOf(parts):
            return _all([compile_filter(part, zone, lists) for part in sorted(parts, key=_cost)])
        case AnyOf(parts):
            return _any([compile_filter(part, zone, lists) for part in sorted(parts, key=_cost)])
        case NoneOf(parts):
            some = _any([compile_filter(part, zone, lists) for part in sorted(parts, key=_cost)])
            return lambda doc, t: not some(doc, t)
        case ShieldTest():
            return _shield(tree)
        case Test():
            return _test(tree, zone, lists)


_DEAR = {Op.ANYWHERE: 4, Op.REGEX: 3, Op.CIDR: 2, Op.FIELD: 2, Op.MATCHES: 1, Op.CONTAINS: 1}


def _cost(tree: Filter) -> int:
    """Cheap tests go first: the order changes nothing but the time."""
    match tree:
        case Test(op=op):
            return _DEAR.get(op, 0)
        case ShieldTest():
            return 1
        case _:
            return 4


def _all(parts: Sequence[Predicate]) -> Predicate:
    match parts:
        case []:
            return lambda doc, t: True
        case [only]:
            return only
        case [first, second]:
            return lambda doc, t: first(doc, t) and second(doc, t)
        case [first, second, third]:
            return lambda doc, t: first(doc, t) and second(doc, t) and third(doc, t)

    def every(doc: Document, t: int) -> bool:
        for part in parts:  # noqa: SIM110 - a loop is quicker than all() with a generator
            if not part(doc, t):
                return False
        return True

    return every


def _any(parts: Sequence[Predicate]) -> Predicate:
    match parts:
        case [only]:
            return only
        case [first, second]:
            return lambda doc, t: first(doc, t) or second(doc, t)

    def some(doc: Document, t: int) -> bool:
        for part in parts:  # noqa: SIM110 - a loop is quicker than any() with a generator
            if part(doc, t):
                return True
        return False

    return some


def _test(test: Test, zone: ZoneInfo, lists: Lists) -> Predicate:
    if test.op is Op.FIELD:
        left, right, fold = _reader(test.path, zone), _reader(test.value, zone), test.ignore_case
        return lambda doc, t: same_value(left(doc, t), right(doc, t), fold)
    if test.op is Op.EXISTS:
        read, wanted = _reader(test.path, zone), test.value
        return lambda doc, t: (read(doc, t) is not None) is wanted
    check = scalar_check(test, lists)
    if test.op is Op.ANYWHERE:
        whole = _reader(test.path, zone)
        return lambda doc, t: check(whole(doc, t))
    if _time_path(test.path):
        part = time_part(test.path[1], zone)
        if test.op in NEGATED:
            return lambda doc, t: not check(part(t))
        return lambda doc, t: check(part(t))
    if test.op is Op.EQ and type(test.value) is str and not test.ignore_case and len(test.path) <= 2:
        return _text_equals(test.path, test.value)
    some = _on_field(test.path, check)
    if test.op in NEGATED:
        return lambda doc, t: not some(doc, t)
    return some


def _text_equals(path: Path, value: str) -> Predicate:
    """The commonest test by far, without any call in it."""
    if len(path) == 1:
        name = path[0]

        def one(doc: Document, t: int) -> bool:
            v = doc.get(name)
            return v == value or (type(v) is list and value in v)

        return one
    outer, inner = path
    rest = steps_of(path[1:])

    def two(doc: Document, t: int) -> bool:
        v = doc.get(outer)
        v = v.get(inner) if type(v) is dict else walk(v, rest)
        return v == value or (type(v) is list and value in v)

    return two


def _on_field(path: Path, check: Check) -> Predicate:
    """Whether the value at the path, or an element of it, passes."""
    if len(path) == 1:
        name = path[0]

        def one(doc: Document, t: int) -> bool:
            v = doc.get(name)
            return check(v) or (type(v) is list and any(map(check, v)))

        return one
    if len(path) == 2:
        outer, inner = path
        rest = steps_of(path[1:])

        def two(doc: Document, t: int) -> bool:
            v = doc.get(outer)
            v = v.get(inner) if type(v) is dict else walk(v, rest)
            return check(v) or (type(v) is list and any(map(check, v)))

        return two
    steps = steps_of(path)

    def deep(doc: Document, t: int) -> bool:
        v = walk(doc, steps)
        return check(v) or (type(v) is list and any(map(check, v)))

    return deep


def _reader(path: Path, zone: ZoneInfo) -> Reader:
    if _time_path(path):
        part = time_part(path[1], zone)
        return lambda doc, t: part(t)
    get = getter(path)
    return lambda doc, t: get(doc)


def _time_path(path: Path) -> bool:
    return path[0] == "event_time" and len(path) == 2


def _shield(test: ShieldTest) -> Predicate:
    field, values, negated = test.field, frozenset(test.values), test.negated

    def has(doc: Document, t: int) -> bool:
        v = doc.get(field)
        if v is None:
            metadata = doc.get("metadata")
            v = metadata.get(field) if type(metadata) is dict else None
        return (any(map(one, v)) if type(v) is list else one(v)) is not negated

    def one(v: Any) -> bool:
        if type(v) is str:
            return v in values
        return type(v) in (bool, int, float) and as_text(v) in values

    return has
