"""*Cooldown*: how long further triggers of a fingerprint stay silent after somebody was told (DESIGN section 3).

It begins when a notification was first delivered, when one was suppressed on purpose, and when the alert was
acknowledged. Between sending a round of notifications and its first delivery, triggers are silent too: nobody
would learn more from a second one. A round whose every notification failed for good told nobody, so its triggers
count as silent and the next trigger notifies at once.
"""

from __future__ import annotations

from dataclasses import replace

from streamproc.alerting.notify_state import NotifyState
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
    if state is None or delivery.id not in state.waiting or not delivery.state.final:
        return state
    if delivery.state is DeliveryState.DELIVERED:
        return began(replace(state, waiting=()), min(delivery.updated_at, now))
    waiting = tuple(id for id in state.waiting if id != delivery.id)
    return replace(state, waiting=waiting) if waiting else round_failed(state)
