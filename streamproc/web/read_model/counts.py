"""What the statistics count, kept up with the rows: sums by hour, of each tenant and of everybody.

Everybody's sums stand under the tenant number 0, so that an operator's statistics cost no more than one tenant's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from streamproc.web.read_model.places import created_at

if TYPE_CHECKING:
    from streamproc.web.read_model.writer import Writer

HOUR_MS = 3_600_000
EVERYBODY = 0
FACETS = ("tenant", "status", "severity", "category", "rule", "rule_type", "assignee", "incident")
"""Columns of `alerts`, by the numbers that `alert_facets` has for them."""

_RULES = (
    "INSERT INTO alert_rules VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET alerts = alerts + excluded.alerts,"
    " triggers = triggers + excluded.triggers, acted = acted + excluded.acted"
)
_HOURS = (
    "INSERT INTO alert_hours VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET alerts = alerts + excluded.alerts,"
    " triggers = triggers + excluded.triggers"
)
_STATUSES = "INSERT INTO alert_statuses VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET alerts = alerts + excluded.alerts"
_FACETS = "INSERT INTO alert_facets VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET alerts = alerts + excluded.alerts"
_DELIVERIES = (
    "INSERT INTO delivery_hours VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
    " deliveries = deliveries + excluded.deliveries, covered = covered + excluded.covered"
)


class Sums:
    """Sums by key, as they change in one batch; `write` adds them to a table."""

    def __init__(self) -> None:
        self._sums: dict[tuple[int, ...], list[int]] = {}

    def add(self, key: tuple[int, ...], *values: int) -> None:
        found = self._sums.get(key)
        if found is None:
            self._sums[key] = list(values)
        else:
            for place, value in enumerate(values):
                found[place] += value

    def write(self, writer: Writer, statement: str) -> None:
        rows = [(*key, *sums) for key, sums in self._sums.items() if any(sums)]
        # everybody's: the same without the tenant
        all_of: dict[tuple[int, ...], list[int]] = {}
        for key, sums in self._sums.items():
            found = all_of.setdefault(key[1:], [0] * len(sums))
            for place, value in enumerate(sums):
                found[place] += value
        rows += [(EVERYBODY, *key, *sums) for key, sums in all_of.items() if any(sums)]
        writer.connection.executemany(statement, rows)


class AlertCounts:
    """Changes of the sums of alerts in one batch."""

    def __init__(self) -> None:
        self._rules, self._hours, self._statuses, self._facets = Sums(), Sums(), Sums(), Sums()

    def add(self, place: int, facets: Sequence[int], triggers: int, acted: int, sign: int) -> None:
        """Count an alert; `sign` -1: no longer. `facets` are the columns of `FACETS`."""
        tenant, status, severity, _, rule = facets[:5]
        hour = created_at(place) // HOUR_MS
        self._rules.add((tenant, hour, rule), sign, sign * triggers, sign * acted)
        self._hours.add((tenant, hour, severity), sign, sign * triggers)
        self._statuses.add((tenant, status, severity), sign)
        for number, value in enumerate(facets):
            self._facets.add((tenant, number, value), sign)

    def write(self, writer: Writer) -> None:
        """Add them to the tables, in the transaction that is open."""
        self._rules.write(writer, _RULES)
        self._hours.write(writer, _HOURS)
        self._statuses.write(writer, _STATUSES)
        self._facets.write(writer, _FACETS)


class DeliveryCounts:
    """Changes of the sums of deliveries in one batch."""

    def __init__(self) -> None:
        self._hours = Sums()

    def add(self, row: Sequence[int], sign: int) -> None:
        """Count a delivery; `row` is place, tenant, channel, state, reason, triggers covered."""
        place, tenant, channel, state, reason, covered = row
        self._hours.add((tenant, created_at(place) // HOUR_MS, channel, state, reason), sign, sign * covered)

    def write(self, writer: Writer) -> None:
        """Add them to the table, in the transaction that is open."""
        self._hours.write(writer, _DELIVERIES)
