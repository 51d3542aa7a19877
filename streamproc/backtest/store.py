"""What `PartitionEngine` needs of a table, in memory."""

from __future__ import annotations

import heapq
from typing import Protocol

from streamproc.engine.changes import Changes

Timer = tuple[int, bytes]


class ReplayStore(Protocol):
    """`engine.changes.Store`, and what a replay asks beside."""

    def get(self, key: bytes) -> bytes | None:
        """The value stored under `key`."""

    def due(self, until: int, limit: int) -> list[Timer]:
        """Up to `limit` index entries with time <= `until`, earliest first."""

    def next_due(self) -> float:
        """The time of the earliest entry, infinite when there is none."""

    def write(self, changes: Changes) -> None:
        """Make a batch's changes."""


class MemoryStore:
    """Values, and the index of timers as a heap. A `due` must be followed by the `write` of what was made of it."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}
        self._timers: list[Timer] = []

    def get(self, key: bytes) -> bytes | None:
        """The value stored under `key`."""
        return self._values.get(key)

    def due(self, until: int, limit: int) -> list[Timer]:
        """Up to `limit` index entries with time <= `until`, earliest first.

        They are taken out at once: the write that follows would remove them anyway.
        """
        found: list[Timer] = []
        while len(found) < limit and self.next_due() <= until:
            found.append(heapq.heappop(self._timers))
        return found

    def next_due(self) -> float:
        """The time of the earliest entry, infinite when there is none."""
        return self._timers[0][0] if self._timers else float("inf")

    def write(self, changes: Changes) -> None:
        """Make a batch's changes."""
        for key, value in changes.puts.items():
            if value is None:
                self._values.pop(key, None)
            else:
                self._values[key] = value
        for timer in changes.timers:
            heapq.heappush(self._timers, timer)

    def __len__(self) -> int:
        return len(self._values)
