"""The benchmark's events: audit traffic drawn from a seed, the same on every machine and for every contestant.

100 tenants with 100 actors each, 5,000 addresses, ten actions. One event in ten is a login, a third of which fail;
every 5,000 events begins a burst of 12 failing logins of one actor from one address within 20 seconds of event
time. That makes 3.5 % of the events failing logins. A longer stream begins with exactly the shorter one's events.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from streamproc.model.times import iso

SEED = 20250106
START_MS = 1_736_121_600_000
"""2025-01-06T00:00:00Z, the beginning of an hour: long past, so that no clock clamps the events' times."""

TENANTS, ACTORS, ADDRESSES = 100, 10_000, 5_000
BURST_EVERY, BURST_EVENTS, BURST_SPAN_MS = 5_000, 12, 20_000
LOGIN = "user.login"
ACTIONS = (
    LOGIN,
    "user.update",
    "document.read",
    "document.update",
    "document.delete",
    "role.grant",
    "api_key.create",
    "report.export",
    "settings.update",
    "link.share",
)
ROLES = ("owner", "admin", "member", "viewer", "service")
_CLIENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Firefox/133.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) Safari/17.5",
    "okhttp/4.12.0",
    "terraform-provider/1.9.2",
)


@dataclass(frozen=True, slots=True)
class Workload:
    """A stream of events: how far apart in event time they are, of how many tenants; topics are named after it."""

    name: str
    step_ms: int
    tenants: int = TENANTS


W1 = Workload("w1", 1)
"""Brute force: 1,000 events a second of event time."""
W2 = Workload("w2", 100)
"""Hourly counts: a million events span 28 hours, so that windows end and keys come back."""


class Draw(NamedTuple):
    """One event as drawn, before it is text. `actor` and `address` are numbers, see `actor_id`, `address_text`."""

    number: int
    ms: int
    tenant: str
    actor: int
    address: int
    action: str
    outcome: str
    affected: int
    resource: int


def draws(workload: Workload, count: int) -> Iterator[Draw]:
    """The first `count` events, in order of event time."""
    chance = random.Random(SEED).random
    tenants = tenant_names(workload.tenants)
    pending: dict[int, int] = {}
    step = workload.step_ms
    for number in range(count):
        if number % BURST_EVERY == 0:
            _begin_burst(number, step, pending)
        who, what, how, where = chance(), chance(), chance(), chance()
        actor = pending.pop(number, None)
        if actor is not None:
            action, outcome, address = LOGIN, "failure", _usual_address(actor)
        else:
            actor = int(who * ACTORS)
            address = _usual_address(actor) if where < 0.9 else int((where - 0.9) * 10 * ADDRESSES)
            action = ACTIONS[int(what * 10)]
            if action == LOGIN:
                outcome = "failure" if how < 0.33 else "success"
            else:
                outcome = "success" if how < 0.95 else "failure" if how < 0.98 else "denied"
        yield Draw(
            number,
            START_MS + number * step,
            tenants[actor % workload.tenants],
            actor,
            address,
            action,
            outcome,
            int(how * 10_000) % 50,
            int(what * 10_000_000),
        )


def _begin_burst(number: int, step: int, pending: dict[int, int]) -> None:
    """Put the numbers of a burst's events, with their actor, into `pending`."""
    rng = random.Random(SEED * 1_000_003 + number)
    actor = rng.randrange(ACTORS)
    start = number + rng.randrange(BURST_EVERY)
    for n in range(BURST_EVENTS):
        at = start + n * BURST_SPAN_MS // (step * (BURST_EVENTS - 1))
        while at in pending:
            at += 1
        pending[at] = actor


def _usual_address(actor: int) -> int:
    return actor % ADDRESSES


def tenant_names(count: int) -> list[str]:
    """The first `count` tenants; the events of a workload are of the first `tenants` of them."""
    return [f"tenant-{n:04d}" for n in range(count)]


def event_id(number: int) -> str:
    """Of the event with this number."""
    return f"evt_{number:010d}"


def actor_id(actor: int) -> str:
    """Of the actor with this number."""
    return f"user_{actor:05d}"


def address_text(address: int) -> str:
    """The IP address with this number."""
    return f"10.{64 + address // 1000}.{address // 10 % 100}.{100 + address % 10}"


def role(actor: int) -> str:
    """Of the actor with this number."""
    return ROLES[actor // TENANTS % len(ROLES)]


@lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    """ISO text up to the second, kept for the events that follow."""
    return iso(seconds * 1000)[:-4]


def to_json(draw: Draw) -> bytes:
    """The event as producers send it, some 400 bytes in the canonical spelling of CONTRACT."""
    actor = draw.actor
    name = actor_id(actor)
    return (
        f'{{"id":"{event_id(draw.number)}","tenant_id":"{draw.tenant}","action":"{draw.action}",'
        f'"outcome":"{draw.outcome}","event_time":"{_second(draw.ms // 1000)}{draw.ms % 1000:03d}Z",'
        f'"actor":{{"id":"{name}","type":"user","email":"{name}@{draw.tenant}.example.com",'
        f'"ip":"{address_text(draw.address)}","user_agent":"{_CLIENTS[actor % 4]}"}},'
        f'"resource":{{"type":"{draw.action.partition(".")[0]}","id":"res_{draw.resource:08d}"}},"source":"app",'
        f'"metadata":{{"actor_role":"{role(actor)}","affected_count":{draw.affected}}}}}'
    ).encode()
