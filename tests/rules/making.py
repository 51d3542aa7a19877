"""Short ways to rules and events."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest

from streamproc.rules import CompiledRule, RuleError, compile_rule, parse_rule

NOON = 1_770_724_800_000
"""2026-02-10T12:00:00Z, a Tuesday, in ms."""


def ms(text: str) -> int:
    """An ISO time with its offset, in ms."""
    return int(datetime.fromisoformat(text).timestamp() * 1000)


def event(**fields: Any) -> dict[str, Any]:
    """A canonical document."""
    return {
        "id": "e1",
        "tenant_id": "acme",
        "action": "a",
        "outcome": "success",
        "event_time": "2026-02-10T12:00:00.000Z",
    } | fields


def rule(condition: Any = None, **fields: Any) -> dict[str, Any]:
    """A pattern rule as people write it."""
    return {"name": "n", "tenant_id": "acme", "type": "pattern", "condition": condition or {}} | fields


def compiled(condition: Any, lists: Mapping[str, Any] | None = None, revision: int = 1, **fields: Any) -> CompiledRule:
    return compile_rule(parse_rule(rule(condition, **fields)), revision, lists)


def matches(condition: Any, doc: dict[str, Any], t: int = NOON, **fields: Any) -> bool:
    return compiled(condition, **fields).matches(doc, t)


def problems(doc: Any, **options: Any) -> list[str]:
    """What is wrong with it."""
    with pytest.raises(RuleError) as caught:
        parse_rule(doc, **options)
    return [str(problem) for problem in caught.value.problems]
