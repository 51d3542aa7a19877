"""From a parsed rule to functions that are as quick as plain Python gets; done once per rule and revision.

Nothing a tenant wrote is ever turned into source text: the functions are closures over its values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from itertools import product
from typing import Any
from zoneinfo import ZoneInfo

from streamproc.model.condition import AllOf, AnyOf, Filter, NoneOf, Op, ShieldTest, Test
from streamproc.model.rule import Rule
from streamproc.rules.fields import getter
from streamproc.rules.filter import as_text, parse_path
from streamproc.rules.problems import Problems
from streamproc.rules.operators import Lists, field_test, value_check

Document = dict[str, Any]
Predicate = Callable[[Document, int], bool]
GroupValue = str | int | float | bool
Groups = Callable[[Document], list[tuple[GroupValue, ...]]]

MAX_GROUPS = 100
"""An event makes at most this many groups of one rule, whatever the lists in it."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HASHED = ("filter", "group_by", "distinct", "window_ms", "window_type")


@dataclass(slots=True, eq=False)
class CompiledRule:
    """A rule ready to judge events.

    `matches(document, time in ms)`; `groups(document)`: `[()]` without group_by, `[]` when a value is absent, one
    tuple per element for a list; `distinct(document)`: the value to count, None when absent.
    """

    owner: str
    id: str
    revision: int
    counting_hash: bytes
    rule: Rule
    matches: Predicate
    groups: Groups
    distinct: Callable[[Document], GroupValue | None] | None


def compile_rule(rule: Rule, revision: int, lists: Lists | None = None) -> CompiledRule:
    """Compile a rule; `lists` are the tenant's named lists (an unknown one is empty)."""
    condition = rule.condition
    distinct = getattr(condition, "distinct", None)
    return CompiledRule(
        owner=rule.tenant_id,
        id=rule.id,
        revision=revision,
        counting_hash=counting_hash(rule),
        rule=rule,
        matches=compile_filter(condition.filter, rule.zone, lists or {}),
        groups=_groups(condition.group_by),
        distinct=None if distinct is None else _first_scalar(distinct),
    )


def counting_hash(rule: Rule) -> bytes:
    """8 bytes that change when what is counted, or by what, changes; then a key starts a new window.

    In it: the type, the filter, group_by, distinct, the window and its kind, the lateness, and the time zone. Not
    in it, because a stored window stays right: the count that triggers, and all that people see (name, severity, …).
    """
    condition = rule.condition
    counted = [(name, getattr(condition, name, None)) for name in _HASHED]
    text = repr((rule.type, counted, rule.lateness_seconds, rule.timezone))
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, person=b"counting").digest()


def compile_filter(tree: Filter, zone: ZoneInfo, lists: Lists | None = None) -> Predicate:
    """A predicate for the tree; times of day are those of `zone`."""
    lists = lists or {}
    match tree:
        case AllOf(parts):
            return _all([compile_filter(part, zone, lists) for part in parts])
        case AnyOf(parts):
            return _any([compile_filter(part, zone, lists) for part in parts])
        case NoneOf(parts):
            some = _any([compile_filter(part, zone, lists) for part in parts])
            return lambda doc, t: not some(doc, t)
        case ShieldTest():
            return _shield(tree)
        case Test(path=("event_time", part)):
            return _time_test(tree, part, zone, lists)
        case Test(op=Op.FIELD):
            equal = field_test(tree.path, tree.value)
            return lambda doc, t: equal(doc)
        case _:
            return _test(tree, lists)


def _test(test: Test, lists: Lists) -> Predicate:
    if test.op is Op.EQ and type(test.value) is str and not test.ignore_case and len(test.path) <= 2:
        return _text_equals(test)
    get, check = getter(test.path), value_check(test, lists)
    return lambda doc, t: check(get(doc))


