"""What a contestant is: how it is started, where its progress is read, and what it must have drained at the end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import aiohttp

from streamproc.bench.cluster import Cluster
from streamproc.bench.door import Door
from streamproc.bench.draw import Workload
from streamproc.bench.oracle import Alerts
from streamproc.bench.progress import ProgressSource
from streamproc.settings import Settings


class BenchError(RuntimeError):
    """A measurement that cannot be made; the text says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one run takes place. `settings` have the prefix of the events' topics; `tag` is the run's alone."""

    settings: Settings
    cluster: Cluster
    session: aiohttp.ClientSession
    directory: Path
    tag: str
    events: str
    count: int
    workload: Workload


@dataclass(frozen=True, slots=True)
class Launch:
    """A process to start; its output goes to `NAME.log` in the run's directory."""

    name: str
    command: Sequence[str]
    environment: dict[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """A contestant that is ready to start."""

    launches: Sequence[Launch]
    progress: ProgressSource
    group: str
    later_stages: Sequence[str]
    """Topics between its stages, which must be drained too. Some make them themselves, once they have started."""
    writes: Sequence[str]
    """Topics of its alerts; the run ends with the last record there."""
    own_topics: str
    """What the names of its topics have in them."""
    alerts: Callable[[], Awaitable[Alerts]] | None
    """Reads what it found; None for one that looks for nothing."""
    clean: Callable[[], Awaitable[None]]
    notes: dict[str, Any] = field(default_factory=dict)
    door: Door | None = None
    """Keeps its processes from beginning before all are there; None where it is one."""


class Contestant(Protocol):
    """`name` is a key in results; `label` is for people."""

    @property
    def name(self) -> str: ...
    @property
    def label(self) -> str: ...
    async def enter(self, place: Place) -> Entry: ...


async def nothing() -> None:
    """For contestants that leave nothing behind."""
