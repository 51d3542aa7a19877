"""Reading a field path out of an event document.

A step into a map takes the value of that name; a step of digits into a list takes that element, from 0; any other
step into a list is taken into each of its elements, and what is found there is one list. null is the same as absent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streamproc.model.condition import Path

Getter = Callable[[dict[str, Any]], Any]
"""The value at a path: a scalar, a map, a list (its elements count one by one), or None."""
Steps = tuple[tuple[str, int], ...]
"""Each step with the place in a list that it stands for, -1 for none."""


def getter(path: Path) -> Getter:
    """A function for the path; the common short ones cost little."""
    if len(path) == 1:
        name = path[0]
        return lambda doc: doc.get(name)
    if len(path) == 2:
        first, second = path
        rest = steps_of(path[1:])

        def two(doc: dict[str, Any]) -> Any:
            inner = doc.get(first)
            return inner.get(second) if type(inner) is dict else walk(inner, rest)

        return two
    steps = steps_of(path)
    return lambda doc: walk(doc, steps)


def steps_of(path: Path) -> Steps:
    """The path as `walk` takes it."""
    return tuple((step, int(step) if step.isascii() and step.isdigit() and len(step) < 10 else -1) for step in path)


def walk(value: Any, steps: Steps) -> Any:
    """What `value` has at the steps below it."""
    for place, (name, index) in enumerate(steps):
        if type(value) is dict:
            value = value.get(name)
        elif type(value) is not list:
            return None
        elif index >= 0:
            value = value[index] if index < len(value) else None
        else:
            rest = steps[place:]
            found = [inner for item in value if type(item) in (dict, list) for inner in _flat(walk(item, rest))]
            return found or None
    return value


def _flat(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if type(value) is list else [value]
