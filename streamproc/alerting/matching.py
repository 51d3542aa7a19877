"""Whether an alert record matches a filter of `model.alert_filter`.

Text equals text, numbers equal numbers, true and false only themselves; anything else compared is no match and never
an error. A list matches when any of its elements does. An absent field matches `not`, `not_in`, `none` and
`exists: false`, and nothing else. Severities are ordered, informational lowest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streamproc.model.alert_filter import RANKS, regex
from streamproc.model.condition import AllOf, AnyOf, Filter, NoneOf, Op, Path, Test

MAX_SCANNED = 64 * 1024
"""Characters of a text that a regular expression looks at."""


def matches(tree: Filter, alert: Mapping[str, Any]) -> bool:
    """Whether the alert record matches; the tree's depth is bounded by its reader."""
    match tree:
        case AllOf(parts):
            return all(matches(part, alert) for part in parts)
        case AnyOf(parts):
            return any(matches(part, alert) for part in parts)
        case NoneOf(parts):
            return not any(matches(part, alert) for part in parts)
        case Test(path, op, value):
            found = values_at(alert, path)
            if op is Op.EXISTS:
                return bool(found) is value
            if op in (Op.NOT, Op.NOT_IN):
                wanted = value if op is Op.NOT_IN else (value,)
                return not any(_same(one, other) for one in found for other in wanted)
            return any(_holds(op, value, one, path) for one in found)
        case _:
            return False  # Shield's tests are of events


def values_at(document: Any, path: Path) -> list[Any]:
    """What stands at the path: nothing, one value, or a list's elements.

    Names that have dots in them, such as a group's `actor.ip`, are found too; the longest that fits is taken. A step
    into a list is a place in it if it is digits, else it is taken into each element. null is absent.
    """
    if not path:
        if isinstance(document, list | tuple):
            return [one for one in document if one is not None]
        return [] if document is None else [document]
    if isinstance(document, Mapping):
        for end in range(len(path), 0, -1):
            inner = document.get(".".join(path[:end]))
            if inner is not None:
                return values_at(inner, path[end:])
        return []
    if isinstance(document, list | tuple):
        step = path[0]
        if step.isascii() and step.isdigit() and len(step) < 10:
            return values_at(document[int(step)], path[1:]) if int(step) < len(document) else []
        return [found for one in document if isinstance(one, Mapping) for found in values_at(one, path)]
    return []


def _holds(op: Op, wanted: Any, found: Any, path: Path) -> bool:
    match op:
        case Op.EQ:
            return _same(found, wanted)
        case Op.IN:
            return any(_same(found, one) for one in wanted)
        case Op.GT | Op.GTE | Op.LT | Op.LTE:
            if path == ("severity",):
                found, wanted = RANKS.get(found) if isinstance(found, str) else None, RANKS.get(wanted)
            return _ordered(op, found, wanted)
        case Op.CONTAINS:
            return isinstance(found, str) and wanted in found
        case Op.STARTS_WITH:
            return isinstance(found, str) and found.startswith(wanted)
        case Op.REGEX:
            return isinstance(found, str) and _found(wanted, found)
        case _:
            return False


def _found(pattern: str, text: str) -> bool:
    return regex(pattern).search(text[:MAX_SCANNED].encode("utf-8", "replace")) is not None


def _same(found: Any, wanted: Any) -> bool:
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    return bool(found == wanted)


def _ordered(op: Op, found: Any, wanted: Any) -> bool:
    kind: tuple[type, ...] = (str,) if isinstance(wanted, str) else (int, float)
    if not isinstance(found, kind) or isinstance(found, bool) or wanted is None:
        return False
    match op:
        case Op.GT:
            return bool(found > wanted)
        case Op.GTE:
            return bool(found >= wanted)
        case Op.LT:
            return bool(found < wanted)
        case _:
            return bool(found <= wanted)
