"""Names as people spell them: `windowSeconds` is `window_seconds`."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from streamproc.model import document

snake = lru_cache(maxsize=4096)(document.snake)
"""The snake_case form of a name; rules have few different ones, and each is asked for many times."""


def spelled(names: Iterable[str]) -> dict[str, list[str]]:
    """snake_case name → the ways in which it was written, in their order."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(snake(name), []).append(name)
    return found
