"""The events of one tenant as the source topics hold them, for a replay."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from streamproc.kafka.history import History, Span
from streamproc.kafka.topics import load_topics
from streamproc.model.event import Event
from streamproc.settings import Settings
from streamproc.sources.decode import Decoder
from streamproc.sources.enrich import Enrich
from streamproc.web.replaying import MAX_EVENTS

MAX_READ = 50_000
"""Records that a simulation looks at; a backtest looks at all of its span."""
BATCH = 2_000

Progress = Callable[[int, int, int], None]
"""Is told (records read, records in all, events of the tenant)."""


@dataclass(slots=True)
class Recorded:
    """What is iterated: events in the order of their arrival. `truncated`: not all of the span was looked at."""

    settings: Settings
    tenant: str
    since: int
    latest_only: bool
    progress: Progress
    enrich: Enrich | None = None
    read: int = 0
    total: int = 0
    found: int = 0
    rejected: int = 0
    truncated: bool = False
    oldest: int | None = None
    """Arrival (ms) of the first record that was looked at, where not all were."""

    def __iter__(self) -> Iterator[Event]:
        """Raises BrokerUnavailableError. Drives an event loop of its own: there must be none in this thread."""
        if not self.latest_only:
            yield from self._all()
            return
        latest: deque[Event] = deque(self._all(), maxlen=MAX_EVENTS)
        if self.found > len(latest):
            self.truncated = True
            self.oldest = latest[0].arrival
        yield from latest

    def _all(self) -> Iterator[Event]:
        with asyncio.Runner() as runner:
            batches = self._batches()
            try:
                while (batch := runner.run(_next(batches))) is not None:
                    yield from batch
            finally:
                runner.run(_close(batches))

    async def _batches(self) -> AsyncGenerator[list[Event], None]:
        """The tenant's events among each `BATCH` records."""
        sources = load_topics(self.settings).sources
        decoders = {
            spec.topic: Decoder(spec.topic, spec.format or "event", spec.tenant, self.enrich) for spec in sources
        }
        async with History(self.settings, sources) as history:
            span = await history.span(self.since)
            if self.latest_only:
                span = self._trimmed(span)
            self.total = sum(end - start for start, end in span.values())
            batch: list[Event] = []
            async for tp, record in history.read(span):
                self.read += 1
                if self.truncated and self.oldest is None:
                    self.oldest = record.timestamp
                if record.value is not None:
                    events, errors = decoders[tp.topic].decode_batch([record], tp.partition, self._mine)
                    batch += events
                    self.rejected += len(errors)
                    self.found += len(events)
                if self.read % BATCH == 0:
                    self.progress(self.read, self.total, self.found)
                    yield batch
                    batch = []
            self.progress(self.total, self.total, self.found)
            yield batch

    def _mine(self, tenant: str, _doc: dict[str, Any]) -> bool:
        return tenant == self.tenant

    def _trimmed(self, span: Span) -> Span:
        """The latest part of each partition, so that it is `MAX_READ` records in all."""
        total = sum(end - start for start, end in span.values())
        if total <= MAX_READ:
            return span
        self.truncated = True
        return {name: (end - (end - start) * MAX_READ // total, end) for name, (start, end) in span.items()}


async def _next(batches: AsyncGenerator[list[Event], None]) -> list[Event] | None:
    return await anext(batches, None)


async def _close(batches: AsyncGenerator[list[Event], None]) -> None:
    await batches.aclose()
