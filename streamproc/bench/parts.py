"""The parts of a benchmark: who competes on what, and what is aimed at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamproc.bench import types
from streamproc.bench.contestant import Contestant, RawClient, StockFaust, Worker
from streamproc.bench.draw import W1, W2, Workload, tenant_names
from streamproc.bench.figures import Goal
from streamproc.bench.rules import BRUTE_FORCE, BUSY_HOUR, EVERYONE, TEN, CountingRule, documents

MANY_TENANTS = 1_000
NAMES = ("w1", "w2", "rules", "types", "keys", "backtest", "latency", "readmodel", "deliver")


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured."""

    events: int = 1_000_000
    faust_events: int = 200_000
    """Fewer: it takes some twenty times as long, and its cost per event hardly depends on the number."""
    runs: int = 3
    backtest_events: int = 200_000
    cloudtrail: Path | None = None
    """Records for the backtest part; None: drawn ones."""
    cloudtrail_rules: tuple[Path, ...] = ()
    """Rules for it; empty: the AWS pack."""
    read_model_alerts: int = 1_000_000
    notifications: int = 20_000
    latency_s: float = 30.0
    latency_rate: int = 1_000
    quiet_s: float = 120.0
    """How long to wait for a quiet machine before each run."""
    repeats: int = 2
    """Times that a run is made again when others used the machine meanwhile."""


FULL = Scale()
QUICK = Scale(
    events=50_000,
    faust_events=20_000,
    backtest_events=10_000,
    read_model_alerts=20_000,
    notifications=2_000,
    runs=1,
    latency_s=5.0,
    quiet_s=0,
    repeats=0,
)


@dataclass(frozen=True, slots=True)
class Match:
    """One contestant on one stream of events, with the rules its alerts are checked by."""

    contestant: Contestant
    workload: Workload
    events: int
    rules: Sequence[CountingRule]


@dataclass(frozen=True, slots=True)
class Part:
    """Contestants that are compared with each other."""

    name: str
    title: str
    matches: Sequence[Match]
    goals: Sequence[Goal] = field(default_factory=tuple)


def parts(scale: Scale, faust: bool) -> list[Part]:
    """Those that measure throughput."""
    found = [
        _throughput("w1", "W1: ten failing logins of an address in a minute", W1, BRUTE_FORCE, scale, faust),
        _throughput("w2", "W2: every event counts, per actor and hour", W2, BUSY_HOUR, scale, faust),
    ]
    many = documents(TEN, tenant_names(MANY_TENANTS))
    contestants: list[Contestant] = [
        RawClient(),
        Worker("worker-10", "streamproc, 10 rules", documents(TEN, [EVERYONE])),
        Worker("worker-10000", f"streamproc, {len(many):,} rules of {MANY_TENANTS:,} tenants", many),
    ]
    goal = Goal("10,000 rules of 1,000 tenants against 10 rules", "worker-10000", "worker-10", 1.25)
    matches = [Match(contestant, W1, scale.events, TEN) for contestant in contestants]
    found.append(Part("rules", "Many rules, on the events of W1", matches, [goal]))
    every = Worker("worker-types", "streamproc, one rule of every type", types.documents(), judged=False)
    found.append(
        Part(
            "types",
            "A rule of every type, on the events of W1",
            [Match(one, W1, scale.events, []) for one in (RawClient(), every)],
        )
    )
    keys = Worker("worker-keys", f"streamproc, {scale.events:,} keys", [_one_key_each()], judged=False)
    found.append(Part("keys", "Every event a key of its own", [Match(keys, W1, scale.events, [])]))
    return found


def _one_key_each() -> dict[str, Any]:
    condition = {"count": 2, "window": "1d", "group_by": "id"}
    return {
        "kind": "rule",
        "tenant_id": EVERYONE,
        "id": "keys",
        "name": "Keys",
        "type": "threshold",
        "condition": condition,
    }


def _throughput(name: str, title: str, workload: Workload, rule: CountingRule, scale: Scale, faust: bool) -> Part:
    matches = [
        Match(RawClient(), workload, scale.events, [rule]),
        Match(Worker("worker", "streamproc worker", [rule.document()]), workload, scale.events, [rule]),
    ]
    goals = [Goal("streamproc against the raw client", "worker", "raw", 2.2 if workload is W1 else 5.0)]
    if faust:
        matches.append(Match(StockFaust(), workload, scale.faust_events, [rule]))
        if workload is W1:
            goals.append(Goal("streamproc against stock Faust", "worker", "faust", 1 / 15))
    return Part(name, title, matches, goals)
