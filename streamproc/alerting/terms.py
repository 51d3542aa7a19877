"""What the outbox is told of channels: how each is treated, and who is told in its place. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from streamproc.alerting.audience import Target
from streamproc.alerting.retry import Schedule, schedule_of
from streamproc.model.channel_settings import CONCURRENCY, ChannelSettings
from streamproc.model.notification import Notification


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


StandIns = Callable[[Notification], Sequence[Target]]


def nobody(notification: Notification) -> Sequence[Target]:
    """Where no channel stands in for another."""
    return ()
