"""The detection part of a Sigma rule, its condition applied to its named selections, as a filter of ours."""

from __future__ import annotations

from sigma.conditions import (
    ConditionAND,
    ConditionIdentifier,
    ConditionNOT,
    ConditionOR,
    ConditionSelector,
)
from sigma.rule import SigmaDetection, SigmaDetectionItem, SigmaDetections, SigmaRule

from streamproc.rules.sigma.combining import FilterDoc, all_of, any_of, none_of
from streamproc.rules.sigma.fields import paths_of, source_of
from streamproc.rules.sigma.refusal import NotCarriedError
from streamproc.rules.sigma.values import Paths, item_filter

MAX_CONDITION = 4096
"""Characters; the parser of conditions takes its time over long ones."""


def rule_filter(rule: SigmaRule, source: str | None = None) -> FilterDoc:
    """The filter of a detection rule: one of its conditions holds, of an event of its log source.

    `source`: what such events have as theirs, where streamproc does not know it. Raises NotCarriedError, and whatever
    pySigma raises for a condition that it cannot read.
    """
    paths = paths_of(rule.logsource)
    conditions = []
    for condition in rule.detection.parsed_condition:
        if not isinstance(condition.condition, str) or len(condition.condition) > MAX_CONDITION:
            raise NotCarriedError(f"condition: is not a text of at most {MAX_CONDITION} characters")
        conditions.append(_node(condition.parse(postprocess=False), rule.detection, paths))
    source = source_of(rule.logsource) or source
    of_source = [] if source is None else [{"source": source}]
    return all_of([*of_source, any_of(conditions)])


def _node(node: object, detections: SigmaDetections, paths: Paths) -> FilterDoc:
    match node:
        case ConditionIdentifier():
            return _named(node.identifier, detections, paths)
        case ConditionSelector():
            named = [one.identifier for one in node.resolve_referenced_detections(detections)]
            if not named:
                raise NotCarriedError(f"condition: no selection is named like {node.pattern}")
            join = all_of if node.cond_class is ConditionAND else any_of
            return join(_named(name, detections, paths) for name in named)
        case ConditionAND():
            return all_of(_node(part, detections, paths) for part in node.args)
        case ConditionOR():
            return any_of(_node(part, detections, paths) for part in node.args)
        case ConditionNOT():
            return none_of(_node(node.args[0], detections, paths))
        case _:
            raise NotCarriedError(f"condition: {type(node).__name__} is nothing that filters have")


def _named(name: str, detections: SigmaDetections, paths: Paths) -> FilterDoc:
    if name not in detections.detections:
        raise NotCarriedError(f"condition: there is no selection {name}")
    return _detection(detections.detections[name], paths)


def _detection(detection: SigmaDetection | SigmaDetectionItem, paths: Paths) -> FilterDoc:
    if isinstance(detection, SigmaDetectionItem):
        return item_filter(detection, paths)
    join = all_of if detection.item_linking is ConditionAND else any_of
    return join(_detection(part, paths) for part in detection.detection_items)
