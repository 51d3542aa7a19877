"""Which way an alert takes through an action policy, who is told on it, and who next if nobody answers.

Pure: configuration and the time (ms since the epoch) are arguments. Nothing is sent here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from streamproc.alerting.hours import is_open, next_change
from streamproc.alerting.matching import matches
from streamproc.alerting.people import PeopleBook, quiet, resolve
from streamproc.model.alert_filter import RANKS
from streamproc.model.policy import DEFAULT_ID, ActionGroup, ConditionNode, Policy, Step
from streamproc.model.times import iso_or_none

Alert = Mapping[str, Any]
MINUTE_MS = 60_000


class Taken(StrEnum):
    """What was done at a step."""

    YES = "yes"
    """The condition held: on in `then`."""
    NO = "no"
    """On in `otherwise`."""
    TOLD = "told"
    AGAIN = "told before"
    """The group stands earlier on the path; it is told once."""
    BELOW_SEVERITY = "below its minimum severity"
    OUTSIDE_HOURS = "outside its active hours"
    END = "end"


@dataclass(frozen=True, slots=True)
class Passed:
    """A step on the path: where it stands in the document, what it is, what came of it."""

    path: str
    node: str
    """`condition`, `group <id>` or `end`."""
    taken: Taken


@dataclass(frozen=True, slots=True)
class Withheld:
    """A group on the path that is not told, and when its active hours begin if they are why."""

    group: ActionGroup
    reason: Taken
    opens_at: int | None = None


@dataclass(frozen=True, slots=True)
class Path:
    """The way of an alert, or of several that are told together, through a policy."""

    policy: Policy
    steps: tuple[Passed, ...]
    groups: tuple[ActionGroup, ...]
    """The groups that are told, each once, in order."""
    withheld: tuple[Withheld, ...] = ()


@dataclass(frozen=True, slots=True)
class NextEscalation:
    """The escalation to come: at `at`, `group` is told. `step` and `repeat` count from 0; see `delivery_id`."""

    at: int
    step: int
    repeat: int
    group: ActionGroup


def chosen(policies: Mapping[tuple[str, str], Policy], tenant: str, named: str | None) -> Policy | None:
    """The policy of a rule that names `named`: it if it is there and enabled, else the tenant's `default`, or None.

    `policies` are by tenant and id.
    """
    for id in (named or DEFAULT_ID, DEFAULT_ID):
        policy = policies.get((tenant, id))
        if policy is not None and policy.enabled:
            return policy
    return None


def walk(policy: Policy, alerts: Alert | Sequence[Alert], now: int) -> Path:
    """The path that one alert record takes at `now`, or several that are told together.

    The severity of several is their highest.
    """
    together = (alerts,) if isinstance(alerts, Mapping) else tuple(alerts)
    walker = _Walk(policy, together, now)
    if together:
        walker.go(policy.steps, "steps")
    return Path(policy, tuple(walker.passed), tuple(walker.told.values()), tuple(walker.withheld))


class _Walk:
    def __init__(self, policy: Policy, alerts: Sequence[Alert], now: int) -> None:
        self.policy = policy
        self.alerts = alerts
        self.now = now
        self.passed: list[Passed] = []
        self.told: dict[str, ActionGroup] = {}
        self.withheld: list[Withheld] = []

    def go(self, steps: Sequence[Step], path: str) -> bool:
        """Whether to go on with what follows these steps."""
        for place, step in enumerate(steps):
            at = f"{path}[{place}]"
            if step.condition is not None:
                held = _held(step.condition, self.alerts)
                self.passed.append(Passed(at, "condition", Taken.YES if held else Taken.NO))
                branch = (step.then, f"{at}.then") if held else (step.otherwise, f"{at}.otherwise")
                if not self.go(*branch):
                    return False
            elif step.group is not None:
                group = self.policy.group(step.group)
                self.passed.append(Passed(at, f"group {group.id}", self._tell(group)))
            else:
                self.passed.append(Passed(at, "end", Taken.END))
                return False
        return True

    def _tell(self, group: ActionGroup) -> Taken:
        if group.id in self.told:
            return Taken.AGAIN
        why = _unfit(group, self.alerts, self.now)
        if why is None:
            self.told[group.id] = group
            return Taken.TOLD
        if all(one.group.id != group.id for one in self.withheld):
            self.withheld.append(why)
        return why.reason


def _held(condition: ConditionNode, alerts: Sequence[Alert]) -> bool:
    every = all if condition.match == "all" else any
    return every(matches(condition.when, alert) for alert in alerts)


def _unfit(group: ActionGroup, alerts: Sequence[Alert], now: int) -> Withheld | None:
    if RANKS[severity_of(alerts)] < RANKS[group.min_severity]:
        return Withheld(group, Taken.BELOW_SEVERITY)
    hours = group.active_hours
    if hours is not None and not is_open(hours, now):
        return Withheld(group, Taken.OUTSIDE_HOURS, next_change(hours, now))
    return None


def severity_of(alerts: Sequence[Alert]) -> str:
    """The highest severity of the alerts; one that is not known counts as the lowest."""
    words = [str(alert.get("severity")) for alert in alerts]
    return max((word for word in words if word in RANKS), key=RANKS.__getitem__, default=next(iter(RANKS)))


def next_escalation(policy: Policy, alert: Alert, since: int, done: int) -> NextEscalation | None:
    """The escalation that follows when `done` of them were made (or passed over) since the alert was told at `since`.

    None when there are no more, and for an alert that is not open: an acknowledged, escalated, silenced or resolved
    one does not escalate. An alert that a silence ends for is told again, which begins anew: give that as `since`.
    A group that is not active then, or whose minimum severity the alert is below, is passed over by the caller
    (`ready`), and the one after it waits its own time.
    """
    chain = policy.escalation
    if not chain or alert.get("status") != "open" or done >= len(chain) * (policy.repeat + 1):
        return None
    repeat, step = divmod(done, len(chain))
    minutes = repeat * sum(one.after_minutes for one in chain) + sum(one.after_minutes for one in chain[: step + 1])
    return NextEscalation(since + round(minutes * MINUTE_MS), step, repeat, policy.group(chain[step].group))


def ready(group: ActionGroup, alert: Alert, now: int) -> Withheld | None:
    """None when the group is to be told of the alert at `now`; else why not."""
    return _unfit(group, (alert,), now)


def dry_run(policy: Policy, alerts: Alert | Sequence[Alert], now: int, people: PeopleBook) -> dict[str, Any]:
    """What would happen, as JSON values for people: the path, who would be told by what, and the escalations.

    Escalations are shown as if nobody acknowledged; their hours are judged at the time at which they would come.
    """
    together = [alerts] if isinstance(alerts, Mapping) else list(alerts)
    path = walk(policy, together, now)
    tenant, severity = policy.tenant_id, severity_of(together)
    escalations: list[dict[str, Any]] = []
    first = {**together[0], "status": "open", "severity": severity} if together else {}
    while (following := next_escalation(policy, first, now, len(escalations))) is not None:
        why = ready(following.group, first, following.at)
        escalations.append(
            {
                "at": iso_or_none(following.at),
                "step": following.step,
                "repeat": following.repeat,
                **_audience(following.group, tenant, severity, following.at, people),
                "withheld": None if why is None else why.reason.value,
            }
        )
    return {
        "policy": policy.id,
        "path": [{"path": one.path, "node": one.node, "taken": one.taken.value} for one in path.steps],
        "told": [_audience(group, tenant, severity, now, people) for group in path.groups],
        "withheld": [
            {"group": one.group.id, "reason": one.reason.value, "opens_at": iso_or_none(one.opens_at)}
            for one in path.withheld
        ],
        "escalations": escalations,
    }


def _audience(group: ActionGroup, tenant: str, severity: str, now: int, people: PeopleBook) -> dict[str, Any]:
    resolved = resolve(group.recipients, tenant, people)
    return {
        "group": group.id,
        "channels": list(group.channels),
        "template": group.template,
        "users": [user.id for user in resolved.users if not quiet(user, severity, now)],
        "quiet": [user.id for user in resolved.users if quiet(user, severity, now)],
        "lacking": [{"name": name, "reason": reason.value} for name, reason in resolved.lacking],
    }
