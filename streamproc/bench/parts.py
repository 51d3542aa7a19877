"""The parts of a benchmark that compare contestants: who competes on what, and what is aimed at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from streamproc.bench import types
from streamproc.bench.contestant import Contestant
from streamproc.bench.draw import W1, W2, Workload, tenant_names
from streamproc.bench.figures import Goal
from streamproc.bench.partitions import PARTITIONS
from streamproc.bench.rivals import KAFKA_STREAMS, RawClient, StockFaust
from streamproc.bench.rules import BRUTE_FORCE, BUSY_HOUR, EVERYONE, TEN, CountingRule, documents, keys_rule
from streamproc.bench.scale import Scale
from streamproc.bench.worker import Worker

MANY_TENANTS = 1_000
DEFAULT = ("w1", "w2", "rules", "types", "keys", "backtest", "latency", "readmodel", "deliver", "workers", "recovery")
NAMES = (*DEFAULT, "curves")
"""What may be asked for; all but DEFAULT only when it is."""


@dataclass(frozen=True, slots=True)
class Match:
    """One contestant on one stream of events, with the rules its alerts are checked by."""

    contestant: Contestant
    workload: Workload
    events: int
    rules: Sequence[CountingRule]
    partitions: int = PARTITIONS


@dataclass(frozen=True, slots=True)
class Part:
    """Contestants that are compared with each other."""

    name: str
    title: str
    matches: Sequence[Match]
    goals: Sequence[Goal] = ()


def parts(scale: Scale, faust: bool, others: Sequence[Contestant] = ()) -> list[Part]:
    """Those that measure throughput; `others` compete on W1 and W2, with as many events as streamproc.

    Where Kafka Streams is among them, two of our processes compete too.
    """
    return [
        _throughput("w1", "W1: ten failing logins of an address in a minute", W1, BRUTE_FORCE, scale, faust, others),
        _throughput("w2", "W2: every event counts, per actor and hour", W2, BUSY_HOUR, scale, faust, others),
        _rules(scale),
        _types(scale),
        Part("keys", "Every event a key of its own", [key_match(scale.events)]),
        _workers(scale),
    ]


def key_match(events: int) -> Match:
    """The worker on so many events of which each is a key of its own."""
    worker = Worker("worker-keys", f"streamproc, {events:,} keys", [_one_key_each()], judged=False)
    return Match(worker, W1, events, [])


def _one_key_each() -> dict[str, Any]:
    # the longest window that is usual: keys must not be forgotten because the events were loaded days ago
    return keys_rule({"count": 2, "window": "7d", "group_by": "id"})


def _throughput(
    name: str,
    title: str,
    workload: Workload,
    rule: CountingRule,
    scale: Scale,
    faust: bool,
    others: Sequence[Contestant],
) -> Part:
    ours = [Worker("worker", "streamproc worker", [rule.document()])]
    goals = [Goal("streamproc against the raw client", "worker", "raw", 2.2 if workload is W1 else 5.0)]
    if any(one.name == KAFKA_STREAMS for one in others):
        # the JVM's threads have every core; a worker process has one, so as many of these make it even by the clock
        ours.append(_two_workers(rule))
        goals.append(Goal("streamproc against Kafka Streams", "worker", KAFKA_STREAMS, 1.0))
    contestants: list[Contestant] = [RawClient(), *ours, *others]
    matches = [Match(one, workload, scale.events, [rule]) for one in contestants]
    if faust:
        matches.append(Match(StockFaust(), workload, scale.faust_events, [rule]))
        if workload is W1:
            goals.append(Goal("streamproc against stock Faust", "worker", "faust", 1 / 15))
    return Part(name, title, matches, goals)


def _two_workers(rule: CountingRule) -> Worker:
    return Worker("workers-2", "two streamproc workers", [rule.document()], processes=2)


def _rules(scale: Scale) -> Part:
    many = documents(TEN, tenant_names(MANY_TENANTS))
    contestants: list[Contestant] = [
        RawClient(),
        Worker("worker-10", "streamproc, 10 rules", documents(TEN, [EVERYONE])),
        Worker("worker-10000", f"streamproc, {len(many):,} rules of {MANY_TENANTS:,} tenants", many),
    ]
    goal = Goal("10,000 rules of 1,000 tenants against 10 rules", "worker-10000", "worker-10", 1.25)
    matches = [Match(contestant, W1, scale.events, TEN) for contestant in contestants]
    return Part("rules", "Many rules, on the events of W1", matches, [goal])


def _types(scale: Scale) -> Part:
    one = Worker("worker", "streamproc, W1's rule", [BRUTE_FORCE.document()])
    rare = Worker("worker-rare", "streamproc, every type on rare events", types.documents(types.RARE), judged=False)
    every = Worker("worker-types", "streamproc, every type on most", types.documents(types.CONDITIONS), judged=False)
    matches = [Match(RawClient(), W1, scale.events, []), Match(one, W1, scale.events, [BRUTE_FORCE])]
    matches += [Match(worker, W1, scale.events, []) for worker in (rare, every)]
    goal = Goal("every type on rare events against W1's rule", "worker-rare", "worker", 2.0)
    return Part("types", "A rule of every type, on the events of W1", matches, [goal])


def _workers(scale: Scale) -> Part:
    one = Worker("worker", "one streamproc worker", [BUSY_HOUR.document()])
    matches = [Match(worker, W2, scale.events, [BUSY_HOUR]) for worker in (one, _two_workers(BUSY_HOUR))]
    return Part("workers", "One worker and two, on the events of W2", matches)
