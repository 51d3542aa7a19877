"""The stream itself: everybody's ordinary business, with attacks in between."""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Any, Final

from streamproc.generate.actions import Routine
from streamproc.generate.attacks import ATTACKS
from streamproc.generate.population import Actor, populate
from streamproc.model.times import iso

_HOUR_MS: Final = 3_600_000
MAX_TENANTS: Final = 1000


@dataclass(frozen=True, slots=True)
class Plan:
    """What to generate.

    `count` ordinary events of `tenants` tenants, on average `rate` a second of event time, the first at
    `start_ms` (ms since the epoch, UTC). `attacks` are names of `ATTACKS`, spread evenly over the stream in
    that order, their events beside the ordinary ones. Raises ValueError for a plan that cannot be.
    """

    start_ms: int
    seed: int = 0
    tenants: int = 3
    count: int = 1000
    rate: float = 50.0
    attacks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.tenants <= MAX_TENANTS:
            raise ValueError(f"tenants: {self.tenants} is not between 1 and {MAX_TENANTS}")
        if self.count < 0:
            raise ValueError(f"count: {self.count} is not at least 0")
        if not 0.001 <= self.rate <= 1_000_000:
            raise ValueError(f"rate: {self.rate} is not between 0.001 and 1000000 events a second")
        for attack in self.attacks:
            if attack not in ATTACKS:
                raise ValueError(f"attack: {attack!r} is not one of {', '.join(ATTACKS)}")


def generate(plan: Plan) -> Iterator[dict[str, Any]]:
    """The events of a plan in order of time: canonical documents, each with its id and time.

    The same plan gives the same events, byte for byte. Attack events carry `metadata.attack`, so that a
    demonstration can be checked; no rule should look at it.
    """
    rng = Random(plan.seed)
    actors = populate(rng, plan.tenants)
    # a source of its own, so that adding an attack leaves the ordinary events as they were
    attacks = _attacks(Random(plan.seed + 1), plan, actors)
    ordinary = _ordinary(rng, plan, actors)
    merged = heapq.merge(ordinary, attacks, key=lambda timed: timed[0])
    for ms, event in merged:
        yield {"id": event.pop("id"), "event_time": iso(ms), **event}


def _ordinary(rng: Random, plan: Plan, actors: Sequence[Actor]) -> Iterator[tuple[int, dict[str, Any]]]:
    routines = [Routine(actor) for actor in actors]
    hour, weights = -1, list(accumulate(1.0 for _ in actors))
    at = float(plan.start_ms)
    for number in range(plan.count):
        if int(at) // _HOUR_MS != hour:
            hour = int(at) // _HOUR_MS
            weights = list(accumulate(actor.activity(hour) for actor in actors))
        routine = rng.choices(routines, cum_weights=weights)[0]
        yield int(at), {"id": f"evt_{plan.seed}_{number:08d}", **routine.next(rng, hour)}
        at += rng.expovariate(plan.rate) * 1000


def _attacks(rng: Random, plan: Plan, actors: Sequence[Actor]) -> list[tuple[int, dict[str, Any]]]:
    length = plan.count / plan.rate * 1000 if plan.count else 600_000.0
    room = length / (len(plan.attacks) + 1)
    found: list[tuple[int, dict[str, Any]]] = []
    for index, name in enumerate(plan.attacks):
        attack = ATTACKS[name]
        begin = plan.start_ms + room * (index + 0.5)
        squeeze = min(1.0, room / (attack.seconds * 1000))
        for number, (seconds, event) in enumerate(attack.act(rng, actors)):
            event["id"] = f"evt_{plan.seed}_attack{index}_{number:04d}"
            event["metadata"]["attack"] = name
            found.append((int(begin + seconds * 1000 * squeeze), event))
    return sorted(found, key=lambda timed: timed[0])
