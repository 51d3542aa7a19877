"""What state the keys of a partition are, by type of rule: counted over and over, a little at a time.

Keeping the counts as keys change would need every key's former size; looking at a thousand keys a second costs some
three thousandths of a core, whatever the traffic.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Protocol

from streamproc import metrics
from streamproc.config.snapshot import Snapshot
from streamproc.engine import state as codec
from streamproc.engine.changes import KEY

LOOK_S = 1.0
"""Looks are at least this far apart."""
KEYS_PER_LOOK = 1000
REST_S = 15.0
"""Between the end of one count and the next."""
UNKNOWN = "unknown"
"""The type of a rule that is gone, or cannot be read."""


class Scanned(Protocol):
    """The part of a local table that is needed."""

    def scan(
        self, start: bytes, prefix: bytes, limit: int, wanted: Callable[[bytes, bytes], bool]
    ) -> tuple[list[bytes], bytes | None]:
        """As `LocalTable.scan`."""


class Census:
    """Counts one partition. `look` is called as often as one likes; `forget` when the partition is given up."""

    def __init__(self, table: Scanned, partition: int) -> None:
        self._table = table
        self._partition = str(partition)
        self._next_look = 0.0
        self._from: bytes = KEY
        self._snapshot: Snapshot | None = None
        self._types: dict[bytes, str] = {}
        self._keys: defaultdict[str, int] = defaultdict(int)
        self._bytes: defaultdict[str, int] = defaultdict(int)
        self._exported: set[str] = set()

    def look(self, snapshot: Snapshot, now: float) -> None:
        """Count on, if it is time; `now` are seconds of a steady clock. At the end the gauges are set."""
        if now < self._next_look:
            return
        if snapshot is not self._snapshot:
            self._snapshot = snapshot
            self._types = _types(snapshot)
        _, following = self._table.scan(self._from, KEY, KEYS_PER_LOOK, self._count)
        self._next_look = now + LOOK_S
        if following is None:
            self._export()
            self._next_look = now + REST_S
        self._from = following or KEY

    def forget(self) -> None:
        """Take the partition's figures out of the metrics."""
        for name in self._exported:
            metrics.STATE_KEYS.remove(name, self._partition)
            metrics.STATE_BYTES.remove(name, self._partition)
        self._exported.clear()

    def _count(self, key: bytes, value: bytes) -> bool:
        name = self._types.get(codec.rule_hash_in(value), UNKNOWN)
        self._keys[name] += 1
        self._bytes[name] += len(key) + len(value)
        return False

    def _export(self) -> None:
        gone = self._exported - self._keys.keys()
        for name in gone:
            metrics.STATE_KEYS.remove(name, self._partition)
            metrics.STATE_BYTES.remove(name, self._partition)
        for name, keys in self._keys.items():
            metrics.STATE_KEYS.labels(name, self._partition).set(keys)
            metrics.STATE_BYTES.labels(name, self._partition).set(self._bytes[name])
        self._exported = {*self._keys}
        self._keys.clear()
        self._bytes.clear()


def _types(snapshot: Snapshot) -> dict[bytes, str]:
    types = {}
    for record in snapshot.records("rule"):
        compiled = snapshot.rule(record.tenant, record.id)
        if compiled is not None:
            types[codec.rule_hash_of(record.tenant, record.id)] = compiled.rule.type
    return types
