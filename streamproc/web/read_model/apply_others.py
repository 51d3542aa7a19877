"""Deliveries, incidents and dead letters into rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import orjson
import ormsgpack

from streamproc.model.time_text import milliseconds
from streamproc.web.read_model.counts import DeliveryCounts
from streamproc.web.read_model.places import after, packed, place_at, place_of
from streamproc.web.read_model.rows import DeliveryRow, RowError, deflated, delivery_row, inflated, link_row

if TYPE_CHECKING:
    from streamproc.web.read_model.writer import Applied, Arrived, Writer

OPEN, RESOLVED = "open", "resolved"
"""Of an incident: whether one of its alerts is not resolved."""

_OLD_DELIVERY = "SELECT place, tenant, channel, state, reason, covered FROM deliveries WHERE "


def deliveries(writer: Writer, records: Sequence[Arrived], applied: Applied) -> None:
    """Apply records of `deliveries`: of each delivery the last that came."""
    latest: dict[bytes, DeliveryRow | None] = {}
    for record in records:
        try:
            if record.value is None:
                latest[packed((record.key or b"").decode())] = None
            else:
                row = delivery_row(record.value)
                latest[row.id] = row
        except (RowError, UnicodeDecodeError) as error:
            writer.unreadable(record, error, applied)
    counts = DeliveryCounts()
    execute, number = writer.connection.execute, writer.names.number
    for id, found in latest.items():
        old = execute(_OLD_DELIVERY + "id = ?", (id,)).fetchone()
        if old is not None:
            counts.add(old, -1)
        if found is None:
            if old is not None:
                execute("DELETE FROM deliveries WHERE place = ?", (old[0],))
            continue
        place = old[0] if old is not None else _free(writer, "deliveries", place_of(found.created, id))
        new = (*map(number, (found.tenant, found.channel, found.state, found.reason)), found.covered)
        tenant, channel, state, reason, covered = new
        execute(
            "INSERT OR REPLACE INTO deliveries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(place, id, found.updated, tenant, found.alert),
                *(channel, state, reason, covered, deflated(found.document)),
            ),
        )
        counts.add((place, *new), 1)
    counts.write(writer)
    applied.deliveries = len(latest)


def prune_deliveries(writer: Writer, before: int, limit: int) -> int:
    """Delete some rows whose place is before that one."""
    rows = writer.connection.execute(_OLD_DELIVERY + "place < ? LIMIT ?", (before, limit)).fetchall()
    counts = DeliveryCounts()
    for old in rows:
        counts.add(old, -1)
    writer.connection.executemany("DELETE FROM deliveries WHERE place = ?", [(old[0],) for old in rows])
    counts.write(writer)
    return len(rows)


def links(writer: Writer, records: Sequence[Arrived], applied: Applied) -> None:
    """Apply records of `incidents`, and fold anew the incidents they belong to."""
    touched: set[tuple[int, str]] = set()
    execute, number = writer.connection.execute, writer.names.number
    for record in records:
        try:
            if record.value is None:
                incident, _, alert = (record.key or b"").decode().partition("/")
                where = (incident, alert)
                tenants = execute("SELECT tenant FROM links WHERE incident = ? AND alert = ?", where).fetchall()
                execute("DELETE FROM links WHERE incident = ? AND alert = ?", where)
                touched |= {(tenant, incident) for (tenant,) in tenants}
                continue
            row = link_row(record.value)
        except (RowError, UnicodeDecodeError) as error:
            writer.unreadable(record, error, applied)
            continue
        tenant = number(row.tenant)
        execute(
            "INSERT OR REPLACE INTO links VALUES (?, ?, ?, ?, ?)",
            (tenant, row.incident, row.alert, row.linked_at, deflated(row.document)),
        )
        touched.add((tenant, row.incident))
    for tenant, incident in sorted(touched):
        _fold(writer, tenant, incident)


def _fold(writer: Writer, tenant: int, incident: str) -> None:
    execute = writer.connection.execute
    rows = execute(
        "SELECT linked_at, body FROM links WHERE tenant = ? AND incident = ? ORDER BY linked_at", (tenant, incident)
    ).fetchall()
    execute("DELETE FROM incidents WHERE tenant = ? AND incident = ?", (tenant, incident))
    if not rows:
        return
    is_open = any(orjson.loads(inflated(body))["alert_status"] != RESOLVED for _, body in rows)
    place = _free(writer, "incidents", place_of(milliseconds(rows[0][0]), packed(incident)))
    status = writer.names.number(OPEN if is_open else RESOLVED)
    execute("INSERT INTO incidents VALUES (?, ?, ?, ?)", (place, tenant, incident, status))


def letters(writer: Writer, records: Sequence[Arrived], applied: Applied) -> None:
    """Apply records of `dead-letters`."""
    execute, number = writer.connection.execute, writer.names.number
    for record in records:
        headers = {name: value for name, value in record.headers if isinstance(value, bytes)}
        reason, origin = (headers.get(name, b"").decode("utf-8", "replace") for name in ("reason", "origin-topic"))
        id = packed(letter_id(record.partition, record.offset))
        if execute("SELECT 1 FROM letters WHERE id = ?", (id,)).fetchone() is not None:
            continue
        body = ormsgpack.packb([record.key, record.value, list(record.headers)])
        place = _free(writer, "letters", place_at(record.timestamp, record.offset))
        execute(
            "INSERT INTO letters VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(place, id, record.partition, record.timestamp),
                *(number(record.tenant or ""), number(reason), number(origin), deflated(body)),
            ),
        )


def letter_id(partition: int, offset: int) -> str:
    """A dead letter's id is its place in the topic."""
    return f"{partition}-{offset}"


def _free(writer: Writer, table: str, place: int) -> int:
    query = f"SELECT 1 FROM {table} WHERE place = ?"  # noqa: S608 - one of our own tables
    while writer.connection.execute(query, (place,)).fetchone() is not None:
        place = after(place)
    return place
