"""Pages of a list: which index to walk, so that a page costs little however many rows there are and match.

A filter that few rows pass is found by its own index. When all of them pass many, the index of the tenant's list is
walked, newest first, until the page is full; it holds what is filtered by, so that no row is looked up in vain.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from streamproc.web.read_model.counts import EVERYBODY, FACETS
from streamproc.web.read_model.names import numbers
from streamproc.web.read_model.places import begins
from streamproc.web.read_model.rows import inflated, rule_ids_range
from streamproc.web.read_model.search import with_prefixes

FEW = 5_000
"""A filter that passes fewer rows is walked by its own index."""
LOOK_UP, WALK_ROWS = 4.0, 2.0
"""What an entry of an index costs whose row is looked up, and a row in passing; an entry that is only read costs 1."""
MAX_BYTES = 4 << 20
"""Of documents on a page: it ends early when they are large."""
LAST = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Filters:
    """What to list. `facets`: by column the words of which one must be there; times are ms, from and before.

    `tenant` None is everybody's. `words` is an FTS5 expression (`search.expression`); "" matches nothing.
    """

    tenant: str | None = None
    facets: Mapping[str, Sequence[str]] = field(default_factory=dict)
    since: int | None = None
    until: int | None = None
    words: str | None = None
    wanted: bytes | None = None
    """Of deliveries: the alert's id, packed."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A table that is listed: what it is filtered by, which of that is sparse, and how a search names it."""

    table: str
    facets: tuple[str, ...]
    sparse: frozenset[str] = frozenset()
    """Facets whose index leaves out rows that have none."""
    words: str = ""
    marks: Mapping[str, str] = field(default_factory=dict)
    counted: bool = False
    """Whether `alert_facets` says how many rows each filter passes."""


def places(
    connection: sqlite3.Connection, listed: Listed, filters: Filters, before: int | None, limit: int
) -> list[int]:
    """The places of a page, newest first: at most `limit`, all before `before`."""
    low = 0 if filters.since is None else begins(filters.since)
    high = LAST if filters.until is None else begins(filters.until)
    if before is not None:
        high = min(high, before)
    chosen: dict[str, list[int]] = {}
    if filters.tenant is not None:
        chosen["tenant"] = numbers(connection, [filters.tenant])
    for name, values in filters.facets.items():
        chosen[name] = _numbers(connection, name, list(values))
    if low >= high or any(not found for found in chosen.values()):
        return []
    if filters.words is not None:
        return _search(connection, listed, filters.words, chosen, low, high, limit)
    if filters.wanted is not None:
        where, values_of = _conditions(chosen, low, high)
        query = f"SELECT place FROM {listed.table} WHERE alert = ? AND {where} ORDER BY place DESC LIMIT ?"  # noqa: S608
        return _places(connection, query, (filters.wanted, *values_of, limit))
    return _walk(connection, listed, chosen, low, high, limit)


def _walk(
    connection: sqlite3.Connection, listed: Listed, chosen: Mapping[str, list[int]], low: int, high: int, limit: int
) -> list[int]:
    table = listed.table
    by = _narrowest(connection, listed, chosen, low, high)
    where, values = _conditions({name: found for name, found in chosen.items() if name != by}, low, high)
    if by is None:
        query = f"SELECT place FROM {table} NOT INDEXED WHERE {where} ORDER BY place DESC LIMIT ?"  # noqa: S608
        return _places(connection, query, (*values, limit))
    query = (
        f"SELECT place FROM {table} INDEXED BY {_index(listed, by)} WHERE {_equals(listed, by)} AND {where}"  # noqa: S608
        " ORDER BY place DESC LIMIT ?"
    )
    found = [place for one in chosen[by] for place in _places(connection, query, (one, *values, limit))]
    return sorted(found, reverse=True)[:limit]


def _narrowest(
    connection: sqlite3.Connection, listed: Listed, chosen: Mapping[str, list[int]], low: int, high: int
) -> str | None:
    """Whose index to walk; None: the table itself."""
    if len(chosen) == 1:
        return next(iter(chosen))
    if listed.counted:
        return _cheapest(connection, chosen)
    counts: dict[str, int] = {}
    for name, found in chosen.items():
        query = (
            f"SELECT count(*) FROM (SELECT 1 FROM {listed.table} INDEXED BY {_index(listed, name)}"  # noqa: S608
            f" WHERE {_equals(listed, name)} AND place >= ? AND place < ? LIMIT {FEW})"
        )
        counts[name] = sum(connection.execute(query, (one, low, high)).fetchone()[0] for one in found)
    least = min(counts, key=counts.__getitem__, default=None)
    if least is not None and counts[least] < FEW:
        return least
    return "tenant" if "tenant" in chosen else None


