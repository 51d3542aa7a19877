"""Recorded events from files, decoded as the live worker decodes them; what is no event is counted, not fatal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from streamproc.model.event import Event, EventError
from streamproc.sources.decode import Decoder
from streamproc.sources.enrich import Enrich
from streamproc.sources.files import RecordFile, RecordFileError
from streamproc.sources.registry import SOURCES

MAX_SHOWN = 10
MAX_TENANTS = 1000


class SourceError(ValueError):
    """A file that cannot be read; the text is one line that says which, where and why."""


@dataclass(slots=True)
class Rejected:
    """Records that are not events: how many by reason, and the first few as `file:line: what is wrong`."""

    reasons: Counter[str] = field(default_factory=Counter)
    first: list[str] = field(default_factory=list)

    def add(self, where: str, error: EventError) -> None:
        """Count one."""
        self.reasons[str(error.reason)] += 1
        if len(self.first) < MAX_SHOWN:
            self.first.append(f"{where}: {error.message}")


class EventFiles:
    """Iterates (record number from 0, event) over some files, in their order; numbers go on from file to file.

    In a file of JSON lines the number is that of the line. `tenant` owns records that name none of their own, and all
    records of native formats. `progress` is told the bytes read of each file. `enrich` adds to each event. Raises
    ValueError for a format or tenant that cannot be; iterating raises SourceError.
    """

    def __init__(
        self,
        files: Sequence[str],
        format: str = "event",
        tenant: str | None = None,
        progress: Callable[[str, int], None] = lambda _file, _bytes: None,
        enrich: Enrich | None = None,
    ) -> None:
        self._files = files
        self._decoder = Decoder("backtest", format, tenant, enrich)
        self._progress = progress
        source = SOURCES.get(format)
        self._envelope = None if source is None else source.envelope
        self.rejected = Rejected()
        self.tenants: set[str] = set()
        """The tenants of the events, the first `MAX_TENANTS` of them."""

    def __iter__(self) -> Iterator[tuple[int, Event]]:
        number = 0
        for name in self._files:
            try:
                with RecordFile(name, self._envelope) as file:
                    for line, value in file:
                        for event in self._events(f"{name}:{line}", value, number):
                            yield number, event
                        number += 1
                        if number % 500 == 0:
                            self._progress(name, file.position)
                    self._progress(name, file.position)
            except RecordFileError as error:
                raise SourceError(f"{name}:{error.line}: {error}") from None
            except OSError as error:
                raise SourceError(f"{name}: cannot be read: {error.strerror or error}") from None

    def _events(self, where: str, value: bytes, number: int) -> list[Event]:
        try:
            events = self._decoder.decode(value, 0, number, None)
        except EventError as error:
            self.rejected.add(where, error)
            return []
        if len(self.tenants) < MAX_TENANTS:
            self.tenants.update(event.tenant for event in events)
        return events
