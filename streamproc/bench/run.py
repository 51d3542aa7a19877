"""Runs the parts of a benchmark on one broker, and puts together what came out."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from streamproc.bench.backtesting import AWS_PACK, BacktestFigure, measure_backtest
from streamproc.bench.cluster import Cluster
from streamproc.bench.contestant import BenchError, Place
from streamproc.bench.delivering import DeliverFigure, measure_deliver
from streamproc.bench.draw import Workload, draws
from streamproc.bench.figures import Latency, Standing
from streamproc.bench.latency import LATENCY_GOAL_MS, measure_latency
from streamproc.bench.machine import describe, find_broker, wait_until_quiet
from streamproc.bench.measure import RunResult, run_once
from streamproc.bench.oracle import Alerts, expected
from streamproc.bench.parts import Match, Part, Scale, parts
from streamproc.bench.preload import prefix, preload
from streamproc.bench.read_model import ReadModelFigure, measure_read_model
from streamproc.bench.show import DISTURBED_CORES, Show
from streamproc.model.times import iso
from streamproc.settings import Settings

RUN_LIMIT_S = 900.0


@dataclass(frozen=True, slots=True)
class PartResult:
    """A part and its contestants' standings, in the order they ran."""

    part: Part
    standings: list[Standing]

    def as_json(self) -> dict[str, Any]:
        goals = []
        for goal in self.part.goals:
            reached = goal.reached(self.standings)
            if reached is not None:
                goals.append({"goal": goal.text, "limit": goal.limit, "ratio": reached[0], "reached": reached[1]})
        return {
            "part": self.part.name,
            "title": self.part.title,
            "standings": [standing.as_json() for standing in self.standings],
            "goals": goals,
        }


@dataclass(slots=True)
class Results:
    """Everything measured so far."""

    began: str
    parts: list[PartResult]
    latency: list[Latency]
    problems: list[str]
    backtest: list[BacktestFigure] = field(default_factory=list)
    read_model: ReadModelFigure | None = None
    deliver: DeliverFigure | None = None

    @property
    def fine(self) -> bool:
        """Whether everything ran to its end with the right alerts."""
        standings = [standing for result in self.parts for standing in result.standings]
        complete = all(not row.missing for row in self.latency)
        return not self.problems and complete and all(standing.correct for standing in standings)

    def as_json(self) -> dict[str, Any]:
        return {
            "began": self.began,
            "machine": describe(),
            "parts": [result.as_json() for result in self.parts],
            "latency_ms": [
                {name: getattr(row, name) for name in ("label", "count", "missing", "p50", "p90", "p99", "max")}
                for row in self.latency
            ],
            "backtest": [
                {"label": row.label, "events": row.events, "cpu_s": row.cpu_s, "events_per_s": row.events_per_s}
                for row in self.backtest
            ],
            "latency_goal_p99_ms": LATENCY_GOAL_MS,
            "read_model": None if self.read_model is None else self.read_model.as_json(),
            "deliver": None if self.deliver is None else self.deliver.as_json(),
            "problems": self.problems,
        }


