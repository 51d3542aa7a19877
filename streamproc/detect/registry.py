"""Which detector serves which kind of condition: the one list to add a rule type to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streamproc.detect.absence import Absence
from streamproc.detect.anomaly import Anomaly
from streamproc.detect.detector import Detector
from streamproc.detect.fixed import FixedThreshold
from streamproc.detect.new_value import NewValue
from streamproc.detect.pattern import Pattern
from streamproc.detect.rolling import RollingThreshold
from streamproc.detect.scheduled import Scheduled
from streamproc.detect.sequence import Sequence
from streamproc.detect.travel import Travel
from streamproc.model.condition import (
    AbsenceCondition,
    AnomalyCondition,
    NewValueCondition,
    OffHoursCondition,
    PatternCondition,
    ScheduledCondition,
    SequenceCondition,
    ThresholdCondition,
    TravelCondition,
)
from streamproc.model.rule import Rule


def _threshold(rule: Rule, condition: ThresholdCondition) -> Detector:
    lateness = rule.lateness_ms
    if condition.window_type == "fixed":
        return FixedThreshold(condition.count, condition.window_ms, lateness, condition.distinct, rule.timezone)
    return RollingThreshold(condition.count, condition.window_ms, lateness, condition.distinct)


def _pattern(rule: Rule, condition: PatternCondition | OffHoursCondition) -> Detector:
    return Pattern(rule.lateness_ms)


def _scheduled(rule: Rule, condition: ScheduledCondition) -> Detector:
    return Scheduled(condition.count, condition.schedule, rule.lateness_ms, condition.distinct, rule.timezone)


def _anomaly(rule: Rule, condition: AnomalyCondition) -> Detector:
    return Anomaly(condition, rule.lateness_ms, rule.timezone)


def _new_value(rule: Rule, condition: NewValueCondition) -> Detector:
    return NewValue(condition.path, condition.learning_ms, condition.ttl_ms, rule.lateness_ms)


def _sequence(rule: Rule, condition: SequenceCondition) -> Detector:
    return Sequence(len(condition.steps), condition.ordered, condition.within_ms, rule.lateness_ms)


def _absence(rule: Rule, condition: AbsenceCondition) -> Detector:
    return Absence(condition.every_ms, rule.lateness_ms)


def _travel(rule: Rule, condition: TravelCondition) -> Detector:
    return Travel(condition.speed_kmh, condition.min_km, rule.lateness_ms)


DETECTORS: dict[type, Callable[[Rule, Any], Detector]] = {
    ThresholdCondition: _threshold,
    PatternCondition: _pattern,
    OffHoursCondition: _pattern,
    ScheduledCondition: _scheduled,
    AnomalyCondition: _anomaly,
    NewValueCondition: _new_value,
    SequenceCondition: _sequence,
    AbsenceCondition: _absence,
    TravelCondition: _travel,
}


def detector_for(rule: Rule) -> Detector:
    """The detector of a parsed rule; every condition type the rule parser makes is in `DETECTORS`."""
    return DETECTORS[type(rule.condition)](rule, rule.condition)
