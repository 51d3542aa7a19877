"""Escalation: nobody acknowledged in time, so the policy's next group is told. Pure; time is an argument."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from streamproc.alerting.audience import GROUP, group_audience
from streamproc.alerting.lookup import Lookup
from streamproc.alerting.notify import Case, Decision, addressed, with_told
from streamproc.alerting.notify_state import NotifyState
from streamproc.alerting.policy import NextEscalation, Taken, next_escalation, ready
from streamproc.model.command import Action
from streamproc.model.delivery import Delivery, Reason
from streamproc.model.notification import Notification, Purpose
from streamproc.model.policy import Policy


def escalate(
    alert: Mapping[str, Any],
    state: NotifyState,
    lookup: Lookup,
    now: int,
    sources: Iterable[Mapping[str, Any]] = (),
) -> Decision:
    """What is due of the climb in `state` at `now`; `alert` is its alert's latest record.

    Steps that fell due meanwhile (the process was down) are made one after another, now. A silence or an inhibition
    that has begun ends the climb: the alert is told anew when that is over.
    """
    climb = state.climb
    if climb is None or climb.next_at > now:
        return Decision(state)
    case = Case(alert, state, state.seen(alert["id"]), lookup, now, sources)
    policy = case.policy
    rule = case.rule
    if rule is None or not rule.enabled or rule.mode == "shadow" or policy is None or policy.id != climb.policy:
        return Decision(replace(state, climb=None))
    if case.hush is not None:
        record = case.refused(None, Purpose.UPDATED, case.hush.reason, step=climb.done + 1)
        command = case.asked(Action.SUPPRESS, str(case.hush))
        record = replace(record, count=1, detail=case.hush.by)
        return Decision(replace(state, climb=None), (), (record,), (command,), policy)
    notifications: list[Notification] = []
    refused: list[Delivery] = []
    following = next_escalation(policy, alert, climb.since, climb.done)
    while following is not None and following.at <= now:
        sent, untold = _step(case, policy, following)
        notifications += sent
        refused += untold
        climb = replace(climb, done=climb.done + 1)
        following = next_escalation(policy, alert, climb.since, climb.done)
    after = None if following is None else replace(climb, next_at=following.at)
    state = replace(_with_round(state, notifications), climb=after)
    seen = with_told(state.seen(alert["id"]), notifications)
    return Decision(state.with_seen(seen), tuple(notifications), tuple(refused), (), policy)


def _step(case: Case, policy: Policy, one: NextEscalation) -> tuple[list[Notification], list[Delivery]]:
    assert case.rule is not None
    number, repeat = one.step + 1, one.repeat
    withheld = ready(one.group, case.alert, case.now)
    if withheld is not None:
        reason = Reason.BELOW_SEVERITY if withheld.reason is Taken.BELOW_SEVERITY else Reason.QUIET_HOURS
        return [], [case.refused(None, Purpose.UPDATED, reason, GROUP + one.group.id, number, repeat)]
    told = group_audience(case.alert, case.rule, policy, one.group, case.lookup, case.now)
    notifications, refused, _ = addressed(case, told.targets, None, 0, number, repeat)
    refused += [case.untold(untold, Purpose.UPDATED, number, repeat) for untold in told.untold]
    refused += [
        case.refused(ref, Purpose.UPDATED, Reason.NO_CHANNEL, step=number, repeat=repeat) for ref in told.missing
    ]
    return notifications, refused


def _with_round(state: NotifyState, notifications: list[Notification]) -> NotifyState:
    """A round that is waited for is over when an escalation's message arrives, too."""
    if not state.waiting:
        return state
    return replace(state, waiting=(*state.waiting, *(one.delivery_id for one in notifications)))
