"""How far a contestant has come: from a file that it writes, or from the worker's own metrics.

Times are `time.monotonic()`, which on Linux is one clock for all processes.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import aiohttp
import orjson

WRITE_EVERY_S = 0.1


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
    """Written by peers through `ProgressWriter`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def read(self) -> Progress | None:
        """None until there is something."""
        try:
            return Progress(**orjson.loads(self._path.read_bytes()))
        except (OSError, ValueError):
            return None


class ProgressWriter:
    """Used inside a peer: cheap calls per record, and a thread that writes them down."""

    def __init__(self, path: str) -> None:
        self.taken = 0
        self.first = self.last = 0.0
        self._path = Path(path)
        threading.Thread(target=self._run, name="progress", daemon=True).start()

    def begin(self) -> None:
        """A first record is there, and is about to be worked on."""
        if not self.first:
            self.first = time.monotonic()

    def source(self, count: int = 1) -> None:
        """Source records were taken."""
        self.begin()
        self.last = time.monotonic()
        self.taken += count

    def stage(self) -> None:
        """A record of a later stage was done."""
        self.last = time.monotonic()

    def _run(self) -> None:
        written = None
        fresh = self._path.with_suffix(".new")
        while True:
            time.sleep(WRITE_EVERY_S)
            now = Progress(self.taken, self.first, self.last)
            if now.taken and now != written:
                fresh.write_bytes(orjson.dumps(asdict(now)))
                fresh.replace(self._path)
                written = now


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
    """Of a `streamproc worker`, by its /metrics; an answer takes the worker about a millisecond.

    `first` is the last instant at which no record had been taken, and `last` the first at which the present
    state was seen: what lies between looks is charged to the worker.
    """

    def __init__(self, address: str, session: aiohttp.ClientSession) -> None:
        self._url = f"http://{address}/metrics"
        self._session = session
        self._idle_at = time.monotonic()
        self._seen: Progress | None = None

    async def read(self) -> Progress | None:
        """None while the worker does not answer, or has taken nothing."""
        asked = time.monotonic()
        try:
            async with self._session.get(self._url) as answer:
                sums = read_metrics(await answer.text())
        except (aiohttp.ClientError, OSError):
            self._idle_at = asked
            return None
        taken = int(sums.get("streamproc_events_total", 0))
        if not taken:
            self._idle_at = asked
            return None
        behind = int(sums.get("streamproc_hits_total", 0) - sums.get("streamproc_detect_hits_total", 0))
        if self._seen is None or (taken, behind) != (self._seen.taken, self._seen.behind):
            self._seen = Progress(taken, self._idle_at, time.monotonic(), behind)
        return self._seen


def end_with_parent() -> None:
    """Inside a peer: end when the parent, which holds the other end of standard input, does."""

    def wait() -> None:
        with contextlib.suppress(OSError):
            while os.read(sys.stdin.fileno(), 4096):
                pass
        os._exit(1)

    threading.Thread(target=wait, name="parent", daemon=True).start()
