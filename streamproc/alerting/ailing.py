"""When a channel that keeps failing is switched off. Pure; time is an argument (ms).

Five days without a single success, and at once where the endpoint says that it is gone (410). Any success, and any
change of the channel's configuration, begins anew.
"""

from __future__ import annotations

from dataclasses import replace

from streamproc.alerting.outbox_entry import Ailing
from streamproc.model.channel_settings import ChannelRef
from streamproc.model.delivery import Outcome, OutcomeKind, Reason

FAILING_MS = 5 * 24 * 3600 * 1000
LEAST = 5
"""Failures, lest two that lie days apart switch off what was hardly ever asked."""
FORGET_MS = 30 * 24 * 3600 * 1000
FORGET_OFF_MS = 400 * 24 * 3600 * 1000
"""What has not failed for so long is forgotten; the second is for what is off."""
OURS = frozenset(
    {Reason.INTERNAL, Reason.RECIPIENT_GONE, Reason.CHANNEL_GONE, Reason.DISABLED, Reason.ENDPOINT_OFF}
)
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


def forgotten(row: Ailing, now: int) -> bool:
    """Whether it need not be stored any more."""
    return now - row.latest >= (FORGET_MS if row.off is None else FORGET_OFF_MS)
