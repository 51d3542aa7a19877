"""Filters on alert records, as silences, inhibitions and policies have them: text → the tree of `model.condition`.

Written as a map of field paths (`rule.id: x`, `severity: {in: [high, critical]}`), as a list of which every part must
hold, or as ActionTrail's `{object, operator, value}`. `all`, `any` and `none` hold lists and nest. A value is a
literal, or a map of operators, all of which must hold. The words are those of rules' filters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

import re2

from streamproc.model.condition import AllOf, AnyOf, Filter, NoneOf, Op, Path, Test
from streamproc.model.document import Problem, snake
from streamproc.model.records import AlertRecord
from streamproc.model.rule import Severity

MAX_DEPTH = 8
MAX_TESTS = 200
"""Of one document."""
MAX_VALUES = 1000
MAX_TEXT = 1024
MAX_STEPS = 16
MAX_PROGRAM = 2000
"""Instructions of a regular expression; RE2's time is this times the length of the text."""
MAX_MEMORY = 1 << 20

FIELDS = tuple(AlertRecord.model_fields)
"""What a path may begin with."""
RANKS: Mapping[str, int] = {severity.value: rank for rank, severity in enumerate(Severity)}
"""Severities in their order, by which `gt`, `gte`, `lt`, `lte` compare them."""

_NESTING: dict[str, Callable[[tuple[Filter, ...]], Filter]] = {
    "all": AllOf,
    "any": AnyOf,
    "none": NoneOf,
    "and": AllOf,
    "or": AnyOf,
}
_ORDERED = (Op.GT, Op.GTE, Op.LT, Op.LTE)
_LISTED = (Op.IN, Op.NOT_IN)
_PLAIN = {op.value: op for op in (Op.EQ, Op.NOT, *_LISTED, *_ORDERED, Op.CONTAINS, Op.STARTS_WITH, Op.REGEX, Op.EXISTS)}
_SPELLINGS = {
    "eq": ("==", "=", "equal", "equals", "equal_to"),
    "not": ("!=", "not_equal", "not_equals", "not_equal_to"),
    "regex": ("=~", "matches_regex"),
    "not_regex": ("!~",),
    "gt": (">",),
    "gte": (">=",),
    "lt": ("<",),
    "lte": ("<=",),
}
_ALIASES = {spelling: word for word, spellings in _SPELLINGS.items() for spelling in spellings}
_WORDS = (*_PLAIN, "not_regex")


