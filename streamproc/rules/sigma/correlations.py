"""A Sigma correlation of rules as one rule of ours.

event_count is a threshold, value_count a threshold with `distinct`, temporal and temporal_ordered are sequences.
"""

from __future__ import annotations

from typing import Any

from sigma.correlations import (
    CorrelationConditionAND,
    SigmaCorrelationCondition,
    SigmaCorrelationConditionOperator,
    SigmaCorrelationRule,
    SigmaCorrelationType,
    SigmaExtendedCorrelationCondition,
    SigmaRuleReference,
)
from sigma.rule import SigmaRule

from streamproc.rules.sigma.combining import FilterDoc, any_of
from streamproc.rules.sigma.detections import rule_filter
from streamproc.rules.sigma.fields import category_of, paths_of
from streamproc.rules.sigma.refusal import NotCarriedError

_KINDS = {
    SigmaCorrelationType.EVENT_COUNT: "threshold",
    SigmaCorrelationType.VALUE_COUNT: "threshold",
    SigmaCorrelationType.TEMPORAL: "sequence",
    SigmaCorrelationType.TEMPORAL_ORDERED: "sequence",
}


def correlated(rule: SigmaCorrelationRule, source: str | None = None) -> tuple[str, dict[str, Any], str | None]:
    """(our type, its condition, the category); `source` as in `rule_filter`.

    The references of the rule are resolved. Raises NotCarriedError.
    """
    kind = _KINDS.get(rule.type)
    if kind is None:
        raise NotCarriedError(f"correlation.type: {rule.type.name.lower()} is nothing that rules here can count")
    rules = [_rule(reference) for reference in rule.referenced_rules]
    if not rules:
        raise NotCarriedError("correlation.rules: names no rule")
    filters = [rule_filter(one, source) for one in rules]
    condition = _threshold(rule, rules, filters) if kind == "threshold" else _sequence(rule, rules, filters)
    group_by = [_path(rule, rules, name) for name in rule.group_by or ()]
    if group_by:
        condition["group_by"] = group_by[0] if len(group_by) == 1 else group_by
    categories = {category_of(one.logsource) for one in rules}
    return kind, condition, categories.pop() if len(categories) == 1 else None


def _rule(reference: SigmaRuleReference) -> SigmaRule:
    if not isinstance(reference.rule, SigmaRule):
        raise NotCarriedError(f"correlation.rules: {reference.reference} is a correlation itself")
    return reference.rule


def _threshold(rule: SigmaCorrelationRule, rules: list[SigmaRule], filters: list[FilterDoc]) -> dict[str, Any]:
    if not isinstance(rule.condition, SigmaCorrelationCondition):
        raise NotCarriedError("correlation.condition: is no count")
    condition = dict(any_of(filters))
    condition["count"] = _least(rule.condition)
    condition["window_seconds"] = rule.timespan.seconds
    if rule.type is SigmaCorrelationType.VALUE_COUNT:
        field = rule.condition.fieldref
        if not isinstance(field, str):
            raise NotCarriedError("correlation.condition.field: several fields cannot be counted together")
        condition["distinct"] = _path(rule, rules, field)
    return condition


def _least(condition: SigmaCorrelationCondition) -> int:
    """The count that triggers."""
    operator = condition.op
    if operator is SigmaCorrelationConditionOperator.GTE and condition.count == int(condition.count):
        return int(condition.count)
    if operator is SigmaCorrelationConditionOperator.GT:
        return int(condition.count // 1) + 1
    raise NotCarriedError(
        f"correlation.condition: {operator.name.lower()} {condition.count} is not a whole number "
        "that is reached (gte, gt)"
    )


def _sequence(rule: SigmaCorrelationRule, rules: list[SigmaRule], filters: list[FilterDoc]) -> dict[str, Any]:
    condition = rule.condition
    if isinstance(condition, SigmaExtendedCorrelationCondition):
        tree = condition.parsed
        parts = tree.args if isinstance(tree, CorrelationConditionAND) else [tree]
        if not all(isinstance(part, SigmaRuleReference) for part in parts):
            raise NotCarriedError(f"correlation.condition: {condition.expression} is more than one rule and another")
        named = [str(part.reference) for part in parts if isinstance(part, SigmaRuleReference)]
        if rule.type is SigmaCorrelationType.TEMPORAL_ORDERED and named != [r.reference for r in rule.referenced_rules]:
            raise NotCarriedError(f"correlation.condition: {condition.expression} is in another order than the rules")
    elif _least(condition) != len(rules):
        raise NotCarriedError(
            f"correlation.condition: {condition.count} of {len(rules)} rules; a sequence needs an event for each"
        )
    if len(rules) < 2:
        raise NotCarriedError("correlation.rules: a sequence has at least two rules")
    return {
        "steps": filters,
        "ordered": rule.type is SigmaCorrelationType.TEMPORAL_ORDERED,
        "within": f"{rule.timespan.seconds}s",
    }


def _path(rule: SigmaCorrelationRule, rules: list[SigmaRule], name: str) -> str:
    """The one path that a field, or an alias of fields, has in the events of all the rules."""
    alias = rule.aliases.aliases.get(name)
    paths = set()
    for one, reference in zip(rules, rule.referenced_rules, strict=True):
        field = name
        if alias is not None:
            fields = {ref.reference: theirs for ref, theirs in alias.mapping.items()}
            names = (reference.reference, str(one.id), one.name)
            found = next((fields[known] for known in names if known in fields), None)
            if found is None:
                raise NotCarriedError(f"correlation.aliases.{name}: names no field of {reference.reference}")
            field = found
        paths.add(paths_of(one.logsource)(field))
    if len(paths) > 1:
        raise NotCarriedError(
            f"correlation: {name} is {' and '.join(sorted(paths))}; a group is made by one path for all rules"
        )
    return paths.pop()
