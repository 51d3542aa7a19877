"""The whole filter language, parsed, compiled and indexed, against the plain interpreter."""

from __future__ import annotations

from typing import Any

from hypothesis import event as note
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamproc.rules import RuleIndex, compile_rule, parse_rule

from .conditions import LISTS, ZONES, conditions, events, times
from .interpreter import Interpreter
from .making import rule


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any]]:
    doc = draw(events())
    return draw(conditions(doc=doc)), doc


@settings(max_examples=1000, deadline=None)
@given(cases(), times, st.sampled_from(ZONES))
@example(({"a": {"not": 1}}, {"action": "x", "a": [True]}), 0, "UTC")
@example(({"event_time.date": "2011-12-31"}, {"action": "x"}), 1_325_246_400_000, "Pacific/Apia")
@example(({"any": [{"tags": {"exists": True}}]}, {"action": "x", "tags": []}), 0, "UTC")
def test_compiled_rules_match_what_the_interpreter_does(
    case: tuple[dict[str, Any], dict[str, Any]], t: int, zone: str
) -> None:
    condition, doc = case
    compiled = compile_rule(parse_rule(rule(condition, timezone=zone)), 1, LISTS)
    expected = Interpreter(doc, t, zone, LISTS).holds(condition)
    note(f"matches: {expected}")
    assert compiled.matches(doc, t) is expected
    if expected:
        assert compiled in RuleIndex.empty.with_tenant("acme", [compiled]).candidates("acme", doc)
