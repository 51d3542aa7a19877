"""From the filter part of a condition, as written, to the tree of `model.condition`.

A key is a field path, `all`, `any`, `none` (lists of filters) or `conditions` (Shield's form). A value is a literal,
an object of operators, or a nested map of further paths. Names of operators, and the fields every event has, may be
written in camelCase.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from streamproc.model.condition import AllOf, AnyOf, Filter, NoneOf, Op, Path, ShieldTest, Test
from streamproc.rules.operands import MAX_VALUES, Operands
from streamproc.rules.paths import parse_path
from streamproc.rules.problems import Problems, shown
from streamproc.rules.spelling import snake

MAX_DEPTH = 32
MAX_TESTS = 1000

OPERATORS = tuple(op.value for op in Op)
NESTING: dict[str, Callable[[tuple[Filter, ...]], Filter]] = {"all": AllOf, "any": AnyOf, "none": NoneOf}
SHIELD = "conditions"
SHIELD_FIELDS = (
    *("apps", "rules", "datatypes_detected", "datatypes_obfuscated", "detected", "obfuscated", "blocked", "bypassed"),
    *("hostname", "username", "usergroup", "content_type", "client_device", "client_ip", "icap_mode"),
)
_SHIELD_NAMES = {"type": "type", "values": "values", "is_not": "isNot"}
_IGNORE_CASE = "ignore_case"


def parse_filter(doc: Mapping[str, Any], where: str, problems: Problems, beside: Collection[str] = ()) -> Filter:
    """The filter of a map of fields; what is wrong is added to `problems`, and the rest is still read.

    The keys in `beside` were written beside the condition and not in it, which is where their problems are.
    """
    return _Reader(problems, beside).filter(doc, where, (), 0)


class _Reader:
    def __init__(self, problems: Problems, beside: Collection[str]) -> None:
        self._problems = problems
        self._operands = Operands(problems)
        self._beside = beside
        self._tests = 0

    def filter(self, doc: Mapping[str, Any], where: str, below: Path, depth: int) -> Filter:
        parts: list[Filter] = []
        if depth > MAX_DEPTH:
            self._problems.add(where, f"is nested deeper than {MAX_DEPTH} levels")
            return AllOf(())
        for key, value in doc.items():
            at = f"{where}.{key}" if depth or key not in self._beside else key
            if key in NESTING and (not below or isinstance(value, list)):
                parts.append(NESTING[key](self._list(key, value, at, below, depth)))
            elif key == SHIELD and not below:
                parts += self._shield(value, at)
            else:
                parts += self._field(parse_path(key, at, self._problems, below), value, at, depth)
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _list(self, name: str, value: object, where: str, below: Path, depth: int) -> tuple[Filter, ...]:
        if isinstance(value, dict) and len(value) == 1:
            value = [value]
        if not isinstance(value, list) or not value:
            hint = f"; write {name}: [{{…}}, {{…}}]" if isinstance(value, dict) and value else ""
            self._problems.value(where, value, f"a list of filters{hint}")
            return ()
        parts = []
        for place, part in enumerate(value):
            if isinstance(part, dict) and part:
                parts.append(self.filter(part, f"{where}[{place}]", below, depth + 1))
            else:
                self._problems.value(f"{where}[{place}]", part, "a filter: a map of fields")
        return tuple(parts)

    def _field(self, path: Path, value: Any, where: str, depth: int) -> list[Filter]:
        if not isinstance(value, dict):
            if isinstance(value, list):
                self._problems.value(where, value, f"one value; write {{in: {shown(value)}}}")
                return []
            return self._test(path, Op.EQ, self._operands.read(path, Op.EQ, value, where, False), False, where)
        if not value:
            self._problems.value(where, value, "a value, or an operator such as {in: [a, b]}")
            return []
        known = {name: snake(name) for name in value}
        given: dict[str, str] = {}
        for name, operator in known.items():
            if operator not in OPERATORS and operator != _IGNORE_CASE:
                continue
            if operator in given:
                self._problems.add(f"{where}.{name}", f"is given twice (as {given[operator]} too)")
            given.setdefault(operator, name)
        if not given:
            return [self.filter(value, where, path, depth + 1)]
        for name in known.keys() - given.values():
            if known[name] not in given:
                self._problems.unknown(f"{where}.{name}", name, OPERATORS)
        return self._operators(path, value, given, where)

    def _operators(self, path: Path, value: dict[str, Any], given: dict[str, str], where: str) -> list[Filter]:
        fold = value[given[_IGNORE_CASE]] if _IGNORE_CASE in given else False
        if not isinstance(fold, bool):
            self._problems.value(f"{where}.{given[_IGNORE_CASE]}", fold, "true or false")
            fold = False
        if given.keys() == {_IGNORE_CASE}:
            self._problems.add(f"{where}.{given[_IGNORE_CASE]}", "stands beside another operator, not alone")
        tests: list[Filter] = []
        for operator, name in given.items():
            if operator != _IGNORE_CASE:
                op, at = Op(operator), f"{where}.{name}"
                if op is Op.NOT and isinstance(value[name], list):
                    op = Op.NOT_IN
                tests += self._test(path, op, self._operands.read(path, op, value[name], at, fold), fold, at)
        return tests

    def _test(self, path: Path, op: Op, operand: Any, fold: bool, where: str) -> list[Filter]:
        self._count(where)
        return [] if operand is None else [Test(path, op, operand, fold)]

    def _count(self, where: str) -> None:
        self._tests += 1
        if self._tests == MAX_TESTS + 1:
            self._problems.add(where, f"is one too many: a filter has at most {MAX_TESTS} tests")

    def _shield(self, value: object, where: str) -> list[Filter]:
        if not isinstance(value, list) or not value:
            self._problems.value(where, value, "a list of {type, values, isNot}")
            return []
        return [test for place, item in enumerate(value) for test in self._shield_test(item, f"{where}[{place}]")]

    def _shield_test(self, item: object, where: str) -> list[Filter]:
        self._count(where)
        if not isinstance(item, dict):
            self._problems.value(where, item, "of the form {type, values, isNot}")
            return []
        given: dict[str, tuple[str, Any]] = {}
        for name, value in item.items():
            known = snake(name)
            if known not in _SHIELD_NAMES:
                self._problems.unknown(f"{where}.{name}", name, tuple(_SHIELD_NAMES.values()))
            elif known in given:
                self._problems.add(f"{where}.{name}", f"is given twice (as {given[known][0]} too)")
            given.setdefault(known, (name, value))
        kind = self._shield_field(given, where)
        values = self._shield_values(given, where)
        name, negated = given.get("is_not", ("isNot", False))
        if not isinstance(negated, bool):
            self._problems.value(f"{where}.{name}", negated, "true or false")
        return [ShieldTest(kind, values, negated is True)]

    def _shield_field(self, given: Mapping[str, tuple[str, Any]], where: str) -> str:
        name, kind = given.get("type", ("type", None))
        if kind is None:
            self._problems.add(f"{where}.{name}", f"is required, one of {', '.join(SHIELD_FIELDS)}")
        elif not isinstance(kind, str) or snake(kind) not in SHIELD_FIELDS:
            self._problems.unknown(f"{where}.{name}", str(kind), SHIELD_FIELDS)
        return snake(str(kind))

    def _shield_values(self, given: Mapping[str, tuple[str, Any]], where: str) -> tuple[str, ...]:
        name, values = given.get("values", ("values", None))
        at = f"{where}.{name}"
        if not isinstance(values, list) or not 1 <= len(values) <= MAX_VALUES:
            self._problems.value(at, values, f"a list of 1 to {MAX_VALUES} values")
            return ()
        scalars = (self._operands.scalar(value, f"{at}[{place}]") for place, value in enumerate(values))
        return tuple(as_text(value) for value in scalars if value is not None)


def as_text(value: object) -> str:
    """A scalar's text form, as Shield's conditions compare it: true → `true`, 1.0 → `1`."""
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
