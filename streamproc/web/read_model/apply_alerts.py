"""Alert records into rows: the newest revision of each, its words for the search, and what the statistics count."""

from __future__ import annotations

from collections.abc import Sequence, Set
from hashlib import blake2b
from typing import TYPE_CHECKING

from streamproc.web.read_model.counts import AlertCounts
from streamproc.web.read_model.places import after, packed, place_of
from streamproc.web.read_model.rows import AlertRow, RowError, alert_row, deflated, inflated

if TYPE_CHECKING:
    from streamproc.web.read_model.writer import Applied, Arrived, Writer

_OLD = (
    "SELECT place, revision, tenant, status, severity, category, rule, rule_type, assignee, incident, triggers, acted,"
    " words FROM alerts WHERE id = ?"
)
_FACETS = slice(2, 10)


class _Rows:
    """Rows to be written, table by table: one statement for many rows costs a third of many statements."""

    def __init__(self) -> None:
        self.alerts: list[tuple[object, ...]] = []
        self.bodies: list[tuple[int, bytes]] = []
        self.words: list[tuple[int, str]] = []
        self.taken: set[int] = set()
        self.new_words: dict[str, None] = {}

    def add_words(self, writer: Writer, place: int, words: str, facets: Sequence[int]) -> None:
        self.words.append((place, _searched(words, facets)))
        for word in words.split():
            if word not in writer.known_words:
                self.new_words[word] = None

    def write(self, writer: Writer) -> None:
        many = writer.connection.executemany
        many("INSERT OR REPLACE INTO alerts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", self.alerts)
        many("INSERT OR REPLACE INTO alert_bodies VALUES (?, ?)", self.bodies)
        many("INSERT INTO alert_words (rowid, words) VALUES (?, ?)", self.words)
        many("INSERT OR IGNORE INTO vocabulary VALUES (?)", [(word,) for word in self.new_words])
        writer.remember_words(self.new_words)


def apply(writer: Writer, records: Sequence[Arrived], applied: Applied) -> None:
    """Apply records of `alerts`, in order within a partition."""
    counts, rows = AlertCounts(), _Rows()
    for id, (row, afresh) in _latest(writer, records, applied).items():
        _put(writer, id, row, afresh, counts, rows)
    rows.write(writer)
    counts.write(writer)


def _latest(writer: Writer, records: Sequence[Arrived], applied: Applied) -> dict[bytes, tuple[AlertRow | None, bool]]:
    """By id, the row to be; None: deleted. True beside it: whatever stands there was deleted meanwhile."""
    latest: dict[bytes, tuple[AlertRow | None, bool]] = {}
    for record in records:
        try:
            if record.value is None:
                latest[packed((record.key or b"").decode())] = (None, True)
                continue
            row = alert_row(record.value)
        except (RowError, UnicodeDecodeError) as error:
            writer.unreadable(record, error, applied)
            continue
        if row.command is not None:
            applied.commands.append(row.command)
        before, afresh = latest.get(row.id, (None, False))
        if before is None or row.revision >= before.revision:
            # of the same revision the later: a command that was refused changes nothing but the answer
            latest[row.id] = (row, afresh)
    return latest


def _put(writer: Writer, id: bytes, row: AlertRow | None, afresh: bool, counts: AlertCounts, rows: _Rows) -> None:
    old = writer.connection.execute(_OLD, (id,)).fetchone()
    if old is not None and (row is None or afresh):
        _delete(writer, old, counts)
        old = None
    if row is None or (old is not None and row.revision < old[1]):
        return
    number = writer.names.number
    facets = (
        *(number(row.tenant), number(row.status), number(row.severity), number(row.category)),
        *(number(row.rule), number(row.rule_type), number(row.assignee), number(row.incident)),
    )
    place = old[0] if old is not None else _free(writer, place_of(row.created, id), rows.taken)
    writer.changed += 1
    digest = blake2b(row.words.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    if old is None:
        rows.taken.add(place)
        rows.add_words(writer, place, row.words, facets)
    else:
        if digest != old[12] or facets[:6] != old[2:8]:
            _forget_words(writer, old)
            rows.add_words(writer, place, row.words, facets)
        counts.add(place, old[_FACETS], old[10], old[11], -1)
    rows.alerts.append(
        (place, id, row.revision, writer.changed, *facets, row.same_group, row.actor, row.triggers, row.acted, digest)
    )
    rows.bodies.append((place, deflated(row.document)))
    counts.add(place, facets, row.triggers, row.acted, 1)


def _free(writer: Writer, place: int, taken: Set[int]) -> int:
    query = "SELECT 1 FROM alerts WHERE place = ?"
    while place in taken or writer.connection.execute(query, (place,)).fetchone() is not None:
        place = after(place)
    return place


def _delete(writer: Writer, old: Sequence[int], counts: AlertCounts) -> None:
    _forget_words(writer, old)
    counts.add(old[0], old[_FACETS], old[10], old[11], -1)
    writer.connection.execute("DELETE FROM alerts WHERE place = ?", (old[0],))
    writer.connection.execute("DELETE FROM alert_bodies WHERE place = ?", (old[0],))


def _forget_words(writer: Writer, old: Sequence[int]) -> None:
    """A search index that keeps no text of its own must be told what to forget."""
    body = writer.connection.execute("SELECT body FROM alert_bodies WHERE place = ?", (old[0],)).fetchone()[0]
    words = _searched(alert_row(inflated(body)).words, old[_FACETS])
    writer.connection.execute(
        "INSERT INTO alert_words (alert_words, rowid, words) VALUES ('delete', ?, ?)", (old[0], words)
    )


FACET_WORDS = {"tenant": "@t", "status": "@s", "severity": "@v", "category": "@c", "rule": "@r", "rule_type": "@y"}
"""How a search names a filter; a text's own words never begin with an at sign."""


def _searched(words: str, facets: Sequence[int]) -> str:
    tenant, status, severity, category, rule, kind = facets[:6]
    return f"@t{tenant} @s{status} @v{severity} @c{category} @r{rule} @y{kind} {words}"
