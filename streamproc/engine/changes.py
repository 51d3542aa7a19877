"""What an engine reads and what it hands over: the seam between the pure stepping of keys and where they are kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

KEY, RETIRED = b"k", b"r"
"""What a stored record is: a key's state, or a resolved alert that waits for its tombstone."""


class Store(Protocol):
    """What the engine reads: the committed state of its partition."""

    def get(self, key: bytes) -> bytes | None:
        """The value stored under `key`."""

    def due(self, until: int, limit: int) -> list[tuple[int, bytes]]:
        """Up to `limit` entries (time, key) of the timer index with time <= `until`, earliest first."""


class AlertRecord(NamedTuple):
    """One record for the `alerts` topic; `value` None is its tombstone.

    `arrived`, on an alert's first record, is when the event that opened it arrived (ms).
    """

    alert_id: str
    tenant: str
    value: bytes | None
    arrived: int | None = None


class LinkRecord(NamedTuple):
    """One record for the `incidents` topic: an alert's part in an incident; `value` None is its tombstone."""

    incident_id: str
    alert_id: str
    tenant: str
    value: bytes | None


@dataclass(slots=True)
class Changes:
    """What a batch did: to be written atomically with the position reached.

    `puts` maps stored keys to values (None: delete), `timers` are index entries to add, `fired` to remove.
    """

    puts: dict[bytes, bytes | None] = field(default_factory=dict)
    timers: list[tuple[int, bytes]] = field(default_factory=list)
    fired: list[tuple[int, bytes]] = field(default_factory=list)
    alerts: list[AlertRecord] = field(default_factory=list)
    links: list[LinkRecord] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.puts or self.alerts or self.fired)


@dataclass(slots=True)
class Counts:
    """Counters since the engine was made; the shell exports them as metrics."""

    hits: int = 0
    late: int = 0
    duplicate: int = 0
    replayed: int = 0
    outdated: int = 0
    insufficient_history: int = 0
    triggers: int = 0
    opened: int = 0
    unknown_command: int = 0
    expired: int = 0
