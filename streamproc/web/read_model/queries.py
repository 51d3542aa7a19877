"""What the API asks of the file, beside statistics. Each function runs on a connection that cannot write."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import ormsgpack

from streamproc.web.read_model import lists
from streamproc.web.read_model.apply_alerts import FACET_WORDS
from streamproc.web.read_model.apply_others import letter_id
from streamproc.web.read_model.lists import Filters, Listed
from streamproc.web.read_model.names import names_of, numbers
from streamproc.web.read_model.places import packed
from streamproc.web.read_model.rows import inflated, rule_name

ALERTS = Listed(
    "alerts",
    ("status", "severity", "category", "rule", "rule_type", "assignee", "incident"),
    frozenset({"assignee", "incident"}),
    "alert_words",
    FACET_WORDS,
    counted=True,
)
DELIVERIES = Listed("deliveries", ("channel", "state", "reason"))
LETTERS = Listed("letters", ("reason", "origin"))
RELATED_OF_EACH = 20
MAX_OF_ALERT = 500
"""Deliveries of one alert that a timeline looks at, the newest."""
Doc = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """A page: documents, and the place to go on from; None: there is no more."""

    items: list[Doc]
    more: int | None


def _page(rows: Sequence[tuple[int, Doc]], asked: int, found: int) -> Found:
    more = found > asked or len(rows) < min(found, asked)
    return Found([doc for _, doc in rows], rows[-1][0] if more and rows else None)


def list_alerts(connection: sqlite3.Connection, filters: Filters, before: int | None, limit: int) -> Found:
    """A page of alerts, newest first."""
    found = lists.places(connection, ALERTS, filters, before, limit + 1)
    rows = lists.documents(connection, "alert_bodies", found[:limit])
    return _page([(place, orjson.loads(doc)) for place, doc in rows], limit, len(found))


def alert_ids(connection: sqlite3.Connection, filters: Filters, limit: int) -> list[str]:
    """The ids of the newest alerts that pass, at most `limit`."""
    found = lists.places(connection, ALERTS, filters, None, limit)
    return [orjson.loads(doc)["id"] for _, doc in lists.documents(connection, "alert_bodies", found, lists.LAST)]


def get_alert(connection: sqlite3.Connection, id: str) -> Doc | None:
    """An alert; None: there is none."""
    row = connection.execute(
        "SELECT body FROM alerts JOIN alert_bodies USING (place) WHERE id = ?", (packed(id),)
    ).fetchone()
    return None if row is None else dict(orjson.loads(inflated(row[0])))


def get_alerts(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, Doc]:
    """Those of the alerts that there are, by id."""
    found = {id: get_alert(connection, id) for id in ids}
    return {id: doc for id, doc in found.items() if doc is not None}


def changed_alerts(
    connection: sqlite3.Connection, tenant: str | None, after: int, limit: int
) -> tuple[list[tuple[int, Doc]], int]:
    """Alerts by number of their latest change, after `after`, the oldest change first; and how far was looked."""
    known = None if tenant is None else numbers(connection, [tenant])
    rows = connection.execute(
        "SELECT changed, tenant, place FROM alerts WHERE changed > ? ORDER BY changed LIMIT ?", (after, limit)
    ).fetchall()
    looked = rows[-1][0] if rows else after
    result = []
    for changed, owner, place in rows:
        if known is None or owner in known:
            body = connection.execute("SELECT body FROM alert_bodies WHERE place = ?", (place,)).fetchone()[0]
            result.append((changed, orjson.loads(inflated(body))))
    return result, looked


def related_alerts(connection: sqlite3.Connection, id: str, limit: int) -> list[tuple[Doc, list[str]]]:
    """Alerts of the same tenant with the same group values, actor or rule, newest first, each with what is the same."""
    row = connection.execute(
        "SELECT place, tenant, same_group, actor, rule FROM alerts WHERE id = ?", (packed(id),)
    ).fetchone()
    if row is None:
        return []
    own, tenant, same_group, actor, rule = row
    why: dict[int, list[str]] = {}
    for name, column, value in (("group", "same_group", same_group), ("actor", "actor", actor), ("rule", "rule", rule)):
        if value is None:
            continue
        query = (
            f"SELECT place FROM alerts WHERE {column} = ? AND +tenant = ? AND place <> ? ORDER BY place DESC LIMIT ?"  # noqa: S608
        )
        for (place,) in connection.execute(query, (value, tenant, own, RELATED_OF_EACH)):
            why.setdefault(place, []).append(name)
    # what shares more is more telling than what is newer
    chosen = sorted(why, key=lambda place: (why[place] == ["rule"], -place))[:limit]
    found = lists.documents(connection, "alert_bodies", sorted(chosen, reverse=True))
    return [(orjson.loads(doc), why[place]) for place, doc in found]


def rule_activity(
    connection: sqlite3.Connection, tenant: str | None, rules: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], tuple[int, str | None]]:
    """By (owner, rule id): how many alerts are not resolved, and when the newest last triggered.

    `tenant` None: everybody's.
    """
    result: dict[tuple[str, str], tuple[int, str | None]] = {}
    whose = [] if tenant is None else numbers(connection, [tenant])
    resolved = (numbers(connection, ["resolved"]) or [-1])[0]
    if tenant is not None and not whose:
        return result
    only = "" if tenant is None else " AND tenant = ?"
    for owner, id in rules:
        known = numbers(connection, [rule_name(owner, id)])
        if not known:
            continue
        newest = connection.execute(
            f"SELECT max(place) FROM alerts WHERE rule = ?{only}",  # noqa: S608
            (known[0], *whose),
        ).fetchone()[0]
        count = connection.execute(
            f"SELECT count(*) FROM alerts WHERE rule = ?{only} AND status <> ?",  # noqa: S608
            (known[0], *whose, resolved),
        ).fetchone()[0]
        last = None
        if newest is not None:
            doc = orjson.loads(lists.documents(connection, "alert_bodies", [newest])[0][1])
            last = doc["context"].get("last_event_time") or doc["created_at"]
        result[owner, id] = (int(count), last)
    return result


def list_deliveries(connection: sqlite3.Connection, filters: Filters, before: int | None, limit: int) -> Found:
    """A page of deliveries, newest first."""
    found = lists.places(connection, DELIVERIES, filters, before, limit + 1)
    rows = lists.documents(connection, "deliveries", found[:limit])
    return _page([(place, orjson.loads(doc)) for place, doc in rows], limit, len(found))


def get_delivery(connection: sqlite3.Connection, id: str) -> Doc | None:
    """A delivery; None: there is none."""
    row = connection.execute("SELECT body FROM deliveries WHERE id = ?", (packed(id),)).fetchone()
    return None if row is None else dict(orjson.loads(inflated(row[0])))


def deliveries_of(connection: sqlite3.Connection, alert_id: str) -> list[Doc]:
    """What became of an alert's notifications, oldest first."""
    filters = Filters(wanted=packed(alert_id))
    return list_deliveries(connection, filters, None, MAX_OF_ALERT).items[::-1]