def _text_equals(test: Test) -> Predicate:
    """The commonest test by far, without the calls in between."""
    value = test.value
    if len(test.path) == 1:
        name = test.path[0]

        def one(doc: Document, t: int) -> bool:
            v = doc.get(name)
            return v == value or (type(v) is list and value in v)

        return one
    get = getter(test.path)

    def two(doc: Document, t: int) -> bool:
        v = get(doc)
        return v == value or (type(v) is list and value in v)

    return two


def _all(parts: Sequence[Predicate]) -> Predicate:
    if not parts:
        return lambda doc, t: True
    if len(parts) == 1:
        return parts[0]
    if len(parts) == 2:
        first, second = parts
        return lambda doc, t: first(doc, t) and second(doc, t)

    def every(doc: Document, t: int) -> bool:
        for part in parts:  # noqa: SIM110 - a loop is quicker than all() with a generator
            if not part(doc, t):
                return False
        return True

    return every


def _any(parts: Sequence[Predicate]) -> Predicate:
    def some(doc: Document, t: int) -> bool:
        for part in parts:  # noqa: SIM110 - a loop is quicker than any() with a generator
            if part(doc, t):
                return True
        return False

    return some


def _shield(test: ShieldTest) -> Predicate:
    field, values, negated = test.field, frozenset(test.values), test.negated

    def has(doc: Document, t: int) -> bool:
        value = doc.get(field)
        if value is None:
            metadata = doc.get("metadata")
            value = metadata.get(field) if type(metadata) is dict else None
        if value is None:
            return negated
        items = value if type(value) is list else (value,)
        found = any(as_text(v) in values for v in items if type(v) in (str, bool, int, float))
        return found is not negated

    return has


def _time_test(test: Test, part: str, zone: ZoneInfo, lists: Lists) -> Predicate:
    check = value_check(test, lists)
    utc = zone.key == "UTC"
    if utc and part == "hour":
        return lambda doc, t: check(t // 3_600_000 % 24)
    if part == "minute" and utc:
        return lambda doc, t: check(t // 60_000 % 60)
    name = zone.key
    return lambda doc, t: check(_local_part(t // 60_000, name, part))


@lru_cache(maxsize=8192)
def _local_part(minute: int, zone: str, part: str) -> int | str:
    """hour 0-23, minute 0-59, weekday 1 (Monday) to 7, date as 2026-02-10, of a minute since the epoch."""
    local = (_EPOCH + timedelta(minutes=minute)).astimezone(ZoneInfo(zone))
    if part == "hour":
        return local.hour
    if part == "minute":
        return local.minute
    return local.isoweekday() if part == "weekday" else local.date().isoformat()


def _groups(paths: Sequence[str]) -> Groups:
    if not paths:
        nothing: list[tuple[GroupValue, ...]] = [()]
        return lambda doc: nothing
    getters = [getter(parse_path(path, "group_by", Problems())) for path in paths]
    if len(getters) == 1:
        get = getters[0]

        def one(doc: Document) -> list[tuple[GroupValue, ...]]:
            value = get(doc)
            if type(value) is str:
                return [(value,)]
            return [(v,) for v in _scalars(value)]

        return one

    def several(doc: Document) -> list[tuple[GroupValue, ...]]:
        values = [_scalars(get(doc)) for get in getters]
        return list(product(*values))[:MAX_GROUPS] if all(values) else []

    return several


def _scalars(value: Any) -> list[GroupValue]:
    """The scalar itself, or the different scalars of a list, in its order."""
    if type(value) in (str, int, float, bool):
        return [value]
    if type(value) is not list:
        return []
    found: dict[tuple[type, GroupValue], GroupValue] = {
        (type(v), v): v for v in value if type(v) in (str, int, float, bool)
    }
    return list(found.values())[:MAX_GROUPS]


def _first_scalar(path: str) -> Callable[[Document], GroupValue | None]:
    """The value to count; of a list, its first (a list as a whole is no value)."""
    get = getter(parse_path(path, "distinct", Problems()))

    def first(doc: Document) -> GroupValue | None:
        value = get(doc)
        if type(value) in (str, int, float, bool):
            found: GroupValue = value
            return found
        return next(iter(_scalars(value)), None)

    return first
