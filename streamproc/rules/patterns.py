"""Patterns that tenants write: wildcards and regular expressions, matched in linear time by RE2."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

import re2

MAX_PATTERN = 2000
MAX_PROGRAM_BYTES = 1 << 20


class PatternError(ValueError):
    """A regular expression that RE2 does not take; the text says why."""


def _options() -> re2.Options:
    options = re2.Options()
    options.log_errors = False
    options.max_mem = MAX_PROGRAM_BYTES
    return options


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re2._Regexp:
    if len(pattern) > MAX_PATTERN:
        raise PatternError(f"is longer than {MAX_PATTERN} characters")
    try:
        return re2.compile(pattern, _options())
    except re2.error as error:
        reason = error.args[0] if error.args else error
        raise PatternError(reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)) from None


def check_regex(pattern: str) -> None:
    """Raises PatternError for what RE2 does not take (look-around and back references among others)."""
    _compiled(pattern)


def regex_search(pattern: str, ignore_case: bool) -> Callable[[str], bool]:
    """Whether the pattern is found anywhere in a text."""
    search = _compiled(f"(?i){pattern}" if ignore_case else pattern).search
    return lambda text: search(_valid(text)) is not None


def wildcard_match(pattern: str, ignore_case: bool) -> Callable[[str], bool]:
    """Whether a whole text matches a pattern in which `*` stands for any text and `?` for one character."""
    if ignore_case:
        pattern = pattern.casefold()
        inner = wildcard_match(pattern, False)
        return lambda text: inner(text.casefold())
    if "?" not in pattern:
        head, star, tail = pattern.partition("*")
        if not star:
            return pattern.__eq__
        if "*" not in tail:
            least = len(pattern) - 1
            if not tail:
                return lambda text: text.startswith(head)
            if not head:
                return lambda text: text.endswith(tail)
            return lambda text: len(text) >= least and text.startswith(head) and text.endswith(tail)
        if not head and tail.endswith("*") and "*" not in tail[:-1]:
            middle = tail[:-1]
            return lambda text: middle in text
    translated = re.sub(r"\*+", "*", pattern)
    parts = [re2.escape(part) for part in re.split(r"([*?])", translated)]
    body = "".join(".*" if p == re2.escape("*") else "." if p == re2.escape("?") else p for p in parts)
    fullmatch = _compiled(f"(?s){body}").fullmatch
    return lambda text: fullmatch(_valid(text)) is not None


def _valid(text: str) -> str:
    """RE2 takes UTF-8; a lone surrogate has none."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
