"""Patterns that tenants write cost a bounded time, whatever they are, and say at their path what is wrong."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.rules.patterns import (
    MAX_PROGRAM,
    PatternError,
    check_regex,
    check_wildcard,
    regex_search,
    wildcard_match,
)

from .interpreter import wildcard
from .making import NOON, compiled, event, problems, rule

CATASTROPHIC = [
    "(a+)+$",
    "(a|aa)+$",
    "(a|a?)+$",
    "(.*)*x",
    "(x+x+)+y",
    "(.*a){20}$",
    "^(([a-z])+.)+[A-Z]([a-z])+$",
    ".*.*.*.*.*.*=.*",
    "(?:a?){400}a{400}b",
    "[a-q]{1,500}[0-9]{1,400}x",
]


@pytest.mark.parametrize("pattern", CATASTROPHIC)
@pytest.mark.parametrize("text", ["a" * 250_000, "x" * 250_000, "aé" * 80_000], ids=["a", "x", "two bytes"])
def test_a_catastrophic_pattern_takes_no_longer_than_the_text_is_long(pattern: str, text: str) -> None:
    rule = compiled({"a": {"regex": pattern}})
    began = time.process_time()
    assert rule.matches(event(a=text + "!"), NOON) in (True, False)
    assert time.process_time() - began < 2, "0.35 s at worst; a backtracking engine would take years"


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(?=x)", "invalid perl operator: (?="),
        ("(?<!x)y", "invalid perl operator: (?<!"),
        (r"(a)\1", r"invalid escape sequence: \1"),
        ("(?P<n>a)(?P=n)", "invalid perl operator: (?P"),
        ("a++", "bad repetition operator: ++"),
        ("(?>a)", "invalid perl operator: (?>"),
        ("(", "missing ): ("),
        ("[z-a]", "invalid character class range: z-a"),
        ("*a", "no argument for repetition operator: *"),
        ("a{1001}", "invalid repetition size: {1001}"),
        ("(a{1000}){1000}", "invalid repetition size: {1000}"),
        ("((a{30}){30}){30}", "invalid repetition size: {30}"),
        (".{999}x", "too large (7997 instructions, at most 4000); repeat less"),
        ("x" * 2001, "longer than 2000 characters"),
    ],
)
def test_what_is_not_taken_is_told_with_its_reason(pattern: str, reason: str) -> None:
    for options in ({}, {"ignore_case": True}):
        (told,) = problems(rule({"any": [{"b": 1}, {"a": {"regex": pattern, **options}}]}))
        assert told.startswith("condition.any[1].a.regex: ")
        assert told.endswith(f" is not a regular expression that RE2 takes: {reason}")


def test_what_is_refused_is_refused_when_parsed_and_not_later() -> None:
    """In the case-insensitive form a pattern is larger; that form is the one that is checked."""
    refused = []
    for size in range(300, 1001, 50):
        pattern = f"[k-s]{{{size}}}"
        check_regex(pattern, False)
        written = {"a": {"regex": pattern, "ignore_case": True}}
        try:
            check_regex(pattern, True)
        except PatternError:
            refused.append(size)
            assert problems(rule(written))
        else:
            compiled(written)
    assert refused


def test_a_large_program_looks_at_less_of_a_long_text() -> None:
    pattern = "(?:abcde|fghij){350}|needle"
    match = regex_search(pattern, False)
    assert match("x" * 5_000 + "needle")
    assert not match("x" * 200_000 + "needle")
    assert regex_search("needle$", False)("x" * 250_000 + "needle"), "an ordinary one looks at all of an event"
    assert MAX_PROGRAM == 4000


@pytest.mark.parametrize("text", ["\ud800", "a\udfff"])
def test_text_outside_unicode_is_no_error(text: str) -> None:
    assert regex_search("^.+$", False)(text) in (True, False)
    assert wildcard_match("?*", False)(text) in (True, False)


@given(st.text("*?ab.\\[é", max_size=8), st.text("ab.\\[é\n", max_size=8))
def test_wildcards_are_what_they_say(pattern: str, text: str) -> None:
    check_wildcard(pattern, False)
    assert wildcard_match(pattern, False)(text) is wildcard(pattern, text)
    assert wildcard_match(pattern.upper(), True)(text) is wildcard(pattern, text)


@pytest.mark.parametrize("pattern", ["*a" * 500, "a*" * 900 + "b", "*?a" * 300, "?" * 400, "*" * 1000 + "b"])
def test_many_wildcards_cost_little(pattern: str) -> None:
    match = wildcard_match(pattern, False)
    began = time.process_time()
    match("a" * 250_000)
    assert time.process_time() - began < 2


def test_a_pattern_with_too_many_question_marks_is_told() -> None:
    (told,) = problems(rule({"a": {"matches": "?" * 1500}}))
    assert re.fullmatch(r"condition\.a\.matches: \?+… is not a pattern: too large \(\d+ instructions, .*", told)
