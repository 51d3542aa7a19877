"""notify: who is told of an alert record, or why not. Pure; time is an argument, configuration a `Lookup`.

Triggers notify unless the fingerprint is muted. Acknowledge, escalate, resolve and reopen notices always pass: to those
who were told of the alert and, where no policy decides, to the channels that the rule names now. An alert that a
silence, another alert or a person kept quiet is told of when that ends. Nothing is left out without a record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import orjson

from streamproc.alerting import cooldown
from streamproc.alerting.audience import Audience, Target, Untold, audience, policy_of
from streamproc.alerting.fallback import in_place_of
from streamproc.alerting.hush import Hush, hushed_by
from streamproc.alerting.lookup import Lookup
from streamproc.alerting.notify_state import Climb, Muted, NotifyState, Seen, Told
from streamproc.alerting.policy import next_escalation
from streamproc.alerting.recipients import NotifyingRule, subscribed
from streamproc.model.channel_settings import ChannelRef, ChannelSettings
from streamproc.model.command import Action, Command
from streamproc.model.delivery import Delivery, DeliveryState, Reason
from streamproc.model.notification import EVENT_TYPES, Notification, Purpose, delivery_id
from streamproc.model.policy import Policy

OPEN_MS = 90 * 24 * 3600 * 1000
"""A state with an unresolved alert is kept this long after its last record."""
CLOSED_MS = 25 * 3600 * 1000
"""A resolved alert can be reopened within a day, so its state stays a little longer."""
BY = "streamproc"
"""Who asks detect to suppress an alert."""

_NOTICES = {
    "alert.acknowledged": Purpose.ACKNOWLEDGED,
    "alert.escalated": Purpose.ESCALATED,
    "alert.resolved": Purpose.RESOLVED,
}
_PURPOSELY = (Reason.SHADOW, Reason.DISABLED, Reason.SILENCE, Reason.INHIBITED, Reason.SNOOZED)


@dataclass(frozen=True, slots=True)
class Decision:
    """What notify decided. `suppressed` are records for the `deliveries` topic, `commands` are for detect.

    `policy`: the one that the alert goes by, whose grouping holds for the notifications.
    """

    state: NotifyState
    notifications: tuple[Notification, ...] = ()
    suppressed: tuple[Delivery, ...] = ()
    commands: tuple[Command, ...] = ()
    policy: Policy | None = None


def notify(
    alert: Mapping[str, Any],
    state: NotifyState | None,
    lookup: Lookup,
    now: int,
    sources: Iterable[Mapping[str, Any]] = (),
) -> Decision:
    """Decide on one record of the `alerts` topic.

    `state` is that of `alert["fingerprint"]`, None if there is none; `sources` are the tenant's alerts that may inhibit
    others. A revision that was seen before, or an older one, changes nothing. The same record with the same state
    makes the same delivery ids.
    """
    before = state or NotifyState(alert["fingerprint"])
    seen = before.seen(alert["id"])
    if alert["revision"] <= seen.revision:
        return Decision(before)
    case = Case(alert, before, seen, lookup, now, sources)
    decision = _decide(case)
    state = _kept(_still_climbing(decision.state, alert), case.rule, now)
    return replace(decision, state=state, policy=case.policy)


class Case:
    """The facts of one decision."""

    def __init__(
        self,
        alert: Mapping[str, Any],
        state: NotifyState,
        seen: Seen,
        lookup: Lookup,
        now: int,
        sources: Iterable[Mapping[str, Any]],
    ) -> None:
        self.alert = alert
        self.state = state
        self.now = now
        self.lookup = lookup
        self.sources = sources
        self.rule = lookup.rule(*rule_of(alert))
        self.before = seen
        self.triggers = max(0, alert["trigger_count"] - seen.triggers)
        self.seen = replace(
            seen,
            revision=alert["revision"],
            triggers=max(alert["trigger_count"], seen.triggers),
            status=alert["status"],
        )

    @cached_property
    def record_bytes(self) -> bytes:
        return orjson.dumps(self.alert)

    @cached_property
    def policy(self) -> Policy | None:
        return None if self.rule is None else policy_of(self.rule, self.alert["tenant_id"], self.lookup)

    @cached_property
    def hush(self) -> Hush | None:
        """The silence or inhibition that holds for the alert now."""
        if self.rule is None:
            return None
        return hushed_by(self.alert, self.rule, self.lookup, self.sources, self.now)

    @property
    def returned(self) -> bool:
        """Whether what kept the alert quiet has just ended."""
        return self.before.status == "suppressed" and self.alert["status"] == "open"

    def notice(self) -> Purpose | None:
        """The status change that this record tells of, if any."""
        if self.before.status == "resolved" and self.alert["status"] != "resolved":
            return Purpose.REOPENED
        return _NOTICES.get(self.alert["event_type"])

    def hushed(self) -> tuple[Reason, str] | None:
        """Why nobody may be told of a trigger, whatever the cooldown; and what there is to add."""
        if self.alert.get("backfill") and not self.alert.get("backfill_notify"):
            return Reason.BACKFILL, ""
        if self.rule is None:
            return Reason.RULE_GONE, ""
        if self.rule.mode == "shadow":
            return Reason.SHADOW, ""
        if not self.rule.enabled:
            return Reason.DISABLED, ""
        if self.alert["status"] == "suppressed":
            return _suppressed_by(str(self.alert.get("suppressed_by") or ""))
        return None if self.hush is None else (self.hush.reason, self.hush.by)

    def names(self, purpose: Purpose) -> tuple[str, ...]:
        """What a notification goes by in `events` filters: a further trigger is also an update."""
        if purpose not in (Purpose.TRIGGERED, Purpose.UPDATED):
            return (EVENT_TYPES[purpose],)
        further = ("alert.updated",) if self.before.revision else ()
        compliance = ("compliance.check.failed",) if self.alert["rule"].get("type") == "compliance" else ()
        return (EVENT_TYPES[purpose], *further, *compliance)

    def purpose_for(self, target: Target, notice: Purpose | None) -> Purpose:
        """A trigger is an update to whoever was told of the alert before."""
        if notice is not None:
            return notice
        known = Told(target.channel.ref, target.recipient).known(self.before.told)
        return Purpose.UPDATED if known else Purpose.TRIGGERED

    def notification(
        self, target: Target, purpose: Purpose, silent: int, step: int = 0, repeat: int = 0
    ) -> Notification:
        alert, ref = self.alert, target.channel.ref
        return Notification(
            delivery_id=delivery_id(
                alert["id"], alert["revision"], ref, target.recipient, purpose, step=step, repeat=repeat
            ),
            tenant=alert["tenant_id"],
            alert_id=alert["id"],
            fingerprint=alert["fingerprint"],
            revision=alert["revision"],
            channel=ref,
            purpose=purpose,
            silent_count=silent,
            created_at=self.now,
            alert=self.record_bytes,
            recipient=target.recipient,
            step=step,
            repeat=repeat,
            template=target.template,
        )

    def record(self, id: str, channel: ChannelRef | None, purpose: str, reason: Reason, count: int) -> Delivery:
        alert = self.alert
        return Delivery(
            id=id,
            tenant=alert["tenant_id"],
            alert_id=alert["id"],
            fingerprint=alert["fingerprint"],
            revision=alert["revision"],
            channel=channel,
            purpose=purpose,
            state=DeliveryState.SUPPRESSED,
            reason=reason,
            created_at=self.now,
            updated_at=self.now,
            count=count,
        )

    def refused(
        self, ref: ChannelRef | None, purpose: str, reason: Reason, recipient: str = "", step: int = 0, repeat: int = 0
    ) -> Delivery:
        """The record that this notification was not made, under the id that it would have had."""
        alert_id, revision = self.alert["id"], self.alert["revision"]
        id = delivery_id(alert_id, revision, ref or ChannelRef("", ""), recipient, purpose, step, repeat)
        record = self.record(id, ref, purpose, reason, self.triggers)
        return replace(record, recipient=recipient, step=step, repeat=repeat)

    def untold(self, one: Untold, purpose: str, step: int = 0, repeat: int = 0) -> Delivery:
        """The record of one of the audience who is not told."""
        return replace(self.refused(one.channel, purpose, one.reason, one.recipient, step, repeat), detail=one.detail)

    def asked(self, action: Action, reason: str) -> Command:
        """To be done by detect; the same each time that this record is decided on."""
        alert = self.alert
        return Command(
            id=f"notify-{alert['id']}-{alert['revision']}-{action}",
            alert_id=alert["id"],
            fingerprint=bytes.fromhex(alert["fingerprint"]),
            action=action,
            by=BY,
            at=self.now,
            revision=alert["revision"],
            reason=reason,
        )


def _decide(case: Case) -> Decision:
    notice = case.notice()
    if notice is not None:
        return _notice(case, notice)
    if case.triggers == 0 and not case.returned:
        return Decision(case.state.with_seen(case.seen))  # a note, an assignment: nobody is told of those
    hushed = case.hushed()
    if hushed is not None:
        return _muted(case, *hushed)
    assert case.rule is not None
    silent = None if case.returned else cooldown.mute(case.state, _cooldown(case.state, case.rule), case.now)
    return _told(case, case.rule) if silent is None else _muted(case, silent)


def _muted(case: Case, reason: Reason, detail: str = "") -> Decision:
    """A silent trigger. Suppressions that follow one another share one record, whose count grows."""
    state, alert, now = case.state, case.alert, case.now
    muted = state.muted
    if muted is not None and muted.alert_id == alert["id"] and muted.reason == reason:
        muted = replace(muted, count=muted.count + case.triggers)
    else:
        id = delivery_id(alert["id"], alert["revision"], ChannelRef("", ""), "", f"suppressed {reason}")
        muted = Muted(id, alert["id"], reason, case.triggers, now)
    purpose = Purpose.UPDATED if case.before.revision else Purpose.TRIGGERED
    record = replace(
        case.record(muted.delivery_id, None, purpose, reason, muted.count), created_at=muted.since, detail=detail
    )
    unheard = 0 if reason is Reason.BACKFILL else case.triggers  # history is not news, so never told of later
    state = replace(state, silent=state.silent + unheard, muted=muted)
    rule = case.rule
    if reason in _PURPOSELY and (rule is None or cooldown.mute(state, _cooldown(state, rule), now) is None):
        state = cooldown.began(state, now)
    commands: tuple[Command, ...] = ()
    if case.hush is not None and alert["status"] == "open" and reason is case.hush.reason:
        commands = (case.asked(Action.SUPPRESS, str(case.hush)),)
    return Decision(state.with_seen(case.seen), (), (record,), commands)


def _told(case: Case, rule: NotifyingRule) -> Decision:
    """A trigger that notifies."""
    state = case.state
    if state.waiting:
        state = cooldown.round_failed(state) if rule.cooldown_min > 0 else replace(state, waiting=())
    told = audience(case.alert, rule, case.lookup, case.now)
    silent = max(0, state.silent + case.triggers - 1)
    notifications, refused, filtered = addressed(case, told.targets, None, silent)
    refused += [case.untold(one, Purpose.TRIGGERED) for one in told.untold]
    seen = case.seen
    if not seen.unreachable:
        unreachable = _unreachable(case, told, filtered if not notifications and not refused else 0)
        refused += unreachable
        seen = replace(seen, unreachable=bool(unreachable))
    if notifications:
        ids = tuple(notification.delivery_id for notification in notifications)
        level = cooldown.next_level(state, rule, case.now)
        state = replace(cooldown.round_sent(state, ids, silent + 1, case.now), level=level)
    else:
        state = replace(state, silent=silent + 1)
        if any(record.reason not in (Reason.NO_CHANNEL, Reason.NOT_SUBSCRIBED) for record in refused):
            state = cooldown.began(state, case.now)
    state = state.with_seen(with_told(seen, notifications))
    return Decision(_climbing(state, case, told.policy), tuple(notifications), tuple(refused))


def _unreachable(case: Case, told: Audience, filtered: int) -> list[Delivery]:
    """Once per alert: that what should be told is not configured, or that nobody wants to hear of it."""
    if told.missing or not (told.targets or told.untold):
        refs: Sequence[ChannelRef | None] = told.missing or (None,)
        return [case.refused(ref, Purpose.TRIGGERED, Reason.NO_CHANNEL) for ref in refs]
    return [case.refused(None, Purpose.TRIGGERED, Reason.NOT_SUBSCRIBED)] if filtered else []


def _notice(case: Case, purpose: Purpose) -> Decision:
    """A status change: told to whom was told of the alert; without a policy, also to whom the rule names now."""
    state, book, tenant = case.state, case.lookup.channels, case.alert["tenant_id"]
    targets: dict[tuple[ChannelRef, str], Target] = {}
    gone: list[Told] = []
    for told in case.before.told:
        channel = book.get(tenant, told.channel)
        if channel is None:
            gone.append(told)
        else:
            targets[told.channel, told.recipient] = Target(channel, told.recipient, told.template)
    hushed = case.hushed()
    if case.rule is not None and case.policy is None and (hushed is None or hushed[0] not in _NEVER):
        for target in audience(case.alert, case.rule, case.lookup, case.now).targets:
            targets.setdefault((target.channel.ref, target.recipient), target)
    silent = state.silent + case.triggers
    notifications, refused, _ = addressed(case, targets.values(), purpose, silent)
    refused += [case.refused(told.channel, purpose, Reason.NO_CHANNEL, told.recipient) for told in gone]
    if not targets and not refused and hushed is not None:
        refused.append(case.refused(None, purpose, hushed[0]))
    state = replace(state, silent=silent, muted=None)
    if purpose is Purpose.REOPENED and notifications:
        ids = tuple(notification.delivery_id for notification in notifications)
        state = cooldown.round_sent(state, ids, silent, case.now)
    elif purpose is Purpose.ACKNOWLEDGED:
        state = cooldown.began(state, case.now)
    seen = with_told(case.seen, notifications) if purpose is Purpose.REOPENED else case.seen
    state = state.with_seen(seen)
    if purpose is Purpose.REOPENED and notifications:
        state = _climbing(state, case, case.policy)
    return Decision(state, tuple(notifications), tuple(refused))


_NEVER = (Reason.SHADOW, Reason.BACKFILL)


def addressed(
    case: Case, targets: Iterable[Target], notice: Purpose | None, silent: int, step: int = 0, repeat: int = 0
) -> tuple[list[Notification], list[Delivery], int]:
    """(a notification for each target that takes it; a record for each that is disabled; how many filter it).

    The fallback of a channel that is disabled is told in its place.
    """
    notifications: list[Notification] = []
    refused: list[Delivery] = []
    filtered = 0
    targets = list(targets)
    known = {(target.channel.ref, target.recipient) for target in targets}
    for target in targets:
        channel: ChannelSettings = target.channel
        purpose = case.purpose_for(target, notice)
        if not subscribed(channel, case.names(purpose)):
            filtered += 1
        elif not channel.enabled:
            refused.append(case.refused(channel.ref, purpose, Reason.DISABLED, target.recipient, step, repeat))
            for stand_in in in_place_of(channel, target.recipient, case.lookup.channels, case.lookup.people):
                if (stand_in.channel.ref, stand_in.recipient) not in known:
                    known.add((stand_in.channel.ref, stand_in.recipient))
                    told = case.notification(stand_in, case.purpose_for(stand_in, notice), silent, step, repeat)
                    notifications.append(replace(told, fallback_for=channel.ref))
        else:
            notifications.append(case.notification(target, purpose, silent, step, repeat))
    return notifications, refused, filtered


def _climbing(state: NotifyState, case: Case, policy: Policy | None) -> NotifyState:
    """An escalation begins where the policy has one and none is going on for the alert."""
    alert = case.alert
    going_on = state.climb is not None and state.climb.alert_id == alert["id"] and not case.returned
    if policy is None or going_on:
        return state
    following = next_escalation(policy, alert, case.now, 0)
    climb = None if following is None else Climb(alert["id"], policy.id, case.now, 0, following.at)
    return replace(state, climb=climb)


def _still_climbing(state: NotifyState, alert: Mapping[str, Any]) -> NotifyState:
    """Whoever acknowledges, resolves, silences or escalates the alert ends its escalation."""
    climb = state.climb
    if climb is None or climb.alert_id != alert["id"] or alert["status"] == "open":
        return state
    return replace(state, climb=None)


def _cooldown(state: NotifyState, rule: NotifyingRule) -> int:
    return cooldown.span_ms(rule, state.level)


def with_told(seen: Seen, notifications: Iterable[Notification]) -> Seen:
    """The alert as seen, with who is told by these notifications."""
    told = list(seen.told)
    for one in notifications:
        new = Told(one.channel, one.recipient, one.template)
        if not new.known(told):
            told.append(new)
    return replace(seen, told=tuple(told))


def _suppressed_by(text: str) -> tuple[Reason, str]:
    word, _, which = text.partition(":")
    if word == "snooze":
        return Reason.SNOOZED, which
    return (Reason.INHIBITED if word == "inhibited" else Reason.SILENCE), which


def rule_of(alert: Mapping[str, Any]) -> tuple[str, str]:
    """(owner, id) of the alert's rule."""
    rule = alert["rule"]
    return rule.get("owner") or alert["tenant_id"], rule["id"]


def _kept(state: NotifyState, rule: NotifyingRule | None, now: int) -> NotifyState:
    """With the time until which it is needed: for its alerts, its cooldown, its round."""
    span = CLOSED_MS if all(seen.status == "resolved" for seen in state.alerts) else OPEN_MS
    muted = 0 if rule is None else 2 * cooldown.span_ms(rule, state.level)
    if state.waiting:
        muted += cooldown.MAX_WAIT_MS
    return replace(state, expires_at=now + max(span, muted))
