"""One item of a Sigma detection, a field with its values or a list of keywords, as a filter of ours.

Text is compared without regard to case, unless `cased` says otherwise; `re` is exact, unless `i` does. A whole text
that reads like a number, true or false also equals that number or truth value, because Sigma compares text and
sources differ in which of the two they write.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from sigma.conditions import ConditionAND
from sigma.modifiers import SigmaContainsModifier, SigmaEndswithModifier, SigmaStartswithModifier
from sigma.rule import SigmaDetectionItem
from sigma.types import (
    CompareOperators,
    Placeholder,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaRegularExpressionFlag,
    SigmaString,
    SigmaTimestampPart,
    SigmaType,
    SpecialChars,
)

from streamproc.rules.sigma.combining import FilterDoc, all_of, any_of, none_of
from streamproc.rules.sigma.fields import RAW
from streamproc.rules.sigma.refusal import NotCarriedError

Paths = Callable[[str], str]

_MANY, _ONE = SpecialChars.WILDCARD_MULTI, SpecialChars.WILDCARD_SINGLE
_OF_PARTS = (SigmaContainsModifier, SigmaStartswithModifier, SigmaEndswithModifier)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})")
_MAX_EXACT = 2**53
_TRUTH = {"true": True, "false": False}
_COMPARED = {
    CompareOperators.LT: "lt",
    CompareOperators.LTE: "lte",
    CompareOperators.GT: "gt",
    CompareOperators.GTE: "gte",
}
_FLAGS = {SigmaRegularExpressionFlag.MULTILINE: "m", SigmaRegularExpressionFlag.DOTALL: "s"}
_FOLD = {"ignore_case": True}


def item_filter(item: SigmaDetectionItem, paths: Paths) -> FilterDoc:
    """The filter of one item; `paths` names its fields. Raises NotCarriedError."""
    if not item.value:
        raise NotCarriedError(f"{item.field or 'keywords'}: has no value")
    found = _keywords(item) if item.field is None else _field(item, paths(item.field), paths)
    return none_of(found) if item.negated else found


def _field(item: SigmaDetectionItem, path: str, paths: Paths) -> FilterDoc:
    tests = [_test(value, item, path, paths) for value in item.value]
    if item.value_linking is ConditionAND:
        return all_of(tests)
    return any_of(_gathered(path, tests))


def _gathered(path: str, tests: list[FilterDoc]) -> Iterator[FilterDoc]:
    """Tests for equality become one `in` with all their values."""
    equal: dict[bool, dict[tuple[type, Any], Any]] = {}
    others = []
    for test in tests:
        operators: dict[str, Any] = test.get(path, {})
        values: list[Any] = operators.get("in") or [operators[name] for name in ("eq",) if name in operators]
        if not values:
            others.append(test)
            continue
        members = equal.setdefault("ignore_case" in operators, {})
        members.update({(type(value), value): value for value in values})
    for fold, members in equal.items():
        yield {path: _equal(list(members.values()), fold)}
    yield from others


def _equal(values: list[Any], fold: bool) -> dict[str, Any]:
    operator = {"eq": values[0]} if len(values) == 1 else {"in": values}
    return {**operator, **(_FOLD if fold else {})}


def _test(value: SigmaType, item: SigmaDetectionItem, path: str, paths: Paths) -> FilterDoc:
    match value:
        case SigmaExpansion():
            return any_of(_gathered(path, [_test(one, item, path, paths) for one in value.values]))
        case SigmaString():
            return {path: _text(value, item)}
        case SigmaTimestampPart():
            raise NotCarriedError(f"{item.field}: a part of a time cannot be taken out of a field")
        case SigmaNumber():
            if abs(value.number) > _MAX_EXACT:
                raise NotCarriedError(f"{item.field}: {value} is not exact any more; put it in quotes")
            return {path: _equal([value.number, str(value.number)], fold=False)}
        case SigmaBool():
            return {path: _equal([value.boolean, str(value.boolean).lower()], fold=True)}
        case SigmaNull():
            return {path: {"exists": False}}
        case SigmaExists():
            return {path: {"exists": value.exists}}
        case SigmaRegularExpression():
            return {path: _regex(value, item)}
        case SigmaCIDRExpression():
            return {path: {"cidr": str(value.cidr)}}
        case SigmaCompareExpression() if value.op in _COMPARED:
            return {path: {_COMPARED[value.op]: value.number.number}}
        case SigmaFieldReference() if not value.starts_with and not value.ends_with:
            return {path: {"field": paths(value.field), **_FOLD}}
        case SigmaFieldReference():
            raise NotCarriedError(f"{item.field}: fieldref compares whole fields, not their beginning or end")
        case _:
            raise NotCarriedError(f"{item.field}: {type(value).__name__} is a kind of value that filters do not have")


def _text(text: SigmaString, item: SigmaDetectionItem) -> dict[str, Any]:
    fold = {} if isinstance(text, SigmaCasedString) else _FOLD
    parts = _parts(text, item)
    match parts:
        case []:
            return {"eq": ""}
        case [str(literal)]:
            return _equal([literal, *_other_types(literal)], bool(fold))
        case [SpecialChars.WILDCARD_MULTI]:
            # `*` alone asks whether the field is there; of `contains` it is still a test of text
            return {"matches": "*"} if any(m in _OF_PARTS for m in item.modifiers) else {"exists": True}
        case [str(literal), SpecialChars.WILDCARD_MULTI]:
            return {"starts_with": literal, **fold}
        case [SpecialChars.WILDCARD_MULTI, str(literal)]:
            return {"ends_with": literal, **fold}
        case [SpecialChars.WILDCARD_MULTI, str(literal), SpecialChars.WILDCARD_MULTI]:
            return {"contains": literal, **fold}
    if any(type(part) is str and ("*" in part or "?" in part) for part in parts):
        # our patterns have no way to say a star or a question mark itself
        body = "".join(".*" if part is _MANY else "." if part is _ONE else re.escape(str(part)) for part in parts)
        return {"regex": rf"(?s)\A{body}\z", **fold}
    return {"matches": "".join("*" if part is _MANY else "?" if part is _ONE else str(part) for part in parts), **fold}


def _other_types(text: str) -> list[Any]:
    if text.lower() in _TRUTH:
        return [_TRUTH[text.lower()]]
    return [int(text)] if _NUMBER.fullmatch(text) and text != "-0" else []


def _parts(text: SigmaString, item: SigmaDetectionItem) -> list[str | SpecialChars]:
    """Literals and wildcards in turn, no wildcard for any text twice in a row."""
    parts: list[str | SpecialChars] = []
    for part in text.s:
        if isinstance(part, Placeholder):
            raise NotCarriedError(
                f"{item.field or 'keywords'}: %{part.name}% stands for values that only its own system knows; "
                "write them in its place"
            )
        if part is _MANY and parts and parts[-1] is _MANY:
            continue
        if type(part) is str and parts and type(parts[-1]) is str:
            parts[-1] += part
        elif part != "":
            parts.append(part)
    return parts


def _regex(value: SigmaRegularExpression, item: SigmaDetectionItem) -> dict[str, Any]:
    if any(isinstance(part, Placeholder) for part in value.regexp.s):
        raise NotCarriedError(f"{item.field}: a placeholder in a regular expression")
    flags = "".join(sorted(letter for flag, letter in _FLAGS.items() if flag in value.flags))
    pattern = value.regexp.original
    fold = _FOLD if SigmaRegularExpressionFlag.IGNORECASE in value.flags else {}
    return {"regex": f"(?{flags}){pattern}" if flags else pattern, **fold}


def _keywords(item: SigmaDetectionItem) -> FilterDoc:
    """Texts that may stand anywhere in the record."""
    found: dict[bool, list[str]] = {}
    for value in item.value:
        for one in value.values if isinstance(value, SigmaExpansion) else [value]:
            found.setdefault(not isinstance(one, SigmaCasedString), []).append(_keyword(one, item))
    tests = [
        {RAW: {"anywhere": few if len(few) > 1 else few[0], **(_FOLD if fold else {})}}
        for fold, texts in found.items()
        for few in ([[text] for text in texts] if item.value_linking is ConditionAND else [texts])
    ]
    return all_of(tests) if item.value_linking is ConditionAND else any_of(tests)


def _keyword(value: SigmaType, item: SigmaDetectionItem) -> str:
    if isinstance(value, SigmaNumber) and not isinstance(value, SigmaTimestampPart):
        return str(value.number)
    if not isinstance(value, SigmaString):
        raise NotCarriedError(f"keywords: {type(value).__name__} is no text that a record could have somewhere")
    parts = _parts(value, item)
    while parts and parts[0] is _MANY:
        parts.pop(0)
    while parts and parts[-1] is _MANY:
        parts.pop()
    if len(parts) != 1 or type(parts[0]) is not str:
        raise NotCarriedError(f"keywords: {value} has a wildcard within it, or nothing beside one")
    return parts[0]
