"""Recorded events from files, decoded as the live worker decodes them; what is no event is counted, not fatal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from streamproc.model.event import Event, EventError
from streamproc.sources.decode import Decoder
from streamproc.sources.files import RecordFile
from streamproc.sources.registry import SOURCES

MAX_SHOWN = 10


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
    """Iterates (line number from 0, event) over some files, in their order; lines count on from file to file.

    `tenant` owns records that name none of their own, and all records of native formats. `progress` is told the
    bytes read of each file.
    """

    def __init__(
        self,
        files: Sequence[str],
        format: str = "event",
        tenant: str | None = None,
        progress: Callable[[str, int], None] = lambda _file, _bytes: None,
    ) -> None:
        self._files = files
        self._format = format
        self._tenant = tenant
        self._progress = progress
        self.rejected = Rejected()

    def __iter__(self) -> Iterator[tuple[int, Event]]:
        source = SOURCES.get(self._format)
        envelope = None if source is None else source.envelope
        offset = 0
        for name in self._files:
            decoder = Decoder("backtest", self._format, self._tenant)
            with RecordFile(name, envelope) as file:
                for line, value in file:
                    try:
                        for event in decoder.decode(value, 0, offset, None):
                            yield offset, event
                    except EventError as error:
                        self.rejected.add(f"{name}:{line}", error)
                    offset += 1
                    if offset % 500 == 0:
                        self._progress(name, file.position)
                self._progress(name, file.position)
