"""Medians, ratios and percentiles of what was measured."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from streamproc.bench.measure import RunResult

MEASURES = (
    "cpu_s_per_million",
    "events_per_s",
    "rss_peak_mib",
    "broker_cpu_s_per_million",
    "startup_s",
    "wall_s",
    "drained_s",
    "foreign_cores",
)


@dataclass(frozen=True, slots=True)
class Standing:
    """One contestant in one part: its runs, and their medians by the names in MEASURES (None: not measured)."""

    name: str
    label: str
    runs: tuple[RunResult, ...]
    disturbed: tuple[RunResult, ...] = ()
    """Runs that were repeated because others used the machine meanwhile."""

    def median(self, measure: str) -> float | None:
        """Over the runs."""
        values = [value for run in self.runs if (value := getattr(run, measure)) is not None]
        return statistics.median(values) if values else None

    @property
    def cpu(self) -> float:
        """Median CPU seconds per million events."""
        value = self.median("cpu_s_per_million")
        assert value is not None
        return value

    @property
    def correct(self) -> bool:
        return all(run.correct for run in self.runs)

    def as_json(self) -> dict[str, Any]:
        """Medians, and every run."""
        return {
            "contestant": self.name,
            "label": self.label,
            "events": self.runs[0].events,
            "correct": self.correct,
            "median": {measure: self.median(measure) for measure in MEASURES},
            "runs": [asdict(run) for run in self.runs],
            "disturbed_and_repeated": [asdict(run) for run in self.disturbed],
        }


@dataclass(frozen=True, slots=True)
class Goal:
    """A cost in terms of another one: `of` at most `limit` times `against`."""

    text: str
    of: str
    against: str
    limit: float

    def reached(self, standings: Sequence[Standing]) -> tuple[float, bool] | None:
        """(ratio, whether it is within the limit); None when one of the two was not measured."""
        cost = {standing.name: standing.cpu for standing in standings}
        if self.of not in cost or not cost.get(self.against):
            return None
        ratio = cost[self.of] / cost[self.against]
        return ratio, ratio <= self.limit


def ratio_text(value: float) -> str:
    """`1.93×`, and `1/15.0` for small ones."""
    return f"{value:.2f}×" if value >= 0.1 else f"1/{1 / value:.1f}"


def percentile(values: Sequence[float], share: float) -> float:
    """By nearest rank, `share` of 1; `values` is not empty and need not be in order."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


@dataclass(frozen=True, slots=True)
class Latency:
    """A distribution of times, in milliseconds."""

    label: str
    count: int
    missing: int
    p50: float
    p90: float
    p99: float
    max: float

    @classmethod
    def of(cls, label: str, seconds: Sequence[float], sent: int) -> Latency:
        """`seconds` is not empty; those of `sent` that are not among them are missing."""
        points = [round(percentile(seconds, share) * 1000, 2) for share in (0.5, 0.9, 0.99, 1.0)]
        return cls(label, len(seconds), sent - len(seconds), *points)
