"""Which stored rows of detect's table are a tenant's: what `streamproc erase` has to take out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from streamproc.engine import state as codec
from streamproc.engine.changes import KEY, RETIRED


@dataclass(slots=True)
class Belongings:
    """`keys`: rows to delete. `fingerprints` (hex) of the tenant's keys, `alerts`: ids of its alerts in them."""

    keys: list[bytes] = field(default_factory=list)
    fingerprints: set[str] = field(default_factory=set)
    alerts: set[str] = field(default_factory=set)


def in_detect(rows: Iterable[tuple[bytes, bytes]], tenant: str) -> Belongings:
    """The tenant's keys, under whoever's rule, and its resolved alerts that wait for their tombstones."""
    found = Belongings()
    for key, value in rows:
        if key[:1] == KEY:
            state = codec.decode(key[1:], value)
            if state.tenant == tenant:
                found.keys.append(key)
                found.fingerprints.add(state.fingerprint.hex())
                if state.episode is not None:
                    found.alerts.add(state.episode.id)
        elif key[:1] == RETIRED and codec.retired_of(value)[0] == tenant:
            found.keys.append(key)
            found.alerts.add(key[1:].decode())
    return found
