"""*Cooldown*: how long further triggers of a fingerprint stay silent after somebody was told (DESIGN section 3).

It begins when a notification was first delivered, when one was suppressed on purpose, and when the alert was
acknowledged. Between sending a round of notifications and its first delivery, triggers are silent too: nobody
would learn more from a second one. A round whose every notification failed for good told nobody, so its triggers
count as silent and the next trigger notifies at once.
"""

from __future__ import annotations

from dataclasses import replace

from streamproc.alerting.notify_state import NotifyState, Told
from streamproc.alerting.recipients import NotifyingRule
from streamproc.model.delivery import Delivery, DeliveryState, Reason

MAX_WAIT_MS = 5 * 24 * 3600 * 1000
"""A round is waited for at most this long: longer than any retry schedule lasts."""


def mute(state: NotifyState, cooldown_ms: int, now: int) -> Reason | None:
    """Why a trigger at `now` is silent; None: it notifies. A cooldown of 0 mutes nothing.

    The cooldown is half-open: at `cooldown_from + cooldown_ms` exactly, a trigger notifies.
    """
    if cooldown_ms <= 0:
        return None
    if state.waiting and now < state.round_at + MAX_WAIT_MS:
        return Reason.WAITING
    if state.cooldown_from is not None and now < state.cooldown_from + cooldown_ms:
        return Reason.COOLDOWN
    return None


def span_ms(rule: NotifyingRule, level: int) -> int:
    """How long the cooldown is that began after `level` others ended in a further trigger, one after another."""
    minutes = rule.cooldown_min
    if rule.cooldown_factor > 1 and minutes > 0:
        longest = max(minutes, rule.cooldown_max_min)
        # beyond this the power may not be a number any more
        level = min(level, 64)
        minutes = min(longest, minutes * rule.cooldown_factor**level)
    return round(minutes * 60_000)


def next_level(state: NotifyState, rule: NotifyingRule, now: int) -> int:
    """The level for a round that is told at `now`: one up where the last cooldown ended less than its length ago."""
    if rule.cooldown_factor <= 1 or state.cooldown_from is None:
        return 0
    span = span_ms(rule, state.level)
    return state.level + 1 if now < state.cooldown_from + 2 * span else 0


def began(state: NotifyState, at: int) -> NotifyState:
    """A cooldown begins at `at`, unless a later one did."""
    return replace(state, cooldown_from=max(at, state.cooldown_from or 0))


def round_sent(state: NotifyState, delivery_ids: tuple[str, ...], triggers: int, now: int) -> NotifyState:
    """Notifications that tell of `triggers` triggers are on their way."""
    return replace(
        state,
        waiting=delivery_ids,
        round_at=now,
        round_triggers=triggers,
        silent=0,
        cooldown_from=None,
        muted=None,
    )


def round_failed(state: NotifyState) -> NotifyState:
    """Nobody learned of the round's triggers."""
    return replace(state, waiting=(), silent=state.silent + state.round_triggers, round_triggers=0)


def on_delivery(delivery: Delivery, state: NotifyState | None, now: int) -> NotifyState | None:
    """Fold a record of the `deliveries` topic into its fingerprint's state; `None` stays None.

    Only records of the latest round matter: a late delivery of an older one begins no cooldown. Folding the same
    record again changes nothing.
    """
    if state is None:
        return None
    if delivery.fallback_for is not None and delivery.channel is not None:
        state = _told_by_fallback(state, delivery)
    if delivery.id not in state.waiting or not delivery.state.final:
        return state
    if delivery.state is DeliveryState.DELIVERED:
        return began(replace(state, waiting=()), min(delivery.updated_at, now))
    waiting = tuple(id for id in state.waiting if id != delivery.id)
    if waiting or delivery.state is DeliveryState.SUPERSEDED:
        return replace(state, waiting=waiting)  # a later message tells of it, or nobody needs to know any more
    return round_failed(state)


def _told_by_fallback(state: NotifyState, delivery: Delivery) -> NotifyState:
    """A channel that stood in for another is told how the alert goes on, and somebody has learned of it."""
    seen = state.seen(delivery.alert_id)
    assert delivery.channel is not None
    told = Told(delivery.channel, delivery.recipient)
    if delivery.state is not DeliveryState.DELIVERED or not seen.revision or told.known(seen.told):
        return state
    return began(state.with_seen(replace(seen, told=(*seen.told, told))), delivery.updated_at)
