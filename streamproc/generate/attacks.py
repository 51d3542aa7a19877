"""Attacks that can be put into the stream: one function each, and one line in `ATTACKS`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

from streamproc.generate.actions import event_of
from streamproc.generate.population import Actor

Steps = list[tuple[float, dict[str, Any]]]
"""(seconds after the attack starts, event without id and time), in order of time."""


@dataclass(frozen=True, slots=True)
class Attack:
    """`act` makes the steps of one attack, which takes `seconds`; a shorter stream squeezes it."""

    seconds: float
    act: Callable[[Random, Sequence[Actor]], Steps]


def brute_force(rng: Random, actors: Sequence[Actor]) -> Steps:
    """One address tries passwords of an admin: 12 failed logins in 45 s, then one that succeeds."""
    victim = _anyone(rng, actors, "admin")
    outsider = replace(victim, ip=f"203.0.113.{rng.randrange(1, 255)}", country="NL", user_agent="python-requests/2.32")
    steps = [(i * 3.5 + rng.random(), _login(rng, outsider, "failure", reason="bad_password")) for i in range(12)]
    return [*steps, (45.0, _login(rng, outsider, "success"))]


def mass_deletion(rng: Random, actors: Sequence[Actor]) -> Steps:
    """An editor deletes 25 documents within a minute."""
    actor = _anyone(rng, actors, "editor")
    return [
        (i * 2.2 + rng.random(), event_of(actor, "document.delete", "document", _document(rng), affected_count=1))
        for i in range(25)
    ]


def new_country(rng: Random, actors: Sequence[Actor]) -> Steps:
    """A member logs in from a country where nobody of the tenant ever was, and looks around."""
    actor = _anyone(rng, actors, "member")
    away = replace(actor, country=rng.choice(("KP", "NG", "RU", "VN")), ip=f"198.51.100.{rng.randrange(1, 255)}")
    looks = [(4.0 + i * 3, event_of(away, "document.read", "document", _document(rng))) for i in range(5)]
    return [(0.0, _login(rng, actor, "success")), (2.0, _login(rng, away, "success")), *looks]


def exfiltration(rng: Random, actors: Sequence[Actor]) -> Steps:
    """A member exports 30 large data sets in two minutes."""
    actor = _anyone(rng, actors, "member")
    kinds = ("report", "data", "customer")
    return [
        (
            i * 3.9 + rng.random(),
            event_of(
                actor,
                f"{kind}.export",
                kind,
                f"{kind}_{rng.randrange(16**6):06x}",
                bytes=rng.randrange(20_000_000, 900_000_000),
                affected_count=rng.randrange(1_000, 50_000),
            ),
        )
        for i in range(30)
        for kind in (rng.choice(kinds),)
    ]


ATTACKS: Final[Mapping[str, Attack]] = {
    "brute_force": Attack(46, brute_force),
    "mass_deletion": Attack(56, mass_deletion),
    "new_country": Attack(18, new_country),
    "exfiltration": Attack(118, exfiltration),
}


def _anyone(rng: Random, actors: Sequence[Actor], role: str) -> Actor:
    return rng.choice([actor for actor in actors if actor.role == role] or list(actors))


def _login(rng: Random, actor: Actor, outcome: str, **metadata: Any) -> dict[str, Any]:
    session = f"session_{rng.randrange(16**6):06x}"
    return event_of(actor, "user.login", "session", session, outcome, method="password", **metadata)


def _document(rng: Random) -> str:
    return f"document_{rng.randrange(16**6):06x}"
