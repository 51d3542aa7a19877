"""Collecting everything that is wrong in a rule, each with its path."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any

from streamproc.model.document import DocumentError, Problem

MAX_SHOWN = 80
MAX_PATH = 300
_AMBIGUOUS = re.compile(r"|\s.*|.*\s|[-+]?[0-9.][0-9.e+-]*|true|false|null|~|[\[{'\"].*", re.IGNORECASE)
MAX_PROBLEMS = 100
"""More help nobody, and a hostile document could have a great many."""


class RuleError(DocumentError):
    """A rule that cannot be used; `problems` has everything that was found wrong with it."""


class Problems:
    """Gathers problems while a document is read, so that its author sees all of them at once."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, path: str, message: str) -> None:
        """`message` starts with the value or a verb: `0 is not at least 1`."""
        if len(path) > MAX_PATH:
            path = path[: MAX_PATH - 1] + "…"
        if len(self.found) < MAX_PROBLEMS:
            self.found.append(Problem(path, message))
        elif len(self.found) == MAX_PROBLEMS:
            self.found.append(Problem("", "and more problems; mend these first"))

    def value(self, path: str, value: object, expected: str) -> None:
        """`path: value is not expected`."""
        self.add(path, f"{shown(value)} is not {expected}")

    def unknown(self, path: str, name: str, known: Sequence[str]) -> None:
        """A name that is not one of `known`; names the nearest."""
        near = get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}"
        self.add(path, f"{shown(name)} is not known{hint}")

    def check(self) -> None:
        """Raise RuleError when anything was found."""
        if self.found:
            raise RuleError(tuple(self.found))


def shown(value: Any) -> str:
    """A value in a message as it was written, shortened; in quotes where it could be taken for something else."""
    if value is None or value is True or value is False:
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str) and value.isprintable() and not _AMBIGUOUS.fullmatch(value[:MAX_SHOWN]):
        return value if len(value) <= MAX_SHOWN else value[: MAX_SHOWN - 1] + "…"
    try:
        few = value[: MAX_SHOWN * 2] if isinstance(value, str | list | tuple) else value
        text = repr(list(few) if isinstance(few, tuple) else few)
    except Exception:  # a value of any type may be shown here, also one nested too deeply or a number too long
        text = f"a {type(value).__name__}"
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
