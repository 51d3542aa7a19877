"""Which detector serves which kind of condition: the one list to add a rule type to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streamproc.detect.detector import Detector
from streamproc.detect.fixed import FixedThreshold
from streamproc.detect.pattern import Pattern
from streamproc.detect.rolling import RollingThreshold
from streamproc.model.condition import OffHoursCondition, PatternCondition, ThresholdCondition
from streamproc.model.rule import Rule


def _threshold(rule: Rule, condition: ThresholdCondition) -> Detector:
    lateness = rule.lateness_ms
    if condition.window_type == "fixed":
        return FixedThreshold(condition.count, condition.window_ms, lateness, condition.distinct, rule.timezone)
    return RollingThreshold(condition.count, condition.window_ms, lateness, condition.distinct)


def _pattern(rule: Rule, condition: PatternCondition | OffHoursCondition) -> Detector:
    return Pattern(rule.lateness_ms)


DETECTORS: dict[type, Callable[[Rule, Any], Detector]] = {
    ThresholdCondition: _threshold,
    PatternCondition: _pattern,
    OffHoursCondition: _pattern,
}


def detector_for(rule: Rule) -> Detector:
    """The detector of a parsed rule; every condition type the rule parser makes is in `DETECTORS`."""
    return DETECTORS[type(rule.condition)](rule, rule.condition)
