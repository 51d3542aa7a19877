"""What actors do in the ordinary course, and how an event says so."""

from dataclasses import dataclass
from random import Random
from typing import Any, Final

from streamproc.generate.population import Actor


@dataclass(frozen=True, slots=True)
class Habit:
    """One kind of action. `shares` is how often each role does it; `per_hour` bounds it for each actor."""

    action: str
    resource: str
    shares: dict[str, float]
    per_hour: int | None = None


def _people(member: float, editor: float, admin: float, service: float = 0) -> dict[str, float]:
    return {"member": member, "editor": editor, "admin": admin, "service": service}


HABITS: Final = (
    Habit("document.read", "document", _people(50, 35, 20, 40)),
    Habit("document.update", "document", _people(14, 28, 8, 10)),
    Habit("document.create", "document", _people(6, 10, 3, 6)),
    Habit("document.share", "document", _people(4, 6, 2)),
    Habit("search.query", "index", _people(16, 12, 8, 30)),
    Habit("record.read", "record", _people(8, 5, 10, 60)),
    Habit("document.delete", "document", _people(2, 3, 2, 1), per_hour=3),
    Habit("report.export", "report", _people(1, 2, 2), per_hour=2),
    Habit("api_key.create", "api_key", _people(0, 0.3, 1.5), per_hour=1),
    Habit("role.grant", "user", _people(0, 0, 2), per_hour=2),
    Habit("user.invite", "user", _people(0, 0.5, 3), per_hour=4),
    Habit("settings.update", "settings", _people(0, 1, 4), per_hour=4),
)

LOGIN_FAILURES_PER_HOUR: Final = 2
DENIALS_PER_HOUR: Final = 2


def event_of(
    actor: Actor, action: str, resource: str, resource_id: str, outcome: str = "success", **metadata: Any
) -> dict[str, Any]:
    """The event without its id and time: canonical, as a well-behaved producer writes it."""
    who: dict[str, Any] = {"id": actor.id, "type": "service" if actor.is_service else "user"}
    if actor.email is not None:
        who["email"] = actor.email
    who |= {"ip": actor.ip, "country": actor.country, "user_agent": actor.user_agent}
    return {
        "tenant_id": actor.tenant,
        "action": action,
        "outcome": outcome,
        "actor": who,
        "resource": {"type": resource, "id": resource_id},
        "source": "demo",
        "metadata": {"actor_role": actor.role, **metadata},
    }


class Routine:
    """What one actor does next. It stays below what a sensible rule would call unusual, at any rate of
    events."""

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self._logged_in = actor.is_service
        self._hour = -1
        self._done: dict[str, int] = {}
        self._habits = [habit for habit in HABITS if habit.shares[actor.role] > 0]
        self._weights = [habit.shares[actor.role] for habit in self._habits]

    def next(self, rng: Random, hour: int) -> dict[str, Any]:
        """The next event; `hour` counts from the epoch and renews what is bounded."""
        if hour != self._hour:
            self._hour = hour
            self._done.clear()
        actor = self.actor
        if not self._logged_in:
            if rng.random() < 0.06 and self._may("failed login", LOGIN_FAILURES_PER_HOUR):
                return event_of(actor, "user.login", "session", _id(rng, "session"), "failure", method="password")
            self._logged_in = True
            return event_of(actor, "user.login", "session", _id(rng, "session"), method="password")
        if not actor.is_service and rng.random() < 0.05:
            self._logged_in = False
            return event_of(actor, "user.logout", "session", _id(rng, "session"))
        habit = rng.choices(self._habits, self._weights)[0]
        if habit.per_hour is not None and not self._may(habit.action, habit.per_hour):
            habit = HABITS[0]
        outcome = "success"
        if rng.random() < 0.01 and self._may("denial", DENIALS_PER_HOUR):
            outcome = "denied"
        metadata: dict[str, Any] = {"affected_count": 1}
        if habit.action == "role.grant":
            metadata["granted_role"] = "editor"
        elif habit.action.endswith(".export"):
            metadata["bytes"] = rng.randrange(10_000, 500_000)
        return event_of(actor, habit.action, habit.resource, _id(rng, habit.resource), outcome, **metadata)

    def _may(self, what: str, limit: int) -> bool:
        done = self._done.get(what, 0)
        self._done[what] = done + 1
        return done < limit


def _id(rng: Random, kind: str) -> str:
    return f"{kind}_{rng.randrange(16**6):06x}"
