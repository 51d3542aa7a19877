"""From a document to a `Rule`, or to everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any
from uuid import UUID

from streamproc.model.document import DocumentError, Problem, parsed, snake
from streamproc.model.rule import Rule
from streamproc.rules.problems import Problems, RuleError
from streamproc.rules.types import TYPES, Settings

_SHIELD = ("threshold_time", "threshold_type", "conditions")
"""Shield writes these beside the name; they belong to the condition."""


def parse_rule(doc: Any, *, default_tenant: str | None = None) -> Rule:
    """The rule; `default_tenant` owns one that names no tenant. Raises RuleError with every problem found.

    A rule without an id gets `rule_<uuid>`, derived from its tenant and name, so that reading it again names the
    same rule.
    """
    problems = Problems()
    if not isinstance(doc, Mapping):
        problems.value("", doc, "a rule: a map of fields")
        problems.check()
    fields = {str(name): value for name, value in doc.items()}
    spelled = {snake(name): name for name in fields}
    condition = fields.pop(spelled.get("condition", "condition"), {})
    shield = {name: fields.pop(spelled[name]) for name in _SHIELD if name in spelled}
    if "type" not in spelled and ("threshold_time" in shield or "threshold_type" in shield):
        fields["type"] = "threshold"
    if not _given(fields, "tenant_id") and default_tenant is not None:
        fields["tenant_id"] = default_tenant
    if not _given(fields, "id"):
        fields["id"] = _derived_id(fields)
    parsed_condition = _condition(fields.get("type"), condition, shield, problems)
    try:
        rule = parsed(Rule, {**fields, "condition": parsed_condition})
    except DocumentError as error:
        found = [p for p in error.problems if p.path != "type" or not any(q.path == "type" for q in problems.found)]
        raise RuleError((*found, *problems.found)) from None
    problems.check()
    return rule


def _given(fields: Mapping[str, Any], name: str) -> bool:
    return any(snake(written) == name and value is not None for written, value in fields.items())


def _condition(kind: Any, written: Any, shield: Mapping[str, Any], problems: Problems) -> Any:
    if not isinstance(written, Mapping):
        problems.value("condition", written, "a map of fields")
        return None
    clash = [name for name in shield if any(snake(str(key)) == name for key in written)]
    for name in clash:
        problems.add(name, "is given in the condition too; keep one of them")
    if not isinstance(kind, str) or kind not in TYPES:
        if kind is not None:
            problems.value("type", kind, f"one of {', '.join(TYPES)}")
        return None
    return TYPES[kind](_Merged(written, shield), problems)


class _Merged(Settings):
    """A condition whose Shield settings may stand beside it; problems name the place where each was written."""

    def __init__(self, written: Mapping[str, Any], beside: Mapping[str, Any]) -> None:
        super().__init__({**beside, **written})
        self._beside = frozenset(beside)

    def path(self, name: str) -> str:
        return name if name in self._beside else super().path(name)


def _derived_id(fields: Mapping[str, Any]) -> str:
    named = {snake(name): value for name, value in fields.items()}
    text = f"{named.get('tenant_id')}\0{named.get('name')}"
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, person=b"rule id").digest()
    return f"rule_{UUID(bytes=digest, version=4)}"


__all__ = ["Problem", "RuleError", "parse_rule"]
