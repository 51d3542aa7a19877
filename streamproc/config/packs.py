"""The rule packs that come with the product: rules ready to use, each with its tests and a runbook.

A pack is a directory of `streamproc/rules/packs`, and each file in it is one rule without a tenant, named by its id.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from streamproc.config.documents import Document, parse_documents
from streamproc.model.rule import EVERY_TENANT, Rule
from streamproc.rules import parse_rule
from streamproc.rules.lint import actions_of

GENERIC = "generic"
"""The pack whose actions are usual names, not those of one source."""


@dataclass(frozen=True, slots=True)
class RuleTemplate:
    """One rule of a pack. `text` is its file, comments and all; `rule` is it for every tenant."""

    pack: str
    text: str
    document: Document
    rule: Rule

    @property
    def id(self) -> str:
        """Unique over all packs."""
        return self.rule.id

    @property
    def content(self) -> dict[str, Any]:
        """The rule as a document, without a tenant."""
        return dict(self.document.content)


@cache
def rule_templates() -> tuple[RuleTemplate, ...]:
    """All rules of all packs, by pack and id."""
    packs = resources.files("streamproc.rules") / "packs"
    found = []
    for pack in sorted((one for one in packs.iterdir() if one.is_dir()), key=lambda one: one.name):
        for file in sorted(pack.iterdir(), key=lambda one: one.name):
            if file.name.endswith(".yaml"):
                text = file.read_text(encoding="utf-8")
                (document,) = parse_documents(text, f"{pack.name}/{file.name}")
                rule = parse_rule(document.content, default_tenant=EVERY_TENANT)
                found.append(RuleTemplate(pack.name, text, document, rule))
    return tuple(found)


@cache
def known_actions() -> frozenset[str]:
    """Actions as sources spell them: those that the packs of single sources ask for."""
    rules = (one.rule for one in rule_templates() if one.pack != GENERIC)
    return frozenset(action for rule in rules for action in actions_of(rule.condition.filter))
