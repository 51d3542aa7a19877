"""A condition as written: the settings of its type are taken out by name, what is left is the filter."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from streamproc.rules.problems import Problems
from streamproc.rules.spelling import spelled


class Settings:
    """Settings may be spelled in snake_case or camelCase; those of `beside` were written beside the condition."""

    def __init__(self, written: Mapping[str, Any], problems: Problems, where: str, beside: Mapping[str, Any]) -> None:
        self.where = where
        self.beside: Collection[str] = frozenset(beside)
        """The keys that stand beside the condition, as written."""
        self._left = {**beside, **written}
        self._spelled = spelled(self._left)
        self._problems = problems
        for name in written.keys() & beside.keys():
            problems.add(name, "is given in the condition too; keep one of them")

    def path(self, name: str) -> str:
        """Where a setting stands, as it was spelled, for messages."""
        return self._at(self._spelled.get(name, [name])[0])

    def take(self, name: str, default: Any = None) -> Any:
        """The setting by its snake_case name, whichever way it was spelled."""
        if name not in self._spelled:
            return default
        first, *others = self._spelled[name]
        for other in others:
            self._left.pop(other, None)
            self._problems.add(self._at(other), f"is given twice (as {first} too)")
        return self._left.pop(first, default)

    def peek(self, name: str) -> Any:
        """The setting as written, left where it is; None without it."""
        return self._left.get(self._spelled[name][0]) if name in self._spelled else None

    def has(self, name: str) -> bool:
        """Whether the setting was written."""
        return name in self._spelled

    @property
    def rest(self) -> Mapping[str, Any]:
        """The filter."""
        return self._left

    def _at(self, written: str) -> str:
        return written if written in self.beside else f"{self.where}.{written}"
