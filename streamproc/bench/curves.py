"""What a worker costs as one thing grows and all else stays: rules, keys, tenants, partitions, workers.

Each point is one run of the worker on the events of W1, whose alerts are checked as everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from streamproc.bench.draw import ACTIONS, TENANTS, W1, Workload, tenant_names
from streamproc.bench.partitions import PARTITIONS
from streamproc.bench.parts import Match
from streamproc.bench.rules import EVERYONE, TEN, documents, keys_rule
from streamproc.bench.scale import Scale
from streamproc.bench.worker import Worker

OUT_OF_REACH = 50
"""No drawn event has so many affected things."""
GROUPS: dict[int, tuple[str, ...]] = {1_000: ("action",), 10_000: ("actor.id",), 100_000: ("actor.id", "action")}
"""What to group the drawn events by to get so many keys, over all tenants; for more, each event is a key."""


@dataclass(frozen=True, slots=True)
class Curve:
    """`points` are (how much of what grows, the match to run)."""

    name: str
    axis: str
    """What grows, in the plural."""
    points: Sequence[tuple[int, Match]]


def curves(scale: Scale) -> list[Curve]:
    """All of them."""
    count = scale.curve_events
    most = max(scale.curve_keys)
    return [
        Curve("rules", "rules", [(n, _with_rules(n, count)) for n in scale.curve_rules]),
        Curve("keys", "live keys", [(n, _with_keys(n, most)) for n in scale.curve_keys]),
        Curve("tenants", "tenants with events", [(n, _of_tenants(n, count)) for n in scale.curve_tenants]),
        Curve("partitions", "partitions of events and state", [(n, _ten(count, n)) for n in scale.curve_partitions]),
        Curve("workers", "worker processes", [(n, _ten(count, workers=n)) for n in scale.curve_workers]),
    ]


def _ten(count: int, partitions: int = PARTITIONS, workers: int = 1, workload: Workload = W1) -> Match:
    worker = Worker("worker", "streamproc", documents(TEN, [EVERYONE]), processes=workers)
    return Match(worker, workload, count, TEN, partitions)


def _with_rules(rules: int, count: int) -> Match:
    found = [*documents(TEN, [EVERYONE]), *watchers(rules - len(TEN))]
    return Match(Worker("worker", f"streamproc, {rules:,} rules", found), W1, count, TEN)


def watchers(count: int) -> list[dict[str, Any]]:
    """Rules that look at events and let all of them pass, in equal shares for the tenants and about each action.

    They ask for a number that is in every event and large enough in none, so that no index answers for them.
    """
    tenants = tenant_names(TENANTS)
    return [
        {
            "kind": "rule",
            "tenant_id": tenants[n % TENANTS],
            "id": f"watch-{n}",
            "name": f"Watch {n}",
            "type": "threshold",
            "condition": {
                "action": ACTIONS[n // TENANTS % len(ACTIONS)],
                "metadata.affected_count": {"gte": OUT_OF_REACH + n},
                "count": 1,
                "window": "1m",
                "group_by": "actor.id",
            },
        }
        for n in range(count)
    ]


def _with_keys(keys: int, count: int) -> Match:
    condition = {"count": 1_000_000, "window": "7d", "window_type": "fixed", "group_by": [*GROUPS.get(keys, ("id",))]}
    worker = Worker("worker", f"streamproc, {keys:,} keys", [keys_rule(condition)])
    return Match(worker, W1, count, [])


def _of_tenants(tenants: int, count: int) -> Match:
    workload = W1 if tenants == TENANTS else Workload(f"w1-t{tenants}", W1.step_ms, tenants)
    return _ten(count, workload=workload)