def _cheapest(connection: sqlite3.Connection, chosen: Mapping[str, list[int]]) -> str | None:
    """Whose index to walk, by how many alerts each filter passes: the page is full after the same share of any."""
    tenant = chosen["tenant"][0] if "tenant" in chosen else EVERYBODY

    query = "SELECT sum(alerts) FROM alert_facets WHERE tenant = ? AND facet = 0"
    whole = connection.execute(query, (tenant,)).fetchone()[0] or 0
    # the tenant's list holds what is filtered by; of the others, rows have to be looked up
    costs: dict[str | None, float] = {
        name: LOOK_UP * _count(connection, EVERYBODY, name, chosen[name]) for name in chosen if name != "tenant"
    }
    if "tenant" in chosen:
        costs["tenant"] = float(whole)
    else:
        costs[None] = WALK_ROWS * whole
    return min(costs, key=costs.__getitem__)


def _count(connection: sqlite3.Connection, tenant: int, name: str, values: Sequence[int]) -> int:
    """How many alerts of a tenant, or of everybody, a filter passes."""
    query = "SELECT alerts FROM alert_facets WHERE tenant = ? AND facet = ? AND value = ?"
    found = (connection.execute(query, (tenant, FACETS.index(name), value)).fetchone() for value in values)
    return sum(row[0] for row in found if row is not None)


def _search(
    connection: sqlite3.Connection,
    listed: Listed,
    words: str,
    chosen: Mapping[str, list[int]],
    low: int,
    high: int,
    limit: int,
) -> list[int]:
    if not words:
        return []
    rarest, others = _marked(connection, listed, chosen)
    where, values = _conditions(chosen, low, high, "listed.")
    # The search's own numbers of tenants make it quick; that a row is the tenant's is for the row to say.
    query = (
        f"SELECT listed.place FROM {listed.words} JOIN {listed.table} AS listed ON listed.place = {listed.words}.rowid"  # noqa: S608
        f" WHERE {listed.words} MATCH ? AND {listed.words}.rowid >= ? AND {listed.words}.rowid < ? AND {where}"
        f" ORDER BY {listed.words}.rowid DESC LIMIT ?"
    )
    matching = " AND ".join((*rarest, with_prefixes(connection, words), *others))
    return _places(connection, query, (matching, low, min(high, LAST), *values, limit))


def _marked(
    connection: sqlite3.Connection, listed: Listed, chosen: Mapping[str, list[int]]
) -> tuple[list[str], list[str]]:
    """What the search index is asked for the filters: before the words, and after them.

    It goes from one entry of its first term to the next, and looks for each in the second, and so on. Once few are
    left, looking at their rows costs less than looking for them among the entries of a common filter.
    """
    marked = {
        name: "(" + " OR ".join(f'"{listed.marks[name]}{number}"' for number in found) + ")"
        for name, found in chosen.items()
        if name in listed.marks
    }
    if not marked or not listed.counted:
        return [*marked.values()], []
    counts = {name: _count(connection, EVERYBODY, name, chosen[name]) for name in marked}
    rarest, *others = sorted(marked, key=counts.__getitem__)
    return [marked[rarest]], [] if counts[rarest] < FEW else [marked[name] for name in others]


def _index(listed: Listed, name: str) -> str:
    return f"{listed.table}_list" if name == "tenant" else f"{listed.table}_{name}"


def _equals(listed: Listed, name: str) -> str:
    return f"{name} = ? AND {name} > 0" if name in listed.sparse else f"{name} = ?"


def _conditions(chosen: Mapping[str, list[int]], low: int, high: int, of: str = "") -> tuple[str, list[int]]:
    terms, values = [f"{of}place >= ? AND {of}place < ?"], [low, high]
    for name, found in chosen.items():
        terms.append(f"{of}{name} IN ({','.join('?' * len(found))})")
        values += found
    return " AND ".join(terms), values


def _places(connection: sqlite3.Connection, query: str, values: Sequence[object]) -> list[int]:
    return [int(row[0]) for row in connection.execute(query, values)]


def _numbers(connection: sqlite3.Connection, facet: str, values: list[str]) -> list[int]:
    if facet != "rule":
        return numbers(connection, values)
    found: list[int] = []
    for value in values:  # of every owner
        rows = connection.execute("SELECT number FROM names WHERE name >= ? AND name < ?", rule_ids_range(value))
        found += [int(row[0]) for row in rows]
    return found


def documents(
    connection: sqlite3.Connection, table: str, found: Sequence[int], most: int = MAX_BYTES
) -> list[tuple[int, bytes]]:
    """(place, document) of rows, in the order given, up to `most` bytes but at least one."""
    result: list[tuple[int, bytes]] = []
    size = 0
    for place in found:
        row = connection.execute(f"SELECT body FROM {table} WHERE place = ?", (place,)).fetchone()  # noqa: S608
        document = inflated(row[0])
        size += len(document)
        if result and size > most:
            break
        result.append((place, document))
    return result
