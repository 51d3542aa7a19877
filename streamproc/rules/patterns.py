"""Patterns that tenants write: wildcards and regular expressions, whose cost is bounded whatever they are.

RE2 takes time in proportion to program size times length of the text, so both are limited: a pattern may compile to
at most `MAX_PROGRAM` instructions, and looks at the first `MAX_STEPS / instructions` bytes of a text: all of a 256 KiB
event for an ordinary pattern, 8 KiB for the largest. The worst that was found, `(?:a?){400}a{400}b`, takes 0.35 s.
The limit is per text: a list of texts in one event may take that several times.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

import re2

MAX_PATTERN = 2000
MAX_PROGRAM = 4000
MAX_STEPS = 1 << 25
MAX_MEMORY = 1 << 20


class PatternError(ValueError):
    """A pattern that is not taken; the text says why."""


@lru_cache(maxsize=4096)
def _compiled(pattern: str, ignore_case: bool, wildcard: bool = False) -> re2._Regexp:
    if len(pattern) > MAX_PATTERN:
        raise PatternError(f"longer than {MAX_PATTERN} characters")
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = MAX_MEMORY
    options.case_sensitive = not ignore_case
    options.dot_nl = wildcard
    try:
        compiled = re2.compile(pattern, options)
    except (re2.error, UnicodeEncodeError) as error:
        reason = error.args[0] if error.args else error
        raise PatternError(reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)) from None
    if compiled.programsize > MAX_PROGRAM:
        raise PatternError(f"too large ({compiled.programsize} instructions, at most {MAX_PROGRAM}); repeat less")
    return compiled


def check_regex(pattern: str, ignore_case: bool) -> None:
    """Raises PatternError for what RE2 does not take (look-around and back references among others)."""
    _compiled(pattern, ignore_case)


def check_wildcard(pattern: str, ignore_case: bool) -> None:
    """Raises PatternError for a pattern that would cost too much."""
    wildcard_match(pattern, ignore_case)


def regex_search(pattern: str, ignore_case: bool) -> Callable[[str], bool]:
    """Whether the pattern is found anywhere in a text."""
    compiled = _compiled(pattern, ignore_case)
    search, limit = compiled.search, MAX_STEPS // max(compiled.programsize, 1)
    # bytes, because for text the binding counts characters up to the match, which nobody asks for
    return lambda text: search(text.encode("utf-8", "replace")[:limit]) is not None


def wildcard_match(pattern: str, ignore_case: bool) -> Callable[[str], bool]:
    """Whether a whole text matches a pattern in which `*` stands for any text and `?` for one character."""
    if ignore_case:
        inner = wildcard_match(pattern.casefold(), False)
        return lambda text: inner(text.casefold())
    if "?" in pattern:
        return _with_single(pattern)
    head, *middle, tail = pattern.split("*") if "*" in pattern else (pattern, "")
    if "*" not in pattern:
        return lambda text: text == pattern
    middle = [part for part in middle if part]
    least = len(head) + len(tail)
    if middle:
        return lambda text: _in_order(text, head, middle, tail)
    if not tail:
        return lambda text: text.startswith(head)
    if not head:
        return lambda text: text.endswith(tail)
    return lambda text: len(text) >= least and text.startswith(head) and text.endswith(tail)


def _in_order(text: str, head: str, middle: list[str], tail: str) -> bool:
    """The parts follow one another without overlap; taking each as early as it comes leaves most to the rest."""
    end = len(text) - len(tail)
    if not text.startswith(head) or not text.endswith(tail):
        return False
    start = len(head)
    for part in middle:
        found = text.find(part, start, end) if start <= end else -1
        if found < 0:
            return False
        start = found + len(part)
    return start <= end


def _with_single(pattern: str) -> Callable[[str], bool]:
    parts = re.split(r"(\?|\*+)", pattern)
    body = "".join("." if part == "?" else ".*" if part.startswith("*") else re2.escape(part) for part in parts)
    compiled = _compiled(body, False, wildcard=True)
    fullmatch, limit = compiled.fullmatch, MAX_STEPS // max(compiled.programsize, 1)

    def match(text: str) -> bool:
        encoded = text.encode("utf-8", "replace")
        return len(encoded) <= limit and fullmatch(encoded) is not None

    return match
