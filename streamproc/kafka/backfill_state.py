"""Where a backfill keeps its keys, its alerts and how far it is: a table of its own, on disk."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from streamproc.engine.changes import KEY, Changes
from streamproc.kafka.table import LocalTable

_ALERT = b"a"
_CHECKPOINT = b"m:checkpoint"
_EVER = (1 << 63) - 1


class BackfillState:
    """`backtest.store.ReplayStore` over a `LocalTable`."""

    def __init__(self, path: Path) -> None:
        self._table = LocalTable(path)
        self._next: float | None = None

    def get(self, key: bytes) -> bytes | None:
        """The value stored under `key`."""
        return self._table.get(key)

    def due(self, until: int, limit: int) -> list[tuple[int, bytes]]:
        """Up to `limit` index entries with time <= `until`, earliest first."""
        return self._table.due(until, limit)

    def next_due(self) -> float:
        """The time of the earliest entry, infinite when there is none."""
        if self._next is None:
            first = self._table.due(_EVER - 1, 1)
            self._next = first[0][0] if first else float("inf")
        return self._next

    def write(self, changes: Changes) -> None:
        """Make a batch's changes, and keep the alerts that it tells of."""
        puts = dict(changes.puts)
        puts.update((_ALERT + one.alert_id.encode(), one.value) for one in changes.alerts if one.value is not None)
        self._table.write(puts, changes.timers, changes.fired, 0, int(time.time()))
        if changes.fired or changes.timers:
            self._next = None

    @property
    def checkpoint(self) -> dict[str, Any] | None:
        """What the last `keep` kept."""
        stored = self._table.get(_CHECKPOINT)
        return None if stored is None else orjson.loads(stored)

    def keep(self, checkpoint: dict[str, Any]) -> None:
        """Keep how far the backfill is; what was written before is on disk with it."""
        self._table.write({_CHECKPOINT: orjson.dumps(checkpoint)}, (), (), 0, int(time.time()))

    def keys(self) -> Iterator[tuple[bytes, bytes]]:
        """(fingerprint, stored state) of every key."""
        return ((key[1:], value) for key, value in self._table.items(KEY))

    def alerts(self) -> Iterator[bytes]:
        """The last record of every alert."""
        return (value for _, value in self._table.items(_ALERT))

    def close(self) -> None:
        """Release the directory; what it holds stays."""
        self._table.close()
