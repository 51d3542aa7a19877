"""What the outbox is told of channels: how each is treated, and who is told in its place. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streamproc.alerting.audience import Target
from streamproc.alerting.recipients import ChannelBook
from streamproc.alerting.retry import Schedule, schedule_of
from streamproc.model.channel_settings import CONCURRENCY, ChannelRef, ChannelSettings
from streamproc.model.notification import Notification
from streamproc.model.rule_recipients import RuleWebhook


@dataclass(frozen=True, slots=True)
class Terms:
    """How a channel is treated. `revision`: of its configuration; a change begins a new count of its failures."""

    schedule: Schedule
    concurrency: int
    revision: int = 0

    @classmethod
    def of(cls, channel: ChannelSettings | None, revision: int = 0) -> Terms:
        """By its settings; defaults for one that is gone."""
        return cls(schedule_of(channel), CONCURRENCY if channel is None else channel.max_concurrency, revision)


def terms_of(notification: Notification, book: ChannelBook) -> Terms:
    """As the notification's channel is configured. An address in a rule has the revision of its rule."""
    tenant, ref = notification.tenant, notification.channel
    channel = book.get(tenant, ref)
    if isinstance(channel, RuleWebhook):
        key = (channel.tenant_id, ChannelRef("rule", ref.id.rpartition(":")[0]))
    else:
        key = (tenant, ref)
    return Terms.of(channel, book.revisions.get(key, 0))


StandIns = Callable[[Notification], Sequence[Target]]


def nobody(notification: Notification) -> Sequence[Target]:
    """Where no channel stands in for another."""
    return ()