class FilterReader:
    """Reads the filters of one document; what is wrong is added to `problems`, and the rest is still read."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        self._tests = 0

    def read(self, value: object, where: str) -> ReadFilter:
        """The filter written at the path `where`; an empty part, which would match all, is a problem."""
        return ReadFilter(value, self._filter(value, where, 0))

    def _filter(self, value: object, where: str, depth: int) -> Filter:
        if depth > MAX_DEPTH:
            return self._tell(where, f"is nested deeper than {MAX_DEPTH} levels")
        if isinstance(value, list | tuple | Mapping) and not value:
            return self._tell(where, "has no test; name at least one field of the alert")
        if isinstance(value, list | tuple):
            return AllOf(tuple(self._filter(part, f"{where}[{place}]", depth + 1) for place, part in enumerate(value)))
        if not isinstance(value, Mapping):
            return self._tell(where, f"{value!r:.80} is not a filter: a map of fields, or a list of them")
        if "operator" in value:
            return self._triple(value, where)
        parts: list[Filter] = []
        for name, inner in value.items():
            at = f"{where}.{name}"[:300]
            if name in _NESTING:
                if isinstance(inner, list | tuple) and inner:
                    below = [self._filter(part, f"{at}[{place}]", depth + 1) for place, part in enumerate(inner)]
                    parts.append(_NESTING[name](tuple(below)))
                else:
                    self._tell(at, f"{inner!r:.80} is not a list of filters")
            else:
                parts += self._field(name, inner, at)
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _triple(self, value: Mapping[Any, Any], where: str) -> Filter:
        """ActionTrail's form."""
        for name in value.keys() - {"object", "operator", "value"}:
            self._tell(f"{where}.{name}", "is not a known field; known are object, operator, value")
        for name in ("object", "value"):
            if name not in value:
                return self._tell(f"{where}.{name}", "is required")
        path = self._path(value["object"], f"{where}.object")
        tests = self._test(path, value["operator"], value["value"], f"{where}.operator", f"{where}.value")
        return tests[0] if tests else AllOf(())

    def _field(self, name: object, value: object, where: str) -> list[Filter]:
        path = self._path(name, where)
        if not isinstance(value, Mapping):
            if isinstance(value, list | tuple):
                self._tell(where, f"{list(value)!r:.60} is not one value; write {{in: [a, b]}}")
                return []
            return self._test(path, "eq", value, where, where)
        if not value:
            self._tell(where, "{} is not a value, or an operator such as {in: [a, b]}")
        return [
            test
            for operator, operand in value.items()
            for test in self._test(path, operator, operand, f"{where}.{operator}", f"{where}.{operator}")
        ]

    def _path(self, name: object, where: str) -> Path:
        if not isinstance(name, str) or not 0 < len(name) <= MAX_TEXT or not all(name.split(".")):
            self._tell(where, f"{name!r:.80} is not a field path such as rule.id")
            return ("id",)
        head, *rest = name.split(".")
        if len(rest) >= MAX_STEPS:
            self._tell(where, f"is not a path of at most {MAX_STEPS} steps")
        if snake(head) in FIELDS:
            head = snake(head)
        else:
            near = get_close_matches(snake(head), FIELDS, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]}?" if near else ""
            self._tell(where, f"{head!r:.80} is not a field of an alert{hint}")
        return (head, *rest)

    def _test(self, path: Path, written: object, operand: Any, at_word: str, at_value: str) -> list[Filter]:
        self._tests += 1
        if self._tests > MAX_TESTS:
            if self._tests == MAX_TESTS + 1:
                self._tell(at_word, f"is one too many: a document has at most {MAX_TESTS} tests")
            return []
        word = snake(written.strip().replace(" ", "_")) if isinstance(written, str) else ""
        word = _ALIASES.get(word, word)
        if word not in _WORDS:
            near = get_close_matches(word, _WORDS, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(_WORDS)}"
            self._tell(at_word, f"{written!r:.80} is not an operator; {hint}")
            return []
        if word == "not_regex":
            inner = self._checked(path, Op.REGEX, operand, at_value)
            return [NoneOf((inner,))] if inner is not None else []
        op = _PLAIN[word]
        if op is Op.NOT and isinstance(operand, list | tuple):
            op = Op.NOT_IN
        test = self._checked(path, op, operand, at_value)
        return [test] if test is not None else []

    def _checked(self, path: Path, op: Op, operand: Any, where: str) -> Test | None:
        if op in _LISTED:
            if not isinstance(operand, list | tuple) or not 1 <= len(operand) <= MAX_VALUES:
                self._wrong(where, operand, f"a list of 1 to {MAX_VALUES} values")
                return None
            values = [self._scalar(one, f"{where}[{place}]", path) for place, one in enumerate(operand)]
            return None if None in values else Test(path, op, tuple(values))
        if op is Op.EXISTS:
            if isinstance(operand, bool):
                return Test(path, op, operand)
            self._wrong(where, operand, "true or false")
            return None
        value = self._scalar(operand, where, path if op is not Op.REGEX else ())
        if value is None:
            return None
        if op in (Op.REGEX, Op.CONTAINS, Op.STARTS_WITH) and not isinstance(value, str):
            self._wrong(where, operand, "a text")
            return None
        if op in _ORDERED and isinstance(value, bool):
            self._wrong(where, operand, "a number or a text")
            return None
        if op is Op.REGEX:
            try:
                regex(value)
            except ValueError as error:
                self._wrong(where, operand, f"a regular expression that RE2 takes: {error}")
                return None
        return Test(path, op, value)

    def _scalar(self, value: Any, where: str, path: Path) -> Any:
        if type(value) not in (str, int, float, bool) or (isinstance(value, str) and len(value) > MAX_TEXT):
            return self._wrong(where, value, f"a text of at most {MAX_TEXT} characters, a number, true or false")
        if path == ("severity",) and value not in RANKS:
            return self._wrong(where, value, f"one of {', '.join(RANKS)}")
        return value

    def _wrong(self, where: str, value: object, expected: str) -> Any:
        """None, in place of what could not be read."""
        self._tell(where, f"{value!r:.80} is not {expected}")

    def _tell(self, where: str, message: str) -> Filter:
        if len(self.problems) < 100:
            self.problems.append(Problem(where[:300], message))
        return AllOf(())


@lru_cache(maxsize=1024)
def regex(pattern: str) -> re2._Regexp:
    """The compiled expression. Raises ValueError for what RE2 does not take, or what would cost too much."""
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = MAX_MEMORY
    try:
        compiled = re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        reason = error.args[0] if error.args else error
        raise ValueError(reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)) from None
    if compiled.programsize > MAX_PROGRAM:
        raise ValueError(f"too large ({compiled.programsize} instructions, at most {MAX_PROGRAM}); repeat less")
    return compiled


class ReadFilter:
    """A filter in the place of the text that it was read from, until pydantic has checked what is around it."""

    __slots__ = ("_written", "tree")

    def __init__(self, written: object, tree: Filter) -> None:
        self._written = written
        self.tree = tree

    def __repr__(self) -> str:
        return repr(self._written)


def unpacked(value: object) -> Filter:
    """For pydantic: the filter that was read before. Raises ValueError for anything else."""
    if not isinstance(value, ReadFilter):
        raise ValueError("is not a filter")  # noqa: TRY004 - what pydantic makes a problem of
    return value.tree
