"""notify: who is told of an alert record, or why not. Pure; time is an argument, configuration a `Lookup`.

Triggers notify unless the fingerprint is muted. Acknowledge, escalate, resolve and reopen notices always pass: to the
channels that were told of the alert, and to those that the rule names now. Nothing is left out without a record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import orjson

from streamproc.alerting import cooldown
from streamproc.alerting.notify_state import Muted, NotifyState, Seen
from streamproc.alerting.recipients import Lookup, NotifyingRule, named, subscribed
from streamproc.alerting.silence import silenced
from streamproc.model.channel_settings import ChannelRef, ChannelSettings
from streamproc.model.delivery import Delivery, DeliveryState, Reason
from streamproc.model.notification import EVENT_TYPES, Notification, Purpose, delivery_id

OPEN_MS = 90 * 24 * 3600 * 1000
"""A state with an unresolved alert is kept this long after its last record."""
CLOSED_MS = 25 * 3600 * 1000
"""A resolved alert can be reopened within a day, so its state stays a little longer."""

_NOTICES = {
    "alert.acknowledged": Purpose.ACKNOWLEDGED,
    "alert.escalated": Purpose.ESCALATED,
    "alert.resolved": Purpose.RESOLVED,
}


@dataclass(frozen=True, slots=True)
class Decision:
    """What notify decided. `suppressed` are records for the `deliveries` topic."""

    state: NotifyState
    notifications: tuple[Notification, ...] = ()
    suppressed: tuple[Delivery, ...] = ()


def notify(alert: Mapping[str, Any], state: NotifyState | None, lookup: Lookup, now: int) -> Decision:
    """Decide on one record of the `alerts` topic.

    `state` is that of `alert["fingerprint"]`, None if there is none. A revision that was seen before, or an older
    one, changes nothing. The same record with the same state makes the same delivery ids.
    """
    before = state or NotifyState(alert["fingerprint"])
    seen = before.seen(alert["id"])
    if alert["revision"] <= seen.revision:
        return Decision(before)
    decision = _decide(_Case(alert, before, seen, lookup, now))
    rule = lookup.rule(*_rule_of(alert))
    return replace(decision, state=_kept(decision.state, alert, rule, now))


class _Case:
    """The facts of one decision."""

    def __init__(self, alert: Mapping[str, Any], state: NotifyState, seen: Seen, lookup: Lookup, now: int) -> None:
        self.alert = alert
        self.state = state
        self.now = now
        self.lookup = lookup
        self.rule = lookup.rule(*_rule_of(alert))
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

    def notice(self) -> Purpose | None:
        """The status change that this record tells of, if any."""
        if self.before.status == "resolved" and self.alert["status"] != "resolved":
            return Purpose.REOPENED
        return _NOTICES.get(self.alert["event_type"])

    def hushed(self) -> Reason | None:
        """Why nobody may be told of a trigger, whatever the cooldown."""
        if self.alert.get("backfill") and not self.alert.get("backfill_notify"):
            return Reason.BACKFILL
        if self.rule is None:
            return Reason.RULE_GONE
        if self.rule.mode == "shadow":
            return Reason.SHADOW
        if not self.rule.enabled:
            return Reason.DISABLED
        if self.alert["status"] == "suppressed":
            return Reason.SILENCE
        silences = self.lookup.silences(self.alert["tenant_id"])
        return Reason.SILENCE if silences and silenced(self.alert, silences, self.now) else None

    def names(self, purpose: Purpose) -> tuple[str, ...]:
        """What a notification goes by in `events` filters: a further trigger is also an update."""
        if purpose not in (Purpose.TRIGGERED, Purpose.UPDATED):
            return (EVENT_TYPES[purpose],)
        further = ("alert.updated",) if self.before.revision else ()
        compliance = ("compliance.check.failed",) if self.alert["rule"].get("type") == "compliance" else ()
        return (EVENT_TYPES[purpose], *further, *compliance)

    def purpose_for(self, channel: ChannelSettings, notice: Purpose | None) -> Purpose:
        """A trigger is an update to a channel that was told of the alert before."""
        if notice is not None:
            return notice
        return Purpose.UPDATED if channel.ref in self.before.told else Purpose.TRIGGERED

    def notification(self, channel: ChannelSettings, purpose: Purpose, silent: int) -> Notification:
        alert = self.alert
        return Notification(
            delivery_id=delivery_id(alert["id"], alert["revision"], channel.ref, "", purpose),
            tenant=alert["tenant_id"],
            alert_id=alert["id"],
            fingerprint=alert["fingerprint"],
            revision=alert["revision"],
            channel=channel.ref,
            purpose=purpose,
            silent_count=silent,
            created_at=self.now,
            alert=self.record_bytes,
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

    def refused(self, ref: ChannelRef | None, purpose: str, reason: Reason) -> Delivery:
        """The record that this notification was not made, under the id that it would have had."""
        id = delivery_id(self.alert["id"], self.alert["revision"], ref or ChannelRef("", ""), "", purpose)
        return self.record(id, ref, purpose, reason, self.triggers)


def _decide(case: _Case) -> Decision:
    notice = case.notice()
    if notice is not None:
        return _notice(case, notice)
    if case.triggers == 0:
        return Decision(case.state.with_seen(case.seen))  # a note, an assignment: nobody is told of those
    hushed = case.hushed()
    if hushed is not None:
        return _muted(case, hushed, purposely=hushed in (Reason.SHADOW, Reason.DISABLED, Reason.SILENCE))
    assert case.rule is not None
    silent = cooldown.mute(case.state, round(case.rule.cooldown_min * 60_000), case.now)
    return _told(case, case.rule) if silent is None else _muted(case, silent, purposely=False)


def _muted(case: _Case, reason: Reason, *, purposely: bool) -> Decision:
    """A silent trigger. Suppressions that follow one another share one record, whose count grows."""
    state, alert, now = case.state, case.alert, case.now
    muted = state.muted
    if muted is not None and muted.alert_id == alert["id"] and muted.reason == reason:
        muted = replace(muted, count=muted.count + case.triggers)
    else:
        id = delivery_id(alert["id"], alert["revision"], ChannelRef("", ""), "", f"suppressed {reason}")
        muted = Muted(id, alert["id"], reason, case.triggers, now)
    record = replace(
        case.record(
            muted.delivery_id, None, Purpose.UPDATED if case.before.revision else Purpose.TRIGGERED, reason, muted.count
        ),
        created_at=muted.since,
    )
    unheard = 0 if reason is Reason.BACKFILL else case.triggers  # history is not news, so never told of later
    state = replace(state, silent=state.silent + unheard, muted=muted)
    rule = case.rule
    if purposely and (rule is None or cooldown.mute(state, round(rule.cooldown_min * 60_000), now) is None):
        state = cooldown.began(state, now)
    return Decision(state.with_seen(case.seen), (), (record,))


def _told(case: _Case, rule: NotifyingRule) -> Decision:
    """A trigger that notifies."""
    state = case.state
    if state.waiting:
        state = cooldown.round_failed(state) if rule.cooldown_min > 0 else replace(state, waiting=())
    channels, missing = named(rule, case.alert["tenant_id"], case.lookup.channels)
    silent = state.silent + case.triggers - 1
    notifications, refused, filtered = _addressed(case, channels, None, silent)
    seen = case.seen
    if (missing or not channels) and not seen.unreachable:
        unreachable: Sequence[ChannelRef | None] = missing or (None,)
        refused += [case.refused(ref, Purpose.TRIGGERED, Reason.NO_CHANNEL) for ref in unreachable]
        seen = replace(seen, unreachable=True)
    if filtered and not notifications and not refused and not seen.unreachable:
        refused.append(case.refused(None, Purpose.TRIGGERED, Reason.NOT_SUBSCRIBED))
        seen = replace(seen, unreachable=True)
    if notifications:
        ids = tuple(notification.delivery_id for notification in notifications)
        state = cooldown.round_sent(state, ids, silent + 1, case.now)
    else:
        state = replace(state, silent=silent + 1)
        if any(record.reason is Reason.DISABLED for record in refused):
            state = cooldown.began(state, case.now)
    return Decision(state.with_seen(_with_told(seen, notifications)), tuple(notifications), tuple(refused))


def _notice(case: _Case, purpose: Purpose) -> Decision:
    """A status change: always told, to whom was told of the alert and to whom the rule names now."""
    state, book, tenant = case.state, case.lookup.channels, case.alert["tenant_id"]
    told = {ref: book.get(tenant, ref) for ref in case.before.told}
    channels = {ref: channel for ref, channel in told.items() if channel is not None}
    hushed = case.hushed()
    if case.rule is not None and hushed not in (Reason.SHADOW, Reason.BACKFILL):
        channels.update((channel.ref, channel) for channel in named(case.rule, tenant, book)[0])
    silent = state.silent + case.triggers
    notifications, refused, _ = _addressed(case, channels.values(), purpose, silent)
    refused += [case.refused(ref, purpose, Reason.NO_CHANNEL) for ref, channel in told.items() if channel is None]
    if not channels and not refused and hushed is not None:
        refused.append(case.refused(None, purpose, hushed))
    state = replace(state, silent=silent, muted=None)
    if purpose is Purpose.REOPENED and notifications:
        ids = tuple(notification.delivery_id for notification in notifications)
        state = cooldown.round_sent(state, ids, silent, case.now)
    elif purpose is Purpose.ACKNOWLEDGED:
        state = cooldown.began(state, case.now)
    seen = _with_told(case.seen, notifications) if purpose is Purpose.REOPENED else case.seen
    return Decision(state.with_seen(seen), tuple(notifications), tuple(refused))


def _addressed(
    case: _Case, channels: Iterable[ChannelSettings], notice: Purpose | None, silent: int
) -> tuple[list[Notification], list[Delivery], int]:
    """(a notification for each channel that takes it; a record for each that is disabled; how many filter it)."""
    notifications: list[Notification] = []
    refused: list[Delivery] = []
    filtered = 0
    for channel in channels:
        purpose = case.purpose_for(channel, notice)
        if not subscribed(channel, case.names(purpose)):
            filtered += 1
        elif not channel.enabled:
            refused.append(case.refused(channel.ref, purpose, Reason.DISABLED))
        else:
            notifications.append(case.notification(channel, purpose, silent))
    return notifications, refused, filtered


def _with_told(seen: Seen, notifications: Iterable[Notification]) -> Seen:
    new = (notification.channel for notification in notifications if notification.channel not in seen.told)
    return replace(seen, told=(*seen.told, *new))


def _rule_of(alert: Mapping[str, Any]) -> tuple[str, str]:
    rule = alert["rule"]
    return rule.get("owner") or alert["tenant_id"], rule["id"]


def _kept(state: NotifyState, alert: Mapping[str, Any], rule: NotifyingRule | None, now: int) -> NotifyState:
    """With the time until which it is needed: for its alerts, its cooldown, its round."""
    span = CLOSED_MS if all(seen.status == "resolved" for seen in state.alerts) else OPEN_MS
    muted = 0 if rule is None else round(rule.cooldown_min * 60_000)
    if state.waiting:
        muted += cooldown.MAX_WAIT_MS
    return replace(state, expires_at=now + max(span, muted))
