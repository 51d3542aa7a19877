"""How bad an alert is."""

from __future__ import annotations

from enum import StrEnum


class Severity(StrEnum):
    """From the least to the worst."""

    INFORMATIONAL = "informational"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"
