"""The counting hash: what a stored window is a count of.

It is taken over plain texts and numbers in a form of its own, so that neither another way to write the same rule nor
another release of streamproc makes every window start anew.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from streamproc.model.condition import AllOf, AnyOf, Filter, NamedList, NoneOf, Op, SequenceCondition, ShieldTest, Test
from streamproc.model.rule import Rule

_SETTINGS = ("group_by", "distinct", "window_ms", "window_type")
_OF_TYPES = (
    *("schedule", "bucket_ms", "path", "ordered", "within_ms", "every_ms"),
    *("days", "start_minute", "end_minute", "country", "holidays"),
)
"""What else makes a count another one, where a condition has it."""
_SAME = {Op.EQ: "in", Op.IN: "in", Op.NOT: "not_in", Op.NOT_IN: "not_in"}


def counting_hash(rule: Rule) -> bytes:
    """8 bytes that change when what is counted, or by what, changes; then a key starts a new window.

    In it: the type, the filter, group_by, distinct, the window and its kind, what further types count by (`_OF_TYPES`),
    the lateness, and the time zone. Not
    in it, because a stored window stays right: the count that triggers, the order in which tests are written, and
    all that people see (name, severity, …).
    """
    condition = rule.condition
    settings: list[tuple[str, Any]] = [(name, getattr(condition, name, None)) for name in _SETTINGS]
    settings += [(name, getattr(condition, name)) for name in _OF_TYPES if hasattr(condition, name)]
    if isinstance(condition, SequenceCondition):
        settings.append(("steps", [_meaning(step) for step in condition.steps]))
    text = repr((rule.type, _meaning(condition.filter), settings, rule.lateness_seconds, rule.timezone))
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8, person=b"counting").digest()


def _meaning(tree: Filter) -> tuple[Any, ...]:
    match tree:
        case AllOf():
            parts = _unordered(_flat(tree))
            return parts[0] if len(parts) == 1 else ("all", *parts)
        case AnyOf(parts):
            return ("any", *_unordered(map(_meaning, parts)))
        case NoneOf(parts):
            return ("none", *_unordered(map(_meaning, parts)))
        case ShieldTest(field, values, negated):
            return ("shield", field, _unordered(values), negated)
        case Test(path, op, value, ignore_case):
            return (path, _SAME.get(op, op.value), _operand(op, value), ignore_case)


def _flat(tree: AllOf) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    for part in tree.parts:
        found += _flat(part) if isinstance(part, AllOf) else [_meaning(part)]
    return found


def _operand(op: Op, value: Any) -> Any:
    if isinstance(value, NamedList):
        return ("list", value.name)
    if op in (Op.EQ, Op.NOT):
        return _unordered([_scalar(value)])
    if op in (Op.IN, Op.NOT_IN):
        return _unordered(map(_scalar, value))
    if op in (Op.CIDR, Op.ANYWHERE):
        return _unordered(value)
    if op in (Op.BETWEEN, Op.FIELD):
        return tuple(map(_scalar, value))
    return _scalar(value)


def _scalar(value: Any) -> Any:
    return int(value) if type(value) is float and value.is_integer() else value


def _unordered(parts: Any) -> tuple[Any, ...]:
    """Sorted, each once. By their text, because texts, numbers and tuples have no order among them."""
    by_text = {repr(part): part for part in parts}
    return tuple(by_text[text] for text in sorted(by_text))
