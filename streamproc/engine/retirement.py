"""How resolved alerts leave the compacted topics: a stored note of when, and at that time their tombstones."""

from __future__ import annotations

from collections.abc import Sequence

from streamproc.engine import state as codec
from streamproc.engine.changes import RETIRED, AlertRecord, Changes, LinkRecord, Store


def retire(changes: Changes, alert_id: str, tenant: str, when: int, incidents: Sequence[str] = ()) -> None:
    """The alert, and its links to `incidents`, are to go at stream time `when`."""
    key = RETIRED + alert_id.encode()
    changes.puts[key] = codec.retired(when, tenant, incidents)
    changes.timers.append((when, key))


def keep(changes: Changes, alert_id: str) -> None:
    """The alert lives again: no tombstone for it now."""
    changes.puts[RETIRED + alert_id.encode()] = None


def bury(changes: Changes, store: Store, key: bytes, timer: int) -> None:
    """The time of a key made by `retire` has come."""
    if key in changes.puts:
        return  # done in this batch already, or reopened in it
    value = store.get(key)
    if value is not None and codec.timer_of(value) == timer:
        alert_id, (tenant, incidents) = key[1:].decode(), codec.retired_of(value)
        changes.puts[key] = None
        changes.alerts.append(AlertRecord(alert_id, tenant, None))
        changes.links.extend(LinkRecord(incident, alert_id, tenant, None) for incident in incidents)
