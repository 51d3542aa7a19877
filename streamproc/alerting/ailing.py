"""When a channel that keeps failing is switched off. Pure; time is an argument (ms).

Five days without a single success, and at once where the endpoint says that it is gone (410). Any success, and any
change of the channel's configuration, begins anew.
"""

from __future__ import annotations

from dataclasses import replace

from streamproc.alerting.outbox_entry import Ailing, Effects, SwitchedOff
from streamproc.model.channel_settings import ChannelRef
from streamproc.model.delivery import Outcome, OutcomeKind, Reason
from streamproc.model.notification import Notification
from streamproc.model.rule_recipients import RuleWebhook

FAILING_MS = 5 * 24 * 3600 * 1000
LEAST = 5
"""Failures, lest two that lie days apart switch off what was hardly ever asked."""
FORGET_MS = 30 * 24 * 3600 * 1000
FORGET_OFF_MS = 400 * 24 * 3600 * 1000
"""What has not failed for so long is forgotten; the second is for what is off."""
OURS = frozenset({Reason.INTERNAL, Reason.RECIPIENT_GONE, Reason.CHANNEL_GONE, Reason.DISABLED, Reason.ENDPOINT_OFF})
"""Failures that say nothing of the endpoint."""


def after_attempt(
    before: Ailing | None,
    tenant: str,
    channel: ChannelRef,
    revision: int,
    outcome: Outcome,
    reached: bool,
    now: int,
) -> Ailing | None:
    """What is to be remembered of the channel after an attempt; None: that it is well.

    `revision`: of its configuration; `reached`: whether the attempt reached somebody, whatever else came of it.
    """
    if outcome.kind is OutcomeKind.DELIVERED or reached:
        return None
    if outcome.reason in OURS:
        return before
    if before is None or before.revision != revision:
        row = Ailing(tenant, channel, revision, now, now)
    else:
        row = replace(before, latest=now, failures=before.failures + 1)
    if outcome.kind is OutcomeKind.DISABLED:
        return replace(row, off=Reason.GONE)
    if now - row.since >= FAILING_MS and row.failures >= LEAST:
        return replace(row, off=row.off or Reason.ENDPOINT_OFF)
    return row


class Ailments:
    """The rows of one outbox, by tenant and channel."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, ChannelRef], Ailing] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def restore(self, row: Ailing) -> None:
        """A row that was stored."""
        self._rows[row.tenant, row.channel] = row

    def off(self, notification: Notification, revision: int) -> bool:
        """Whether its channel is switched off, and has not been configured anew since."""
        row = self._rows.get((notification.tenant, notification.channel))
        return row is not None and row.off is not None and row.revision == revision

    def examine(
        self, notification: Notification, revision: int, outcome: Outcome, reached: bool, now: int, effects: Effects
    ) -> bool:
        """Remember what an attempt says of its channel; whether that is switched off by it."""
        tenant, channel = key = (notification.tenant, notification.channel)
        before = self._rows.get(key)
        row = after_attempt(before, tenant, channel, revision, outcome, reached, now)
        if row is before:
            if outcome.reason is Reason.DISABLED and row is not None and self.off(notification, revision):
                effects.disabled += _switched_off(row, now, again=True)
            return False
        if row is None:
            effects.delete((self._rows.pop(key).id,))
            return False
        self._rows[key] = row
        effects.put(row.id, row)
        if row.off is None or (before is not None and before.revision == revision and before.off is not None):
            return False
        effects.disabled += _switched_off(row, now)
        return True

    def sweep(self, now: int, effects: Effects) -> None:
        """Forget what has not failed for long."""
        for key, row in list(self._rows.items()):
            if now - row.latest >= (FORGET_MS if row.off is None else FORGET_OFF_MS):
                del self._rows[key]
                effects.delete((row.id,))


def _switched_off(row: Ailing, now: int, again: bool = False) -> list[SwitchedOff]:
    """What is to be done: nothing more for an address in a rule, which has no switch of its own, the second time."""
    if row.off is None or (again and row.channel.config == RuleWebhook.CONFIG):
        return []
    return [SwitchedOff(row.tenant, row.channel, row.off, now, row.since, row.failures, again)]
