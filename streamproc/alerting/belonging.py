"""Which stored rows are a tenant's: what `streamproc erase` has to take out of the tables of notify and deliver."""

from __future__ import annotations

from collections.abc import Iterable, Set

import orjson

from streamproc.alerting import outbox_entry
from streamproc.alerting.notifier import CLIMBING, GATHERING, HELD, STATE
from streamproc.alerting.watch import QUIET, SOURCE
from streamproc.model.notification import Notification

Rows = Iterable[tuple[bytes, bytes]]


def in_notify(rows: Rows, tenant: str, fingerprints: Set[str]) -> list[bytes]:
    """Keys of the tenant's rows in notify's table. `fingerprints` (hex) are all that are known to be the tenant's."""
    mine: list[bytes] = []
    gatherings: dict[bytes, list[bytes]] = {}
    held: set[bytes] = set()
    for key, value in rows:
        kind, name = key[:1], key[1:]
        if kind in (STATE, CLIMBING):
            if name.decode() in fingerprints or (kind == CLIMBING and orjson.loads(value).get("tenant_id") == tenant):
                mine.append(key)
        elif kind in (QUIET, SOURCE):
            if name.partition(b"\0")[0] == tenant.encode():
                mine.append(key)
        elif kind == GATHERING:
            gatherings.setdefault(name, []).append(key)
        elif kind == HELD and Notification.decode(value).tenant == tenant:
            mine.append(key)
            held.add(name.partition(b"\0")[0])
    # a gathering is one tenant's: that of what it holds
    return mine + [key for name, keys in gatherings.items() if name in held for key in keys]


def in_outbox(rows: Rows, tenant: str) -> list[bytes]:
    """Keys of the tenant's rows in deliver's table."""
    return [key for key, value in rows if outbox_entry.decode(value).tenant == tenant]
