"""From the filter part of a condition, as written, to the tree of `model.condition`.

A key is a field path, `all`, `any`, `none` (lists of filters) or `conditions` (Shield's form). A value is a literal,
an object of operators, or a nested map of further paths. Names of operators, and the fields every event has, may be
written in camelCase.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from ipaddress import ip_network
from typing import Any

from streamproc.model.condition import AllOf, AnyOf, Filter, NamedList, NoneOf, Op, Path, ShieldTest, Test
from streamproc.model.document import snake
from streamproc.rules.patterns import PatternError, check_regex, wildcard_match
from streamproc.rules.problems import Problems, shown

MAX_DEPTH = 32
MAX_TESTS = 1000
MAX_VALUES = 10_000
MAX_TEXT = 4096

OPERATORS = tuple(op.value for op in Op)
NESTING: dict[str, Callable[[tuple[Filter, ...]], Filter]] = {"all": AllOf, "any": AnyOf, "none": NoneOf}
TIME_PARTS = ("hour", "minute", "weekday", "date")
WRAPPING = ("hour", "minute", "weekday")
SHIELD_FIELDS = (
    *("apps", "rules", "datatypes_detected", "datatypes_obfuscated", "detected", "obfuscated", "blocked", "bypassed"),
    *("hostname", "username", "usergroup", "content_type", "client_device", "client_ip", "icap_mode"),
)
_FLAT: dict[str, Path] = {
    "actor_id": ("actor", "id"),
    "actor_ip": ("actor", "ip"),
    "actor_type": ("actor", "type"),
    "actor_email": ("actor", "email"),
    "ip_country": ("actor", "country"),
    "resource_id": ("resource", "id"),
    "resource_type": ("resource", "type"),
}
_CAMEL_FIELDS = {"eventTime": "event_time", "tenantId": "tenant_id", "outcomeRaw": "outcome_raw"}


def parse_filter(doc: Mapping[str, Any], where: str, problems: Problems) -> Filter:
    """The filter of a map of fields; what is wrong is added to `problems`, and the rest is still read."""
    return _Reader(problems).filter(doc, where, (), 0)


def parse_path(text: object, where: str, problems: Problems) -> Path:
    """A field path: `actor.ip`, `raw.requestParameters.bucketName`, `tags.0`."""
    if not isinstance(text, str) or not text or not all(text.split(".")) or len(text) > 512:
        problems.value(where, text, "a field path such as actor.ip")
        return ("?",)
    steps = tuple(text.split("."))
    if len(steps) == 1 and (flat := _FLAT.get(snake(text))):
        return flat
    return (_CAMEL_FIELDS.get(steps[0], steps[0]), *steps[1:])


class _Reader:
    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._tests = 0

    def filter(self, doc: Mapping[Any, Any], where: str, prefix: Path, depth: int) -> Filter:
        parts: list[Filter] = []
        if depth > MAX_DEPTH:
            self._problems.add(where, f"is nested deeper than {MAX_DEPTH} levels")
            return AllOf(())
        for key, value in doc.items():
            at = f"{where}.{key}" if where else str(key)
            if not isinstance(key, str):
                self._problems.value(at, key, "a field path")
            elif not prefix and key in NESTING:
                parts.append(NESTING[key](self._list(value, at, depth)))
            elif not prefix and key == "conditions":
                parts += self._shield(value, at)
            else:
                parts += self._field((*prefix, *parse_path(key, at, self._problems)), value, at, depth)
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _list(self, value: object, where: str, depth: int) -> tuple[Filter, ...]:
        if isinstance(value, Mapping):
            value = [value]
        if not isinstance(value, list | tuple) or not value:
            self._problems.value(where, value, "a list of filters")
            return ()
        parts = []
        for place, part in enumerate(value):
            if isinstance(part, Mapping):
                parts.append(self.filter(part, f"{where}[{place}]", (), depth + 1))
            else:
                self._problems.value(f"{where}[{place}]", part, "a filter")
        return tuple(parts)

    def _field(self, path: Path, value: Any, where: str, depth: int) -> list[Filter]:
        self._tests += 1
        if self._tests == MAX_TESTS + 1:
            self._problems.add(where, f"a filter has at most {MAX_TESTS} tests")
        if path[0] == "event_time" and len(path) > 1 and (len(path) > 2 or path[1] not in TIME_PARTS):
            self._problems.unknown(where, ".".join(path[1:]), TIME_PARTS)
            return []
        if not isinstance(value, Mapping):
            if isinstance(value, list | tuple):
                self._problems.add(where, f"{shown(value)} is a list; write {{in: {shown(value)}}}")
                return []
            literal = self._scalar(value, where)
            return [Test(path, Op.EQ, literal)]
        names = {name: snake(name) if isinstance(name, str) else "" for name in value}
        operators = [name for name, known in names.items() if known in OPERATORS or known == "ignore_case"]
        if not value:
            self._problems.value(where, value, "a value or an operator")
            return []
        if not operators:
            inner = self.filter(value, where, path, depth + 1)
            return [inner]
        for name, known in names.items():
            if name not in operators:
                self._problems.unknown(f"{where}.{name}", known or str(name), OPERATORS)
        return self._operators(path, {names[name]: value[name] for name in operators}, where)

    def _operators(self, path: Path, given: Mapping[str, Any], where: str) -> list[Filter]:
        ignore_case = given.get("ignore_case", False)
        if not isinstance(ignore_case, bool):
            self._problems.value(f"{where}.ignore_case", ignore_case, "true or false")
        tests: list[Filter] = []
        for name, value in given.items():
            if name == "ignore_case":
                continue
            at = f"{where}.{name}"
            before = len(self._problems.found)
            op, meant = self._operand(path, Op(name), value, at)
            if len(self._problems.found) == before:
                tests.append(Test(path, op, meant, ignore_case is True))
        if not tests and len(given) == 1 and "ignore_case" in given:
            self._problems.add(where, "ignore_case stands beside another operator, not alone")
        return tests

    def _operand(self, path: Path, op: Op, value: Any, where: str) -> tuple[Op, Any]:
        match op:
            case Op.NOT if isinstance(value, list | tuple):
                return Op.NOT_IN, self._scalars(value, where)
            case Op.EQ | Op.NOT:
                return op, self._scalar(value, where)
            case Op.IN | Op.NOT_IN:
                if isinstance(value, Mapping):
                    return op, self._named(value, where)
                return op, self._scalars(value, where)
            case Op.GT | Op.GTE | Op.LT | Op.LTE:
                return op, self._ordered(value, where)
            case Op.BETWEEN:
                return op, self._between(path, value, where)
            case Op.MATCHES:
                return op, self._wildcard(value, where)
            case Op.STARTS_WITH | Op.ENDS_WITH:
                return op, self._text(value, where)
            case Op.CONTAINS:
                return op, self._scalar(value, where)
            case Op.REGEX:
                return op, self._regex(value, where)
            case Op.CIDR:
                return op, self._networks(value, where)
            case Op.EXISTS:
                if not isinstance(value, bool):
                    self._problems.value(where, value, "true or false")
                return op, value
            case _:
                return op, parse_path(value, where, self._problems)

    def _scalar(self, value: Any, where: str) -> Any:
        if isinstance(value, str) and len(value) > MAX_TEXT:
            self._problems.add(where, f"is longer than {MAX_TEXT} characters")
        elif isinstance(value, float) and not math.isfinite(value):
            self._problems.value(where, value, "a finite number")
        elif value is not None and not isinstance(value, str | int | float | bool):
            self._problems.value(where, value, "a text, a number, true, false or null")
            return None
        return value

    def _scalars(self, value: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple) or not value or len(value) > MAX_VALUES:
            self._problems.value(where, value, f"a list of 1 to {MAX_VALUES} values, nor {{list: name}}")
            return ()
        return tuple(self._scalar(item, f"{where}[{place}]") for place, item in enumerate(value))

    def _named(self, value: Mapping[str, Any], where: str) -> NamedList:
        name = value.get("list")
        if set(value) != {"list"} or not isinstance(name, str) or not name:
            self._problems.value(where, value, "{list: name}")
            return NamedList("?")
        return NamedList(name)

    def _text(self, value: Any, where: str) -> str:
        if not isinstance(value, str) or not value:
            self._problems.value(where, value, "a text")
            return "?"
        return str(self._scalar(value, where))

    def _ordered(self, value: Any, where: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            self._problems.value(where, value, "a number or a text")
        return self._scalar(value, where)

    def _between(self, path: Path, value: Any, where: str) -> tuple[Any, Any]:
        if not isinstance(value, list | tuple) or len(value) != 2:
            self._problems.value(where, value, "a pair such as [1, 10]")
            return (0, 0)
        low, high = (self._ordered(bound, f"{where}[{place}]") for place, bound in enumerate(value))
        if isinstance(low, str) != isinstance(high, str):
            self._problems.value(where, value, "a pair of numbers or a pair of texts")
        elif low > high and not (path[0] == "event_time" and path[-1] in WRAPPING):
            self._problems.add(where, f"{shown(low)} is not at most {shown(high)}")
        return (low, high)

    def _wildcard(self, value: Any, where: str) -> str:
        text = self._text(value, where)
        try:
            wildcard_match(text, False)
        except PatternError as error:
            self._problems.add(where, f"{shown(value)} {error}")
        return text

    def _regex(self, value: Any, where: str) -> str:
        text = self._text(value, where)
        try:
            check_regex(text)
        except PatternError as error:
            self._problems.add(where, f"{shown(value)} is not a regular expression of RE2: {error}")
        return text

    def _networks(self, value: Any, where: str) -> tuple[str, ...]:
        networks = []
        for place, text in enumerate([value] if isinstance(value, str) else value if isinstance(value, list) else []):
            try:
                networks.append(str(ip_network(text, strict=False)))
            except (ValueError, TypeError):
                self._problems.value(f"{where}[{place}]" if isinstance(value, list) else where, text, "a network")
        if not networks and not isinstance(value, str):
            self._problems.value(where, value, "a network such as 10.0.0.0/8, or a list of them")
        return tuple(networks)

    def _shield(self, value: Any, where: str) -> list[Filter]:
        if not isinstance(value, list | tuple) or not value:
            self._problems.value(where, value, "a list of {type, values}")
            return []
        tests: list[Filter] = []
        for place, item in enumerate(value):
            at = f"{where}[{place}]"
            if not isinstance(item, Mapping):
                self._problems.value(at, item, "of the form {type, values, isNot}")
                continue
            given = {snake(str(name)): given for name, given in item.items()}
            for name in given.keys() - {"type", "values", "is_not"}:
                self._problems.unknown(f"{at}.{name}", name, ("type", "values", "isNot"))
            kind = snake(str(given.get("type")))
            if not re.fullmatch(r"[a-z_]+", kind) or kind not in SHIELD_FIELDS:
                self._problems.unknown(f"{at}.type", str(given.get("type")), SHIELD_FIELDS)
            values = self._scalars(given.get("values"), f"{at}.values")
            negated = given.get("is_not", False)
            if not isinstance(negated, bool):
                self._problems.value(f"{at}.isNot", negated, "true or false")
            tests.append(ShieldTest(kind, tuple(as_text(v) for v in values), negated is True))
        return tests


def as_text(value: object) -> str:
    """A scalar's text form, as Shield's conditions compare it: true → `true`, 1.0 → `1`."""
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
