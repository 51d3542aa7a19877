"""Where contestants run: their events are in Kafka, what they must find is counted, and nobody else is at work."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from streamproc.bench.cluster import Cluster
from streamproc.bench.contestant import Place
from streamproc.bench.draw import draws
from streamproc.bench.machine import find_broker, wait_until_quiet
from streamproc.bench.measure import RunResult, run_once
from streamproc.bench.oracle import Alerts, expected
from streamproc.bench.partitions import PARTITIONS, write_topics_file
from streamproc.bench.parts import Match
from streamproc.bench.preload import prefix, preload
from streamproc.bench.scale import Scale
from streamproc.bench.sheets import DISTURBED_CORES
from streamproc.bench.show import Show
from streamproc.settings import Settings

RUN_LIMIT_S = 900.0


class Course:
    """`settings.kafka` is the broker to use; `directory` is ours for the processes' state and logs."""

    def __init__(
        self, settings: Settings, directory: Path, scale: Scale, show: Show, session: aiohttp.ClientSession
    ) -> None:
        self.settings = settings
        self.session = session
        self.broker = find_broker()
        """Its process, where it is sure which it is."""
        self._directory = directory
        self._scale = scale
        self._show = show
        self._expected: dict[tuple[str, int, tuple[str, ...]], Alerts] = {}
        self._events: dict[str, str] = {}

    async def prepare(self, match: Match) -> None:
        """Load the match's events, and count what the alerts must be; each once."""
        workload, count = match.workload, match.events
        settings = self._settings(match)
        if settings.topic_prefix not in self._events:
            async with Cluster(settings) as cluster:
                self._events[settings.topic_prefix] = await preload(
                    cluster,
                    settings,
                    workload,
                    count,
                    lambda sent: self._show.tell(f"loading {workload.name} into Kafka", sent, count),
                )
        key = _what(match)
        if key not in self._expected:
            self._show.tell("counting what the alerts must be", 0, count)
            self._expected[key] = await asyncio.to_thread(expected, match.rules, draws(workload, count))

    async def run(self, name: str, match: Match) -> tuple[RunResult, list[RunResult]]:
        """(the run to keep, those that others disturbed). Raises BenchError, TimeoutError."""
        disturbed: list[RunResult] = []
        while True:
            result = await self._once(name, match)
            foreign = result.foreign_cores or 0.0
            if foreign <= DISTURBED_CORES or len(disturbed) >= self._scale.repeats:
                return result, disturbed
            disturbed.append(result)
            self._show.line(f"{match.contestant.label}: others used {foreign:.2f} cores; once more")

    async def _once(self, name: str, match: Match) -> RunResult:
        await self.quiet()
        async with self.place(f"{name}-{match.contestant.name}", match) as place:
            wanted = self._expected[_what(match)]
            return await run_once(match.contestant, place, wanted, self.broker, RUN_LIMIT_S, self._show.tell)

    @contextlib.asynccontextmanager
    async def place(self, name: str, match: Match) -> AsyncIterator[Place]:
        """For one run on the events of a match that is prepared."""
        settings = self._settings(match)
        async with Cluster(settings) as cluster:
            yield Place(
                settings,
                cluster,
                self.session,
                self.directory(name),
                uuid.uuid4().hex[:8],
                self._events[settings.topic_prefix],
                match.events,
                match.workload,
            )

    def directory(self, name: str) -> Path:
        """A new one, for the state and the logs of one run."""
        directory = self._directory / f"{name}-{uuid.uuid4().hex[:6]}"
        directory.mkdir(parents=True)
        return directory

    async def quiet(self) -> None:
        """Wait for a quiet machine, for as long as the scale says."""
        if self._scale.quiet_s:
            await asyncio.to_thread(
                wait_until_quiet, self.broker, self._scale.quiet_s, lambda line: self._show.tell(line, 0, 1)
            )

    def _settings(self, match: Match) -> Settings:
        update: dict[str, object] = {"topic_prefix": prefix(match.workload, match.events, match.partitions)}
        if match.partitions != PARTITIONS:
            update["topics_file"] = write_topics_file(match.partitions, self._directory)
        return self.settings.model_copy(update=update)


def _what(match: Match) -> tuple[str, int, tuple[str, ...]]:
    return match.workload.name, match.events, tuple(rule.id for rule in match.rules)
