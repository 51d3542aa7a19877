"""What notify remembers of one fingerprint, and its stored form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import ormsgpack

from streamproc.model.channel_settings import ChannelRef

VERSION = 1
MAX_ALERTS = 4
"""Episodes of a fingerprint follow one another, so only the latest can still change; a few more are kept."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One alert as last seen. `told`: the channels that got a notification of it.

    `unreachable`: it has been logged that the rule names no channel, or a missing one.
    """

    alert_id: str
    revision: int = 0
    triggers: int = 0
    status: str = ""
    told: tuple[ChannelRef, ...] = ()
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

    def seen(self, alert_id: str) -> Seen:
        """The alert as last seen; revision 0 if never."""
        return next((alert for alert in self.alerts if alert.alert_id == alert_id), Seen(alert_id))

    def with_seen(self, seen: Seen) -> NotifyState:
        """With the alert as its newest."""
        others = tuple(alert for alert in self.alerts if alert.alert_id != seen.alert_id)
        return replace(self, alerts=(*others, seen)[-MAX_ALERTS:])

    def encode(self) -> bytes:
        """The stored form: a version byte and MessagePack."""
        muted = self.muted
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
                    (a.alert_id, a.revision, a.triggers, a.status, [str(ref) for ref in a.told], a.unreachable)
                    for a in self.alerts
                ],
                self.expires_at,
            ]
        )

    @classmethod
    def decode(cls, value: bytes) -> NotifyState:
        """The inverse of `encode`. Raises ValueError for an unknown version."""
        if value[:1] != bytes((VERSION,)):
            raise ValueError(f"notify state of version {value[:1].hex() or 'none'}; {VERSION} is known")
        fingerprint, cooldown, silent, waiting, round_at, triggers, muted, alerts, expires = ormsgpack.unpackb(
            value[1:]
        )
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
        )


def _seen(stored: Sequence[Any]) -> Seen:
    alert_id, revision, triggers, status, told, unreachable = stored
    return Seen(alert_id, revision, triggers, status, tuple(ChannelRef.parse(ref) for ref in told), unreachable)
