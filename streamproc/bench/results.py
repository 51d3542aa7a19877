"""What a benchmark has found so far, and its form as JSON, which the report is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from streamproc.bench.backtesting import BacktestFigure
from streamproc.bench.curves import Curve
from streamproc.bench.delivering import DeliverFigure
from streamproc.bench.figures import Latency, Standing
from streamproc.bench.latency import LATENCY_GOAL_MS
from streamproc.bench.machine import describe
from streamproc.bench.measure import RunResult
from streamproc.bench.parts import Part
from streamproc.bench.read_model import ReadModelFigure
from streamproc.bench.recovery import RecoveryFigure, goals


@dataclass(frozen=True, slots=True)
class PartResult:
    """A part and its contestants' standings, in the order they ran."""

    part: Part
    standings: Sequence[Standing]

    def as_json(self) -> dict[str, Any]:
        """With the goals that could be judged."""
        found = []
        for goal in self.part.goals:
            reached = goal.reached(self.standings)
            if reached is not None:
                found.append({"goal": goal.text, "limit": goal.limit, "ratio": reached[0], "reached": reached[1]})
        return {
            "part": self.part.name,
            "title": self.part.title,
            "standings": [standing.as_json() for standing in self.standings],
            "goals": found,
        }


@dataclass(frozen=True, slots=True)
class CurveResult:
    """A curve and the runs of those of its points that came to their end, by how much of what grows."""

    curve: Curve
    runs: Sequence[tuple[int, RunResult]]

    def as_json(self) -> dict[str, Any]:
        """`points`: {x, correct, and all of the run}."""
        points = [{"x": x, "correct": run.correct, **asdict(run)} for x, run in self.runs]
        return {"curve": self.curve.name, "axis": self.curve.axis, "points": points}


@dataclass(slots=True)
class Results:
    """Everything measured so far."""

    began: str
    parts: list[PartResult] = field(default_factory=list)
    curves: list[CurveResult] = field(default_factory=list)
    recovery: list[RecoveryFigure] = field(default_factory=list)
    latency: list[Latency] = field(default_factory=list)
    backtest: list[BacktestFigure] = field(default_factory=list)
    read_model: ReadModelFigure | None = None
    deliver: DeliverFigure | None = None
    absent: list[str] = field(default_factory=list)
    """Contestants that could not take part, and why."""
    problems: list[str] = field(default_factory=list)

    @property
    def fine(self) -> bool:
        """Whether everything ran to its end with the right alerts."""
        right = all(standing.correct for result in self.parts for standing in result.standings)
        right = right and all(run.correct for result in self.curves for _, run in result.runs)
        return right and not self.problems and not any(row.missing for row in self.latency)

    def as_json(self) -> dict[str, Any]:
        """All of it, and the machine it was measured on."""
        return {
            "began": self.began,
            "machine": describe(),
            "parts": [result.as_json() for result in self.parts],
            "curves": [result.as_json() for result in self.curves],
            "recovery": [figure.as_json() for figure in self.recovery],
            "recovery_goals": goals(self.recovery),
            "latency_ms": [asdict(row) for row in self.latency],
            "latency_goal_p99_ms": LATENCY_GOAL_MS,
            "backtest": [{**asdict(row), "events_per_s": row.events_per_s} for row in self.backtest],
            "read_model": None if self.read_model is None else self.read_model.as_json(),
            "deliver": None if self.deliver is None else self.deliver.as_json(),
            "absent": self.absent,
            "problems": self.problems,
        }
