"""What notify remembers of one fingerprint, and its stored form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import ormsgpack

from streamproc.model.channel_settings import ChannelRef

VERSION = 2
"""1 had no recipients, levels and escalations; it is read too."""
MAX_ALERTS = 4
"""Episodes of a fingerprint follow one another, so only the latest can still change; a few more are kept."""


@dataclass(frozen=True, slots=True)
class Told:
    """Who was told, and with which content template."""

    channel: ChannelRef
    recipient: str = ""
    template: str = ""

    def known(self, others: Iterable[Told]) -> bool:
        """Whether the same one is among the others, whatever the template."""
        return any(other.channel == self.channel and other.recipient == self.recipient for other in others)


@dataclass(frozen=True, slots=True)
class Climb:
    """An escalation that is going on: since when nobody acknowledged, and how many steps were made or passed over."""

    alert_id: str
    policy: str
    since: int
    done: int
    next_at: int


@dataclass(frozen=True, slots=True)
class Seen:
    """One alert as last seen. `told`: who got a notification of it.

    `unreachable`: it has been logged that the rule names no channel, or a missing one.
    """

    alert_id: str
    revision: int = 0
    triggers: int = 0
    status: str = ""
    told: tuple[Told, ...] = ()
    unreachable: bool = False


@dataclass(frozen=True, slots=True)
class Muted:
    """The suppression that is going on: one `deliveries` record, written again under its id as `count` grows."""

    delivery_id: str
    alert_id: str
    reason: str
    count: int
    since: int


@dataclass(frozen=True, slots=True)
class NotifyState:
    """State of one fingerprint. Times are ms since the epoch.

    - `cooldown_from`: when the latest cooldown began; None: no cooldown
    - `silent`: triggers that nobody was told of, since the last that was told
    - `waiting`: the latest round's delivery ids, while none of them is delivered and not all have failed
    - `round_at`, `round_triggers`: when that round was made, and how many triggers it tells of
    - `level`: how many cooldowns before the present one ended in a further trigger (see `cooldown.span_ms`)
    - `climb`: the escalation that is going on
    - `expires_at`: from then on the state may be dropped
    """

    fingerprint: str
    cooldown_from: int | None = None
    silent: int = 0
    waiting: tuple[str, ...] = ()
    round_at: int = 0
    round_triggers: int = 0
    muted: Muted | None = None
    alerts: tuple[Seen, ...] = ()
    expires_at: int = 0
    level: int = 0
    climb: Climb | None = None

    @property
    def wake_at(self) -> int:
        """When something is to be done about it, if no record comes before."""
        return self.expires_at if self.climb is None else min(self.expires_at, self.climb.next_at)

    def seen(self, alert_id: str) -> Seen:
        """The alert as last seen; revision 0 if never."""
        return next((alert for alert in self.alerts if alert.alert_id == alert_id), Seen(alert_id))

    def with_seen(self, seen: Seen) -> NotifyState:
        """With the alert as its newest."""
        others = tuple(alert for alert in self.alerts if alert.alert_id != seen.alert_id)
        return replace(self, alerts=(*others, seen)[-MAX_ALERTS:])

    def encode(self) -> bytes:
        """The stored form: a version byte and MessagePack."""
        muted, climb = self.muted, self.climb
        return bytes((VERSION,)) + ormsgpack.packb(
            [
                self.fingerprint,
                self.cooldown_from,
                self.silent,
                self.waiting,
                self.round_at,
                self.round_triggers,
                None if muted is None else (muted.delivery_id, muted.alert_id, muted.reason, muted.count, muted.since),
                [
                    (
                        a.alert_id,
                        a.revision,
                        a.triggers,
                        a.status,
                        [(str(t.channel), t.recipient, t.template) for t in a.told],
                        a.unreachable,
                    )
                    for a in self.alerts
                ],
                self.expires_at,
                self.level,
                None if climb is None else (climb.alert_id, climb.policy, climb.since, climb.done, climb.next_at),
            ]
        )

    @classmethod
    def decode(cls, value: bytes) -> NotifyState:
        """The inverse of `encode`. Raises ValueError for an unknown version."""
        if value[:1] not in (b"\x01", bytes((VERSION,))):
            raise ValueError(f"notify state of version {value[:1].hex() or 'none'}; {VERSION} is known")
        try:
            return cls._of(ormsgpack.unpackb(value[1:]))
        except (TypeError, AttributeError) as error:
            raise ValueError(f"not a notify state: {error}") from None

    @classmethod
    def _of(cls, stored: Sequence[Any]) -> NotifyState:
        fingerprint, cooldown, silent, waiting, round_at, triggers, muted, alerts, expires, *newer = stored
        level, climb = newer or (0, None)
        return cls(
            fingerprint,
            cooldown,
            silent,
            tuple(waiting),
            round_at,
            triggers,
            None if muted is None else Muted(*muted),
            tuple(_seen(alert) for alert in alerts),
            expires,
            level,
            None if climb is None else Climb(*climb),
        )


def _seen(stored: Sequence[Any]) -> Seen:
    alert_id, revision, triggers, status, told, unreachable = stored
    return Seen(alert_id, revision, triggers, status, tuple(map(_told, told)), unreachable)


def _told(stored: Any) -> Told:
    if isinstance(stored, str):
        return Told(ChannelRef.parse(stored))
    channel, recipient, template = stored
    return Told(ChannelRef.parse(channel), recipient, template)
