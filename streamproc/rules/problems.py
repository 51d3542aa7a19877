"""Collecting everything that is wrong in a rule, each with its path."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from streamproc.model.document import DocumentError, Problem

MAX_SHOWN = 80


class RuleError(DocumentError):
    """A rule that cannot be used; `problems` has everything that was found wrong with it."""


class Problems:
    """Gathers problems while a document is read, so that its author sees all of them at once."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, path: str, message: str) -> None:
        """`message` starts with the value or a verb: `0 is not at least 1`."""
        self.found.append(Problem(path, message))

    def value(self, path: str, value: object, expected: str) -> None:
        """`path: value is not expected`."""
        self.add(path, f"{shown(value)} is not {expected}")

    def unknown(self, path: str, name: str, known: tuple[str, ...]) -> None:
        """A name that is not one of `known`; names the nearest."""
        near = get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}"
        self.add(path, f"is not known{hint}")

    def check(self) -> None:
        """Raise RuleError when anything was found."""
        if self.found:
            raise RuleError(tuple(self.found))


def shown(value: Any) -> str:
    """A value in a message: as written, shortened."""
    text = value if isinstance(value, str) and value and value.isprintable() else repr(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
