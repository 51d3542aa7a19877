"""Who acts: tenants, and their actors with a home, a job and working hours."""

from dataclasses import dataclass
from random import Random
from typing import Final

_TENANTS: Final = ("acme", "globex", "initech", "umbrella", "hooli", "stark", "wayne", "tyrell", "cyberdyne", "soylent")
_GIVEN: Final = (
    *("alice", "bob", "carla", "david", "elena", "farid", "grace", "hugo", "ines", "jonas", "kemal", "lena", "mateo"),
    *("nadia", "oscar", "priya", "quentin", "rosa", "sven", "tara", "umar", "vera", "wanda", "xavier", "yuki", "zoe"),
)
_FAMILY: Final = (
    *("adler", "brown", "costa", "dubois", "evans", "fischer", "garcia", "haas"),
    *("ito", "jensen", "kaya", "lopez", "meyer", "novak", "okafor"),
)
_HOMES: Final = (("DE", 1), ("US", -5), ("GB", 0), ("FR", 1), ("IN", 5), ("JP", 9), ("BR", -3), ("AU", 10))
"""Country, and its offset from UTC in hours; summer time makes no difference to anyone here."""
_AGENTS: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/126.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) Safari/17.5",
    "Mozilla/5.0 (X11; Linux x86_64) Firefox/127.0",
)
_JOBS: Final = (("member", 0.62), ("editor", 0.2), ("admin", 0.08), ("service", 0.1))

ACTORS_PER_TENANT: Final = 40


@dataclass(frozen=True, slots=True)
class Actor:
    """Someone with habits: always from home, mostly in working hours."""

    tenant: str
    id: str
    email: str | None
    role: str
    ip: str
    country: str
    utc_offset: int
    starts: int
    ends: int
    user_agent: str

    @property
    def is_service(self) -> bool:
        return self.role == "service"

    def activity(self, hour_of_epoch: int) -> float:
        """How likely to act in the hour that many hours after the epoch (UTC), in proportion to others."""
        if self.is_service:
            return 0.5
        local = hour_of_epoch + self.utc_offset
        weekday = (local // 24 + 3) % 7  # the epoch was a Thursday
        if weekday >= 5:
            return 0.04
        hour = local % 24
        if self.starts <= hour < self.ends:
            return 1.0
        return 0.15 if hour in (self.starts - 1, self.ends, self.ends + 1) else 0.02


def populate(rng: Random, tenants: int) -> list[Actor]:
    """`ACTORS_PER_TENANT` actors for each of so many tenants."""
    actors: list[Actor] = []
    for number in range(tenants):
        name = _TENANTS[number % len(_TENANTS)]
        tenant = name if number < len(_TENANTS) else f"{name}-{number // len(_TENANTS) + 1}"
        homes = rng.sample(_HOMES, 3)
        actors += [_actor(rng, tenant, number, index, homes) for index in range(ACTORS_PER_TENANT)]
    return actors


def _actor(rng: Random, tenant: str, number: int, index: int, homes: list[tuple[str, int]]) -> Actor:
    role = "admin" if index == 0 else rng.choices([job for job, _ in _JOBS], [share for _, share in _JOBS])[0]
    country, offset = rng.choices(homes, (6, 2, 1))[0]
    starts = rng.choice((7, 8, 8, 9, 9, 10))
    ip = f"10.{number % 256}.{index // 250}.{index % 250 + 2}"  # of their own: nobody's failures add up with others'
    if role == "service":
        name = f"svc_{rng.choice(('backup', 'billing', 'search', 'etl', 'ci'))}_{index}"
        return Actor(tenant, name, None, role, ip, country, offset, 0, 24, "streamproc-demo-client/1.4")
    given, family = rng.choice(_GIVEN), rng.choice(_FAMILY)
    email = f"{given}.{family}{index}@{tenant}.example"
    return Actor(
        tenant, f"user_{given}_{index}", email, role, ip, country, offset, starts, starts + 9, rng.choice(_AGENTS)
    )
