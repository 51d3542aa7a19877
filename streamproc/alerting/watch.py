"""The alerts that notify keeps an eye on between their records: those that are kept quiet, and those that keep quiet.

One watch serves one partition of `alerts`, which has all of a tenant's. It is made anew from the table's rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from streamproc.alerting.hush import hushed_by, may_inhibit
from streamproc.alerting.lookup import Lookup
from streamproc.alerting.notify import rule_of
from streamproc.alerting.silence import next_change

Alert = Mapping[str, Any]

QUIET, SOURCE = b"h", b"s"
"""First bytes of the rows' keys; the tenant, a zero byte and the alert's id follow."""
_ASK_AGAIN_MS = 30_000


class Watch:
    """`rows`: what the table holds under `QUIET` and `SOURCE`."""

    def __init__(self, rows: Iterable[tuple[bytes, bytes]], lookup: Lookup) -> None:
        self._lookup = lookup
        self._quiet: dict[str, dict[str, Alert]] = {}
        self._sources: dict[str, dict[str, Alert]] = {}
        self._looked: dict[str, tuple[object, int | None]] = {}
        self._changes = 0
        """Counts changes of sources."""
        self._asked: dict[str, int] = {}
        for key, value in rows:
            tenant, _, alert_id = key[1:].partition(b"\0")
            book = self._quiet if key[:1] == QUIET else self._sources
            book.setdefault(tenant.decode(), {})[alert_id.decode()] = orjson.loads(value)

    def sources(self, tenant: str) -> Iterable[Alert]:
        """The tenant's alerts that may inhibit others."""
        return self._sources.get(tenant, {}).values()

    def see(self, alert: Alert) -> dict[bytes, bytes | None]:
        """Take note of an alert's record; answers the rows that change."""
        tenant, id = alert["tenant_id"], alert["id"]
        rows: dict[bytes, bytes | None] = {}
        quiet = alert["status"] == "suppressed" and not str(alert.get("suppressed_by") or "").startswith("snooze")
        _note(self._quiet, QUIET, tenant, id, alert if quiet else None, rows)
        policies = [policy for (owner, _), policy in self._lookup.policies.items() if owner == tenant]
        source = bool(policies) and may_inhibit(alert, policies)
        before = len(rows)
        _note(self._sources, SOURCE, tenant, id, alert if source else None, rows)
        self._changes += len(rows) > before
        self._asked.pop(id, None)
        return rows

    def over(self, now: int) -> list[Alert]:
        """The quiet alerts that nothing keeps quiet any more; each is answered again after a while."""
        found: list[Alert] = []
        for tenant, alerts in self._quiet.items():
            if not alerts:
                continue
            version = (self._lookup.revision, self._changes, len(alerts))
            looked, again = self._looked.get(tenant, (None, None))
            if looked == version and (again is None or now < again):
                continue
            ended = [alert for alert in alerts.values() if not self._still(alert, now)]
            times = [next_change(self._lookup.silences(tenant), now)]
            for alert in ended:
                if now >= self._asked.get(alert["id"], 0):
                    self._asked[alert["id"]] = now + _ASK_AGAIN_MS
                    found.append(alert)
                times.append(self._asked[alert["id"]])
            self._looked[tenant] = (version, min((at for at in times if at is not None), default=None))
        return found

    def _still(self, alert: Alert, now: int) -> bool:
        rule = self._lookup.rule(*rule_of(alert))
        if rule is None:
            return False
        return hushed_by(alert, rule, self._lookup, self.sources(alert["tenant_id"]), now) is not None


def _note(
    book: dict[str, dict[str, Alert]],
    kind: bytes,
    tenant: str,
    id: str,
    alert: Alert | None,
    rows: dict[bytes, bytes | None],
) -> None:
    alerts = book.setdefault(tenant, {})
    key = kind + tenant.encode() + b"\0" + id.encode()
    if alert is not None:
        alerts[id] = alert
        rows[key] = orjson.dumps(alert)
    elif alerts.pop(id, None) is not None:
        rows[key] = None
