"""What the statistics count, from hourly sums that are kept with the rows, so that no row is looked at."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from streamproc.model.times import iso
from streamproc.web.read_model.counts import EVERYBODY, HOUR_MS
from streamproc.web.read_model.lists import LAST
from streamproc.web.read_model.names import names_of, numbers
from streamproc.web.read_model.places import created_at

MAX_RULES = 200


@dataclass(frozen=True, slots=True)
class RuleCount:
    """What one rule did: alerts opened, triggers of them, and alerts that a person looked at."""

    id: str
    owner: str
    alerts: int
    triggers: int
    acted: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """Sums over the hours asked for; `statuses` is of all alerts there are, by (status, severity).

    `hours`: (hour, severity, alerts, triggers). `deliveries`: (channel, state, reason, deliveries, triggers covered).
    `rules`: the noisiest first, at most `MAX_RULES`; `rule_count` of how many.
    """

    rules: list[RuleCount]
    rule_count: int
    alerts: int
    triggers: int
    acted: int
    statuses: dict[tuple[str, str], int]
    hours: list[tuple[str, str, int, int]]
    deliveries: list[tuple[str, str, str, int, int]]
    last_alert_at: str | None
    last_delivery_at: str | None


def statistics(connection: sqlite3.Connection, tenant: str | None, since_ms: int, until_ms: int) -> Statistics:
    """Of one tenant, or of all (None), over whole hours."""
    whose = EVERYBODY if tenant is None else (numbers(connection, [tenant]) or [-1])[0]
    only, values = ("", []) if tenant is None else ("tenant = ? AND ", [whose])
    span = (whose, since_ms // HOUR_MS, -(-until_ms // HOUR_MS))
    by_rule = connection.execute(
        "SELECT rule, sum(alerts), sum(triggers), sum(acted) FROM alert_rules"
        " WHERE tenant = ? AND hour >= ? AND hour < ? GROUP BY rule"
        " HAVING sum(alerts) > 0 ORDER BY sum(triggers) DESC, rule",
        span,
    ).fetchall()
    by_hour = connection.execute(
        "SELECT hour, severity, alerts, triggers FROM alert_hours WHERE tenant = ? AND hour >= ? AND hour < ?"
        " AND alerts > 0 ORDER BY hour, severity",
        span,
    ).fetchall()
    statuses = connection.execute(
        "SELECT status, severity, alerts FROM alert_statuses WHERE tenant = ? AND alerts > 0",
        (whose,),
    ).fetchall()
    sent = connection.execute(
        "SELECT channel, state, reason, sum(deliveries), sum(covered) FROM delivery_hours"
        " WHERE tenant = ? AND hour >= ? AND hour < ? GROUP BY channel, state, reason HAVING sum(deliveries) > 0",
        span,
    ).fetchall()
    used = {row[0] for row in by_rule[:MAX_RULES]} | {row[1] for row in by_hour}
    used |= {number for row in statuses for number in row[:2]} | {number for row in sent for number in row[:3]}
    name = names_of(connection, used)
    return Statistics(
        rules=[_rule(name[rule], *sums) for rule, *sums in by_rule[:MAX_RULES]],
        rule_count=len(by_rule),
        alerts=sum(row[1] for row in by_rule),
        triggers=sum(row[2] for row in by_rule),
        acted=sum(row[3] for row in by_rule),
        statuses={(name[status], name[severity]): count for status, severity, count in statuses},
        hours=[(iso(hour * HOUR_MS), name[severity], *sums) for hour, severity, *sums in by_hour],
        deliveries=sorted((name[c], name[s], name[r], count, covered) for c, s, r, count, covered in sent),
        last_alert_at=_last_alert(connection, only, values),
        last_delivery_at=_last_delivery(connection, only, values),
    )


def _rule(name: str, alerts: int, triggers: int, acted: int) -> RuleCount:
    id, _, owner = name.partition("\n")
    return RuleCount(id, owner, alerts, triggers, acted)


def _last_alert(connection: sqlite3.Connection, only: str, values: Sequence[Any]) -> str | None:
    query = f"SELECT max(place) FROM alerts WHERE {only}place < {LAST}"  # noqa: S608
    place = connection.execute(query, values).fetchone()[0]
    return None if place is None else iso(created_at(place))


def _last_delivery(connection: sqlite3.Connection, only: str, values: Sequence[Any]) -> str | None:
    delivered = (numbers(connection, ["delivered"]) or [-1])[0]
    index = "deliveries_list" if only else "deliveries_state"
    row = connection.execute(
        f"SELECT updated FROM deliveries INDEXED BY {index} WHERE {only}state = ? ORDER BY place DESC LIMIT 1",  # noqa: S608
        (*values, delivered),
    ).fetchone()
    return None if row is None else iso(row[0])