class Bench:
    """`settings.kafka` is the broker to use; `directory` is ours for the processes' state and logs."""

    def __init__(self, settings: Settings, directory: Path, scale: Scale, show: Show) -> None:
        self._settings = settings
        self._directory = directory
        self._scale = scale
        self._show = show
        self._broker = find_broker()
        self._expected: dict[tuple[str, int, tuple[str, ...]], Alerts] = {}
        self._events: dict[tuple[str, int], str] = {}

    async def run(self, only: Collection[str], faust: bool) -> Results:
        """Measure the chosen parts. A contestant that fails is a problem in the results, and the rest goes on."""
        results = Results(iso(time.time_ns() // 1_000_000), [], [], [])
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            for part in parts(self._scale, faust):
                if part.name in only:
                    standings = await self._part(part, session, results.problems)
                    results.parts.append(PartResult(part, standings))
                    self._show.part(part, standings)
            if "backtest" in only:
                with self._noted(results.problems, "backtest"):
                    await self._quiet()
                    self._show.tell("backtest over CloudTrail records", 0, 1)
                    results.backtest = await measure_backtest(
                        self._place("backtest"),
                        self._scale.backtest_events,
                        self._scale.cloudtrail,
                        self._scale.cloudtrail_rules or (AWS_PACK,),
                    )
                    self._show.backtest(results.backtest)
            if "latency" in only:
                with self._noted(results.problems, "latency"):
                    await self._quiet()
                    results.latency = await measure_latency(
                        self._settings, session, self._place("latency"), self._scale, self._show.tell
                    )
                    self._show.latency(results.latency)
            if "readmodel" in only:
                with self._noted(results.problems, "readmodel"):
                    await self._quiet()
                    results.read_model = await measure_read_model(
                        self._settings,
                        session,
                        self._place("readmodel"),
                        self._scale.read_model_alerts,
                        self._show.tell,
                    )
                    self._show.read_model(results.read_model)
            if "deliver" in only:
                with self._noted(results.problems, "deliver"):
                    await self._quiet()
                    results.deliver = await measure_deliver(
                        self._settings, self._place("deliver"), self._scale.notifications, self._show.tell
                    )
                    self._show.deliver(results.deliver)
        return results

    async def _part(self, part: Part, session: aiohttp.ClientSession, problems: list[str]) -> list[Standing]:
        """Contestants take turns, so that a machine that changes its speed does so for all of them."""
        good: dict[str, list[RunResult]] = {match.contestant.name: [] for match in part.matches}
        disturbed: dict[str, list[RunResult]] = {name: [] for name in good}
        for match in part.matches:
            await self._prepare(match)
        for _ in range(self._scale.runs):
            for match in part.matches:
                name = match.contestant.name
                with self._noted(problems, f"{part.name}, {name}"):
                    while True:
                        result = await self._match(part, match, session)
                        foreign = result.foreign_cores or 0.0
                        if foreign <= DISTURBED_CORES or len(disturbed[name]) >= self._scale.repeats:
                            break
                        disturbed[name].append(result)
                        self._show.line(f"{match.contestant.label}: others used {foreign:.2f} cores; once more")
                    good[name].append(result)
                    self._show.run(part, match.contestant.label, result)
        return [
            Standing(match.contestant.name, match.contestant.label, tuple(runs), tuple(disturbed[name]))
            for match in part.matches
            if (runs := good[name := match.contestant.name])
        ]

    async def _prepare(self, match: Match) -> None:
        workload, count = match.workload, match.events
        if (workload.name, count) not in self._events:
            async with self._cluster(workload, count) as (settings, cluster):
                topic = await preload(
                    cluster,
                    settings,
                    workload,
                    count,
                    lambda sent: self._show.tell(f"loading {workload.name} into Kafka", sent, count),
                )
            self._events[workload.name, count] = topic
        key = (workload.name, count, tuple(rule.id for rule in match.rules))
        if key not in self._expected:
            self._show.tell("counting what the alerts must be", 0, count)
            stream = draws(workload, count)
            self._expected[key] = await asyncio.to_thread(expected, match.rules, stream)

    async def _match(self, part: Part, match: Match, session: aiohttp.ClientSession) -> RunResult:
        await self._quiet()
        workload, count = match.workload, match.events
        directory = self._place(f"{part.name}-{match.contestant.name}")
        async with self._cluster(workload, count) as (settings, cluster):
            events = self._events[workload.name, count]
            place = Place(settings, cluster, session, directory, uuid.uuid4().hex[:8], events, count, workload)
            wanted = self._expected[workload.name, count, tuple(rule.id for rule in match.rules)]
            return await run_once(match.contestant, place, wanted, self._broker, RUN_LIMIT_S, self._show.tell)

    def _place(self, name: str) -> Path:
        directory = self._directory / f"{name}-{uuid.uuid4().hex[:6]}"
        directory.mkdir(parents=True)
        return directory

    async def _quiet(self) -> None:
        if self._scale.quiet_s:
            await asyncio.to_thread(
                wait_until_quiet, self._broker, self._scale.quiet_s, lambda line: self._show.tell(line, 0, 1)
            )

    @contextlib.asynccontextmanager
    async def _cluster(self, workload: Workload, count: int) -> AsyncIterator[tuple[Settings, Cluster]]:
        settings = self._settings.model_copy(update={"topic_prefix": prefix(workload, count)})
        async with Cluster(settings) as cluster:
            yield settings, cluster

    @contextlib.contextmanager
    def _noted(self, problems: list[str], where: str) -> Any:
        try:
            yield
        except (BenchError, TimeoutError) as error:
            problems.append(f"{where}: {error or 'took too long'}")
            self._show.line(problems[-1])
