"""Sigma rules in, rule documents out, and each that could not be carried over with the reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule
from sigma.rule import SigmaRule

from streamproc.rules.parse import parse_rule
from streamproc.rules.problems import RuleError
from streamproc.rules.sigma.attributes import Origin, shown_fields
from streamproc.rules.sigma.correlations import correlated
from streamproc.rules.sigma.detections import rule_filter
from streamproc.rules.sigma.fields import category_of
from streamproc.rules.sigma.reading import Parsed, error_text, parse_documents, refusal
from streamproc.rules.sigma.refusal import NotCarriedError, Refused
from streamproc.rules.types import TYPES

_FIRST = ("id", "tenant_id", "name", "description", "type", "condition")


@dataclass(frozen=True, slots=True)
class Imported:
    """A rule document of ours and the place of the Sigma rule that it says."""

    source: str
    document: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Report:
    """What came of some Sigma rules. `within`: those that only count as part of a correlation that was imported."""

    imported: list[Imported]
    within: list[str]
    refused: list[Refused]


def import_documents(
    documents: Sequence[tuple[str, str, Mapping[str, Any]]],
    *,
    tenant: str | None = None,
    source: str | None = None,
    origin: Origin | None = None,
) -> Report:
    """Convert Sigma documents, each (file, place for messages, content).

    Every document in the report is taken by `parse_rule`, given a tenant. `tenant` is written into them when given.
    `source` is what the events of log sources have as their `source` that streamproc has no mapping for. Nothing in a
    document raises.
    """
    origin = origin or Origin()
    rules, refused = parse_documents(documents)
    rules = _each_once(rules, refused)
    broken = _resolve(rules, refused)
    imported: list[Imported] = []
    within: list[Parsed] = []
    used: set[int] = set()
    for parsed in rules:
        if id(parsed.rule) in broken:
            continue
        if isinstance(parsed.rule, SigmaRule) and not parsed.rule._output:
            within.append(parsed)
            continue
        try:
            imported.append(Imported(parsed.source, _document(parsed.rule, tenant, source, origin)))
        except NotCarriedError as error:
            refused.append(refusal(parsed, str(error)))
        except RuleError as error:
            refused.append(refusal(parsed, "; ".join(map(str, error.problems[:3]))))
        except Exception as error:  # pySigma reads conditions late, and tells by many kinds of errors
            refused.append(refusal(parsed, error_text(error)))
        else:
            if isinstance(parsed.rule, SigmaCorrelationRule):
                used.update(id(reference.rule) for reference in parsed.rule.referenced_rules)
    carried = [parsed for parsed in within if id(parsed.rule) in used]
    for parsed in within:
        if id(parsed.rule) not in used:
            refused.append(refusal(parsed, "is only a part of correlations, and none of them could be carried over"))
    return Report(imported, [parsed.source for parsed in carried], refused)


def _each_once(rules: Iterable[Parsed], refused: list[Refused]) -> list[Parsed]:
    """The first of each id; two rules of one id would be one rule."""
    first: dict[object, Parsed] = {}
    for parsed in rules:
        key = parsed.rule.id or ("title", parsed.rule.title)
        if key in first:
            refused.append(refusal(parsed, f"has the id, or without one the title, of the rule at {first[key].source}"))
        else:
            first[key] = parsed
    return list(first.values())


def _resolve(rules: Sequence[Parsed], refused: list[Refused]) -> set[int]:
    """Give correlations the rules that they name; the `id()` of those that name one that is not there."""
    broken: set[int] = set()
    collection = SigmaCollection([parsed.rule for parsed in rules], resolve_references=False)
    for parsed in rules:
        if isinstance(parsed.rule, SigmaCorrelationRule):
            try:
                parsed.rule.resolve_rule_references(collection)
            except Exception as error:
                refused.append(refusal(parsed, error_text(error)))
                broken.add(id(parsed.rule))
    return broken


def _document(
    rule: SigmaRule | SigmaCorrelationRule, tenant: str | None, source: str | None, origin: Origin
) -> dict[str, Any]:
    """Raises NotCarriedError or RuleError."""
    if isinstance(rule, SigmaRule):
        kind, condition, category = "pattern", rule_filter(rule, source), category_of(rule.logsource)
    else:
        kind, condition, category = correlated(rule, source)
    fields = {"type": kind, "condition": condition, **shown_fields(rule, category, origin)}
    if tenant is not None:
        fields["tenant_id"] = tenant
    document = {name: fields.pop(name) for name in _FIRST if name in fields} | fields
    if kind in TYPES:
        parse_rule(document, default_tenant="*")
    return document
