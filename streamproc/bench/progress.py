"""How far a contestant has come: from a file that it writes, or from the worker's own metrics.

Times are `time.monotonic()`, which on Linux is one clock for all processes.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import aiohttp
import orjson


@dataclass(frozen=True, slots=True)
class Progress:
    """`taken` source records; when the first was begun (not later than that) and the latest was done, in any stage."""

    taken: int
    first: float
    last: float
    behind: int = 0
    """Known to wait in a later stage."""


class ProgressSource(Protocol):
    """Where a contestant's progress is read."""

    async def read(self) -> Progress | None: ...


class ProgressFile:
    """Written by peers through `peers.progress_writer`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def read(self) -> Progress | None:
        """None until there is something."""
        try:
            return Progress(**orjson.loads(self._path.read_bytes()))
        except (OSError, ValueError):
            return None


_SAMPLE = re.compile(
    r'^(streamproc_events_total|streamproc_hits_total|streamproc_detect_hits_total(?=\{result="hits"\}))'
    r"(?:\{[^}]*\})? (\S+)$",
    re.MULTILINE,
)


def read_metrics(text: str) -> Mapping[str, float]:
    """The counters that matter here, summed over topics, out of Prometheus' text format."""
    sums: dict[str, float] = {}
    for name, value in _SAMPLE.findall(text):
        sums[name] = sums.get(name, 0.0) + float(value)
    return sums


class WorkerProgress:
    """Of `streamproc worker` processes, by their /metrics; an answer takes a worker about a millisecond.

    `first` is the last instant at which no record had been taken, and `last` the first at which the present
    state was seen: what lies between looks is charged to the workers.
    """

    def __init__(self, addresses: Sequence[str], session: aiohttp.ClientSession) -> None:
        self._urls = [f"http://{address}/metrics" for address in addresses]
        self._session = session
        self._idle_at = time.monotonic()
        self._seen: Progress | None = None

    async def read(self) -> Progress | None:
        """None while a worker does not answer, or none has taken anything."""
        asked = time.monotonic()
        taken = behind = 0
        try:
            for url in self._urls:
                async with self._session.get(url) as answer:
                    sums = read_metrics(await answer.text())
                taken += int(sums.get("streamproc_events_total", 0))
                # what one worker has found, another may have to count
                behind += int(sums.get("streamproc_hits_total", 0) - sums.get("streamproc_detect_hits_total", 0))
        except (aiohttp.ClientError, OSError):
            if self._seen is None:
                self._idle_at = asked
            return None
        if not taken:
            self._idle_at = asked
            return None
        if self._seen is None or (taken, behind) != (self._seen.taken, self._seen.behind):
            self._seen = Progress(taken, self._idle_at, time.monotonic(), behind)
        return self._seen
