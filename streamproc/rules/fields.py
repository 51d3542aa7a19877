"""Reading a field path out of an event document.

A step into a map takes the value of that name; a step of digits into a list takes that element; any other step into
a list is taken into each of its elements. null is the same as absent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streamproc.model.condition import Path

Getter = Callable[[dict[str, Any]], Any]
"""The value at a path: a scalar, a map, a list (its elements count one by one), or None."""


def getter(path: Path) -> Getter:
    """A function for the path; the common short ones cost little."""
    if len(path) == 1:
        name = path[0]
        return lambda doc: doc.get(name)
    if len(path) == 2:
        first, second = path
        rest = path[1:]

        def two(doc: dict[str, Any]) -> Any:
            inner = doc.get(first)
            if type(inner) is dict:
                return inner.get(second)
            return None if inner is None else _walk(inner, rest)

        return two
    return lambda doc: _walk(doc, path)


def _walk(value: Any, path: Path) -> Any:
    for place, step in enumerate(path):
        if type(value) is dict:
            value = value.get(step)
        elif type(value) is list:
            if step.isdigit():
                index = int(step)
                value = value[index] if index < len(value) else None
            else:
                rest = path[place:]
                found = [inner for item in value if type(item) in (dict, list) for inner in _flat(_walk(item, rest))]
                return found or None
        else:
            return None
        if value is None:
            return None
    return value


def _flat(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if type(value) is list else [value]
