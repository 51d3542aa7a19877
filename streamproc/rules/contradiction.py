"""Filters that no event can match: tests that exclude one another, and values that a field never has.

Only what is certain is called so. Of most fields an event may have a list, of which each test can find its own
element; then a contradiction is certain only where a negated test is in it. The fields that every event has as text
are `TEXT_FIELDS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from streamproc.model.condition import AllOf, AnyOf, Filter, NamedList, Op, Path, Test
from streamproc.rules.operands import RANGES
from streamproc.rules.operators import NEGATED, scalar_check
from streamproc.rules.paths import path_text
from streamproc.rules.problems import shown

OUTCOMES = ("success", "failure", "denied", "unknown")
TEXT_FIELDS: frozenset[Path] = frozenset(
    {("id",), ("tenant_id",), ("action",), ("outcome",), ("outcome_raw",), ("event_time",), ("source",)}
    | {("actor", name) for name in ("id", "type", "email", "ip", "country", "user_agent", "name")}
    | {("resource", name) for name in ("id", "type", "name")}
)
ALWAYS_THERE: frozenset[Path] = frozenset({("id",), ("tenant_id",), ("action",), ("outcome",), ("event_time",)})
_LOWER = {Op.GT: 0, Op.GTE: 0, Op.BETWEEN: 0}
_UPPER = {Op.LT: 0, Op.LTE: 0, Op.BETWEEN: 1}


@dataclass(frozen=True, slots=True)
class Conflict:
    """Why a filter, or a part of it, cannot match. Not `certain`: only an event with a list there can."""

    path: str
    message: str
    certain: bool


def never(tree: Filter, tenant: str) -> Iterator[Conflict]:
    """The conflicts of a filter in a rule of the tenant (`*`: of every tenant)."""
    tests, others = _split(tree)
    by_path: dict[Path, list[Test]] = {}
    for test in tests:
        by_path.setdefault(test.path, []).append(test)
    for path, on_path in by_path.items():
        yield from _on_path(path, on_path, tenant)
    for other in others:
        if isinstance(other, AnyOf):
            yield from _alternatives(other, tenant)


def _split(tree: Filter) -> tuple[list[Test], list[Filter]]:
    """The tests that all must hold, and what else must."""
    if isinstance(tree, Test):
        return [tree], []
    if not isinstance(tree, AllOf):
        return [], [tree]
    tests: list[Test] = []
    others: list[Filter] = []
    for part in tree.parts:
        inner = _split(part)
        tests += inner[0]
        others += inner[1]
    return tests, others


def _alternatives(tree: AnyOf, tenant: str) -> Iterator[Conflict]:
    if not tree.parts:
        yield Conflict("", "any of nothing never holds", certain=True)
        return
    conflicts = [[one for one in never(part, tenant) if one.certain] for part in tree.parts]
    hopeless = all(conflicts)
    for place, found in enumerate(conflicts):
        for one in found:
            text = one.message if hopeless else f"alternative {place + 1} never holds: {one.message}"
            yield Conflict(one.path, text, certain=hopeless)


def _on_path(path: Path, tests: Sequence[Test], tenant: str) -> Iterator[Conflict]:
    name = path_text(path)
    single = path in TEXT_FIELDS or (path[0] == "event_time" and len(path) == 2)
    absent = [test for test in tests if test.op is Op.EXISTS and test.value is False]
    positive = [test for test in tests if test.op not in (*NEGATED, Op.EXISTS)]
    if absent and (positive or path in ALWAYS_THERE or any(t.op is Op.EXISTS and t.value for t in tests)):
        why = "every event has it" if path in ALWAYS_THERE else "the other tests need it"
        yield Conflict(name, f"{{exists: false}} never holds: {why}", certain=True)
        return
    if path in TEXT_FIELDS:
        odd = next((test for test in positive if not _can_be_text(test)), None)
        if odd is not None:
            yield Conflict(name, f"{odd.op} {shown(odd.value)} never holds: the field is text", certain=True)
            return
    yield from _values(path, tests, single, tenant)
    if single:
        yield from _range(name, tests)


def _can_be_text(test: Test) -> bool:
    if test.op in (Op.EQ, Op.CONTAINS, Op.GT, Op.GTE, Op.LT, Op.LTE):
        return isinstance(test.value, str)
    if test.op is Op.BETWEEN:
        return isinstance(test.value[0], str)
    if test.op is Op.IN and isinstance(test.value, tuple):
        return any(isinstance(value, str) for value in test.value)
    return True


def _values(path: Path, tests: Sequence[Test], single: bool, tenant: str) -> Iterator[Conflict]:
    """Of the values that one test leaves, the others leave none."""
    listed = [test for test in tests if test.op in (Op.EQ, Op.IN) and not isinstance(test.value, NamedList)]
    if not listed:
        return
    name = path_text(path)
    values: Sequence[Any] = listed[0].value if listed[0].op is Op.IN else (listed[0].value,)
    if path == ("outcome",) and not any(_passes(test, value) for test in listed[:1] for value in OUTCOMES):
        yield Conflict(
            name,
            f"is never {' or '.join(map(shown, values[:3]))}: it is one of {', '.join(OUTCOMES)}; "
            "the source's own word is outcome_raw",
            certain=True,
        )
        return
    if path == ("tenant_id",) and tenant != "*" and not any(_passes(test, tenant) for test in listed[:1]):
        yield Conflict(name, f"is always {shown(tenant)} in a rule of that tenant", certain=True)
        return
    others = [t for t in tests if t is not listed[0] and t.op not in (Op.EXISTS, Op.FIELD) and not _named(t)]
    # a folded literal stands for several texts, of which another test may take one
    if listed[0].ignore_case or not others:
        return
    negated = [test for test in others if test.op in NEGATED]
    if not any(all(_passes(test, value) for test in others) for value in values):
        certain = single or not any(all(_passes(test, value) for test in negated) for value in values)
        what = " and ".join(f"{test.op} {shown(test.value)}" for test in (listed[0], *others))
        suffix = "" if certain else " unless the field is a list"
        yield Conflict(name, f"{what} never hold together{suffix}", certain)


def _range(name: str, tests: Sequence[Test]) -> Iterator[Conflict]:
    """Of one value: the highest lower bound is above the lowest upper bound."""
    lower = [(_bound(test, _LOWER), test) for test in tests if test.op in _LOWER and not _wraps(test)]
    upper = [(_bound(test, _UPPER), test) for test in tests if test.op in _UPPER and not _wraps(test)]
    for low, above in lower:
        for high, under in upper:
            if above is under or isinstance(low, str) is not isinstance(high, str):
                continue
            open_end = Op.GT is above.op or Op.LT is under.op
            if low > high or (low == high and open_end):
                message = f"{above.op} {shown(above.value)} and {under.op} {shown(under.value)} never hold together"
                yield Conflict(name, message, certain=True)
                return
    part = RANGES.get(name.removeprefix("event_time."))
    if part is not None:
        for test in tests:
            if (test.op is Op.GT and test.value == part[1]) or (test.op is Op.LT and test.value == part[0]):
                message = f"{test.op} {shown(test.value)} never holds: it is from {part[0]} to {part[1]}"
                yield Conflict(name, message, certain=True)


def _bound(test: Test, which: dict[Op, int]) -> Any:
    return test.value[which[test.op]] if test.op is Op.BETWEEN else test.value


def _wraps(test: Test) -> bool:
    return test.op is Op.BETWEEN and bool(test.value[0] > test.value[1])


def _named(test: Test) -> bool:
    return isinstance(test.value, NamedList)


def _passes(test: Test, value: Any) -> bool:
    return scalar_check(test, {})(value) is not (test.op in NEGATED)
