"""A rule as plain JSON values, whatever it was given as: what JSON cannot carry is a problem, and depth is bounded.

All that is read after this has exact types (dict with text keys, list, str, int, float, bool, None), is a copy of
what the caller holds, and can be shown, hashed and walked without surprises.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from streamproc.rules.problems import Problems

MAX_LEVELS = 80
MAX_ITEMS = 300_000
"""More than fits the largest config record; YAML's anchors can make far more out of a few lines."""
MAX_KEY = 512
_MIN_INT, _MAX_INT = -(1 << 63), (1 << 64) - 1


class Odd:
    """Stands where a value was that JSON does not have; its problem is told already."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "…"


def plain(document: Any, problems: Problems) -> Any:
    """The copy; None when it is too deep or too large to be read any further."""
    copy = _Copy(problems)
    try:
        return copy.of(document, "", 0)
    except _TooMuchError:
        return None
    except Exception as error:  # a map or a list of a type of its own may do anything
        problems.add("", f"cannot be read: {type(error).__name__}")
        return None


class _TooMuchError(Exception):
    """Told already."""


class _Copy:
    def __init__(self, problems: Problems) -> None:
        self._problems = problems
        self._items = 0

    def of(self, value: Any, path: str, depth: int) -> Any:
        if type(value) in (int, str) or value is None or value is True or value is False:
            return self._scalar(value, path)
        if isinstance(value, Mapping):
            self._enter(len(value), path, depth)
            return self._map(value, path, depth)
        if isinstance(value, list | tuple):
            self._enter(len(value), path, depth)
            return [self.of(item, f"{path}[{place}]", depth + 1) for place, item in enumerate(value)]
        return self._scalar(value, path)

    def _enter(self, items: int, path: str, depth: int) -> None:
        self._items += items
        if depth >= MAX_LEVELS:
            self._problems.add(path, f"is nested deeper than {MAX_LEVELS} levels")
            raise _TooMuchError
        if self._items > MAX_ITEMS:
            self._problems.add(path, f"is too large: a rule has at most {MAX_ITEMS} values")
            raise _TooMuchError

    def _map(self, value: Mapping[Any, Any], path: str, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, item in value.items():
            at = f"{path}.{key}" if path else str(key)
            if not isinstance(key, str):
                self._problems.value(at, key, "text, as every name is; put it in quotes")
            elif len(key) > MAX_KEY or not _unicode(key):
                self._problems.value(path, key, f"a name: at most {MAX_KEY} characters of Unicode text")
            else:
                result[str.__str__(key)] = self.of(item, at, depth + 1)
        return result

    def _scalar(self, value: Any, path: str) -> Any:
        if isinstance(value, str):
            if _unicode(value):
                return str.__str__(value)
            self._problems.value(path, value, "Unicode text")
        elif type(value) is int:
            if _MIN_INT <= value <= _MAX_INT:
                return value
            self._problems.value(path, value, "a 64-bit number; put it in quotes")
        elif type(value) is float:
            if math.isfinite(value):
                return value
            self._problems.value(path, value, "a finite number")
        elif value is None or type(value) is bool:
            return value
        else:
            self._problems.value(path, value, "text, a number, true, false, null, a list or a map")
        return Odd()


def _unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
