"""Runs the parts of a benchmark on one broker, and puts together what came out."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from pathlib import Path

import aiohttp

from streamproc.bench.backtesting import AWS_PACK, measure_backtest
from streamproc.bench.contestant import BenchError, Contestant
from streamproc.bench.course import Course
from streamproc.bench.curves import Curve, curves
from streamproc.bench.delivering import measure_deliver
from streamproc.bench.figures import Standing
from streamproc.bench.latency import LATENCY_GOAL_MS, measure_latency
from streamproc.bench.measure import RunResult
from streamproc.bench.parts import Part, parts
from streamproc.bench.read_model import measure_read_model
from streamproc.bench.recovery import goals, measure_recovery
from streamproc.bench.results import CurveResult, PartResult, Results
from streamproc.bench.scale import Scale
from streamproc.bench.sheets import backtest, curve, deliver, latency, read_model, recovery, throughput
from streamproc.bench.show import Show
from streamproc.model.times import iso
from streamproc.settings import Settings


class Bench:
    """`settings.kafka` is the broker to use; `directory` is ours for the processes' state and logs."""

    def __init__(self, settings: Settings, directory: Path, scale: Scale, show: Show) -> None:
        self._settings = settings
        self._directory = directory
        self._scale = scale
        self._show = show

    async def run(self, only: Collection[str], faust: bool, others: Sequence[Contestant] = ()) -> Results:
        """Measure the chosen parts. A contestant that fails is a problem in the results, and the rest goes on."""
        results = Results(iso(time.time_ns() // 1_000_000))
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            course = Course(self._settings, self._directory, self._scale, self._show, session)
            for part in parts(self._scale, faust, others):
                if part.name in only:
                    results.parts.append(await self._part(course, part, results.problems))
                    for sheet in throughput(results.parts[-1].as_json()):
                        self._show.sheet(sheet)
            single: dict[str, Callable[[Course, Results], Awaitable[None]]] = {
                "latency": self._latency,
                "recovery": self._recovery,
                "curves": self._curves,
                "backtest": self._backtest,
                "readmodel": self._read_model,
                "deliver": self._deliver,
            }
            for name, measure in single.items():
                if name in only:
                    with self._noted(results.problems, name):
                        await course.quiet()
                        await measure(course, results)
        return results

    async def _part(self, course: Course, part: Part, problems: list[str]) -> PartResult:
        """Contestants take turns, so that a machine that changes its speed does so for all of them."""
        good: dict[str, list[RunResult]] = {match.contestant.name: [] for match in part.matches}
        disturbed: dict[str, list[RunResult]] = {name: [] for name in good}
        for match in part.matches:
            await course.prepare(match)
        for _ in range(self._scale.runs):
            for match in part.matches:
                name = match.contestant.name
                with self._noted(problems, f"{part.name}, {name}"):
                    result, repeated = await course.run(part.name, match)
                    good[name].append(result)
                    disturbed[name] += repeated
                    self._show.run(part.name, match.contestant.label, result)
        standings = [
            Standing(match.contestant.name, match.contestant.label, tuple(runs), tuple(disturbed[name]))
            for match in part.matches
            if (runs := good[name := match.contestant.name])
        ]
        return PartResult(part, standings)

    async def _curves(self, course: Course, results: Results) -> None:
        for one in curves(self._scale):
            results.curves.append(await self._curve(course, one, results.problems))
            self._show.sheet(curve(results.curves[-1].as_json()))

    async def _curve(self, course: Course, one: Curve, problems: list[str]) -> CurveResult:
        runs = []
        for x, match in one.points:
            with self._noted(problems, f"curve of {one.name}, {x}"):
                await course.prepare(match)
                result, _ = await course.run(f"curve-{one.name}-{x}", match)
                runs.append((x, result))
                self._show.run(f"curve of {one.name}, {x:,}", match.contestant.label, result)
        return CurveResult(one, runs)

    async def _recovery(self, course: Course, results: Results) -> None:
        try:
            for keys in self._scale.recovery_keys:
                results.recovery.append(await measure_recovery(course, keys, self._show.tell))
        finally:
            figures = [figure.as_json() for figure in results.recovery]
            self._show.sheet(recovery(figures, goals(results.recovery)))

    async def _latency(self, course: Course, results: Results) -> None:
        results.latency = await measure_latency(
            self._settings, course.session, course.directory("latency"), self._scale, self._show.tell
        )
        self._show.sheet(latency(results.as_json()["latency_ms"], LATENCY_GOAL_MS))

    async def _backtest(self, course: Course, results: Results) -> None:
        self._show.tell("backtest over CloudTrail records", 0, 1)
        scale = self._scale
        rules = scale.cloudtrail_rules or (AWS_PACK,)
        results.backtest = await measure_backtest(
            course.directory("backtest"), scale.backtest_events, scale.cloudtrail, rules
        )
        self._show.sheet(backtest(results.as_json()["backtest"]))

    async def _read_model(self, course: Course, results: Results) -> None:
        count = self._scale.read_model_alerts
        results.read_model = await measure_read_model(
            self._settings, course.session, course.directory("readmodel"), count, self._show.tell
        )
        self._show.sheet(read_model(results.read_model.as_json()))

    async def _deliver(self, course: Course, results: Results) -> None:
        results.deliver = await measure_deliver(
            self._settings, course.directory("deliver"), self._scale.notifications, self._show.tell
        )
        self._show.sheet(deliver(results.deliver.as_json()))

    @contextlib.contextmanager
    def _noted(self, problems: list[str], where: str) -> Iterator[None]:
        try:
            yield
        except (BenchError, TimeoutError) as error:
            problems.append(f"{where}: {error or 'took too long'}")
            self._show.line(problems[-1])
