"""The rule types: how the condition of each is read. A new type is one function and one line in `TYPES`."""

from __future__ import annotations

from collections.abc import Callable

from streamproc.model.condition import Condition
from streamproc.rules.problems import Problems
from streamproc.rules.settings import Settings
from streamproc.rules.types_counting import COUNTING, high_volume_destructive, repeated_action, threshold
from streamproc.rules.types_history import (
    absence,
    anomaly,
    impossible_travel,
    ingestion_spike,
    new_country,
    new_value,
    sequence,
)
from streamproc.rules.types_single import compliance, off_hours, pattern

__all__ = ["COUNTING", "TYPES", "ParseCondition"]

ParseCondition = Callable[[Settings, Problems], Condition]

TYPES: dict[str, ParseCondition] = {
    "threshold": threshold,
    "pattern": pattern,
    "anomaly": anomaly,
    "compliance": compliance,
    "new_country": new_country,
    "new_value": new_value,
    "high_volume_destructive": high_volume_destructive,
    "ingestion_spike": ingestion_spike,
    "repeated_action": repeated_action,
    "off_hours": off_hours,
    "sequence": sequence,
    "absence": absence,
    "impossible_travel": impossible_travel,
}