def list_incidents(
    connection: sqlite3.Connection, tenant: str | None, statuses: Sequence[str], before: int | None, limit: int
) -> Found:
    """A page of incidents, newest first, without their alerts."""
    terms, values = ["place < ?"], [lists.LAST if before is None else before]
    for column, names in (("tenant", None if tenant is None else [tenant]), ("status", statuses or None)):
        if names is not None:
            known = numbers(connection, list(names))
            terms.append(f"{column} IN ({','.join('?' * len(known))})")
            values += known
    query = f"SELECT place, tenant, incident FROM incidents WHERE {' AND '.join(terms)} ORDER BY place DESC LIMIT ?"  # noqa: S608
    rows = connection.execute(query, (*values, limit + 1)).fetchall()
    shown = [(place, _incident(connection, owner, incident)) for place, owner, incident in rows[:limit]]
    for _, doc in shown:
        del doc["alerts"]
    return _page(shown, limit, len(rows))


def get_incidents(connection: sqlite3.Connection, id: str) -> list[Doc]:
    """The incidents with this id, of whichever tenant, each with its alerts."""
    rows = connection.execute("SELECT tenant FROM incidents WHERE incident = ?", (id,)).fetchall()
    return [_incident(connection, tenant, id) for (tenant,) in rows]


def _incident(connection: sqlite3.Connection, tenant: int, id: str) -> Doc:
    rows = connection.execute(
        "SELECT body FROM links WHERE tenant = ? AND incident = ? ORDER BY linked_at, alert", (tenant, id)
    )
    return folded([orjson.loads(inflated(body)) for (body,) in rows])


SEVERITIES = ("informational", "low", "medium", "high", "critical")


def folded(links: Sequence[Doc]) -> Doc:
    """An incident from its links, in order of linking: open while one of its alerts is not resolved."""
    first = links[0]
    alerts = [
        {
            "id": link["alert_id"],
            **{name: link[name] for name in ("title", "severity", "rule_id", "linked_at", "linked_by", "note")},
            "status": link["alert_status"],
        }
        for link in links
    ]
    return {
        "id": first["incident_id"],
        "tenant_id": first["tenant_id"],
        "title": first["title"],
        "status": "resolved" if all(alert["status"] == "resolved" for alert in alerts) else "open",
        "severity": max((alert["severity"] for alert in alerts), key=SEVERITIES.index),
        "alert_count": len(alerts),
        "created_at": first["linked_at"],
        "created_by": first["linked_by"],
        "updated_at": max(link["updated_at"] for link in links),
        "alerts": alerts,
    }


@dataclass(frozen=True, slots=True)
class StoredLetter:
    """A dead letter: where it stands in its topic, whose it is as far as known, and the record."""

    id: str
    partition: int
    offset: int
    timestamp: int
    tenant: str | None
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


def list_letters(
    connection: sqlite3.Connection, filters: Filters, before: int | None, limit: int
) -> tuple[list[StoredLetter], int | None]:
    """A page of dead letters, newest first, and the place to go on from."""
    found = lists.places(connection, LETTERS, filters, before, limit + 1)
    rows: list[tuple[int, StoredLetter]] = []
    size = 0
    for place in found[:limit]:
        letter = _letter(connection, "place", place)
        assert letter is not None
        size += len(letter.value or b"")
        if rows and size > lists.MAX_BYTES:
            break
        rows.append((place, letter))
    more = len(found) > len(rows)
    return [letter for _, letter in rows], rows[-1][0] if more else None


def get_letter(connection: sqlite3.Connection, id: str) -> StoredLetter | None:
    """A dead letter; None: there is none."""
    return _letter(connection, "id", packed(id))


def _letter(connection: sqlite3.Connection, column: str, value: object) -> StoredLetter | None:
    row = connection.execute(
        f"SELECT id, partition, at, tenant, body FROM letters WHERE {column} = ?",  # noqa: S608
        (value,),
    ).fetchone()
    if row is None:
        return None
    packed_id, partition, at, tenant, body = row
    offset = int(packed_id[1:].partition(b"-")[2])
    key, content, headers = ormsgpack.unpackb(inflated(body))
    name = names_of(connection, {tenant})[tenant]
    pairs = tuple((header, bytes(raw)) for header, raw in headers)
    return StoredLetter(letter_id(partition, offset), partition, offset, at, name or None, key, content, pairs)
