"""What the outbox stores of a notification, while it is pending and for a while after; and what it asks for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import ormsgpack

from streamproc.model.channel_settings import ChannelRef
from streamproc.model.delivery import Attempt, Delivery, DeliveryState, OutcomeKind, Reason
from streamproc.model.notification import Notification
from streamproc.model.progress import NONE_YET, Progress

VERSION = 1
_ENTRY, _MARK, _AILING = 0, 1, 2

Chain = tuple[str, str, ChannelRef, str]


@dataclass(slots=True, eq=False)
class Entry:
    """A notification that is not settled yet. `at`: when it may be tried, ms; `tries`: attempts made so far."""

    notification: Notification
    at: int
    tries: int = 0
    attempts: tuple[Attempt, ...] = ()
    reference: str = ""
    live: bool = True
    in_flight: bool = False

    @property
    def id(self) -> str:
        """The delivery id."""
        return self.notification.delivery_id

    @property
    def tenant(self) -> str:
        """Whose it is."""
        return self.notification.tenant

    @property
    def started(self) -> bool:
        """Whether its receiver may have got it already."""
        return self.in_flight or self.tries > 0

    def encode(self) -> bytes:
        """The stored form. Whether an attempt is in flight is not stored: after a restart it is made again."""
        attempts = [(a.at, a.kind, a.reason, a.status, a.latency_ms, a.excerpt, a.detail) for a in self.attempts]
        values = [_ENTRY, self.notification.encode(), self.at, self.tries, attempts]
        progress = self.notification.progress
        return _packed([*values, progress.reached, progress.refused] if progress != NONE_YET else values)


@dataclass(slots=True, frozen=True)
class Mark:
    """That a notification is settled: a repetition of it is answered with the same record, not sent again.

    `failed`: its receiver never learned of the alert, so notices that follow are dropped; `fell_back`: but another
    channel stood in, which they go to. `replay`: whether it was one.
    """

    delivery: Delivery
    expires_at: int
    failed: bool
    fell_back: bool = False
    replay: bool = False

    @property
    def tenant(self) -> str:
        """Whose it is."""
        return self.delivery.tenant

    @property
    def chain(self) -> Chain:
        """The chain of its notification."""
        delivery = self.delivery
        assert delivery.channel is not None
        alone = "\0" + delivery.id if self.replay else ""
        return (delivery.tenant, delivery.alert_id, delivery.channel, delivery.recipient + alone)

    def encode(self) -> bytes:
        """The stored form."""
        return _packed([_MARK, self.delivery.encode(), self.expires_at, self.failed, self.fell_back, self.replay])


@dataclass(slots=True, frozen=True)
class Ailing:
    """That a channel has failed since `since` (ms) without a success, `failures` times, the latest at `latest`.

    `revision` is that of its configuration, in which it is `off`, if it is, for this reason.
    """

    tenant: str
    channel: ChannelRef
    revision: int
    since: int
    latest: int
    failures: int = 1
    off: Reason | None = None

    @property
    def id(self) -> str:
        """What it is stored under, beside delivery ids."""
        return f"channel\0{self.tenant}\0{self.channel}"

    def encode(self) -> bytes:
        """The stored form."""
        where = [self.tenant, str(self.channel), self.revision]
        return _packed([_AILING, *where, self.since, self.latest, self.failures, self.off])


Stored = Entry | Mark | Ailing


def decode(value: bytes) -> Stored:
    """The inverse of each `encode`. Raises ValueError for an unknown version."""
    if value[:1] != bytes((VERSION,)):
        raise ValueError(f"outbox entry of version {value[:1].hex() or 'none'}; {VERSION} is known")
    try:
        return _of(ormsgpack.unpackb(value[1:]))
    except (TypeError, AttributeError, LookupError) as error:
        raise ValueError(f"not an outbox entry: {error}") from None


def _of(stored: list[Any]) -> Stored:
    if stored[0] == _AILING:
        _, tenant, channel, revision, since, latest, failures, off = stored
        reason = None if off is None else Reason(off)
        return Ailing(tenant, ChannelRef.parse(channel), revision, since, latest, failures, reason)
    kind, body, at, *rest = stored
    if kind == _MARK:
        return Mark(Delivery.decode(body), at, *rest)
    tries, attempts, *progress = rest
    notification = Notification.decode(body)
    if progress:
        notification = replace(notification, progress=Progress(*map(tuple, progress)))
    return Entry(notification, at, tries, tuple(_attempt(*stored) for stored in attempts))


def _attempt(
    at: int, kind: str, reason: str, status: int | None, latency_ms: int, excerpt: str, detail: str
) -> Attempt:
    return Attempt(at, OutcomeKind(kind), Reason(reason), status, latency_ms, excerpt, detail)


def _packed(values: list[Any]) -> bytes:
    return bytes((VERSION,)) + ormsgpack.packb(values)


class SwitchedOff(NamedTuple):
    """A channel that is not to be tried any more: it asked for that (`gone`), or failed since `since` (`endpoint_off`).

    `again`: that is known already, but its configuration does not have it yet.
    """

    tenant: str
    channel: ChannelRef
    reason: Reason
    at: int
    since: int
    failures: int
    again: bool = False


@dataclass(slots=True)
class Effects:
    """What the outbox asks for, all in one transaction: `records` for the `deliveries` topic, `notifications` to make
    (to channels that stand in), `puts` and `deletes` for its table. After it: `disabled`, to be switched off in the
    configuration, and told of.
    """

    records: list[Delivery] = field(default_factory=list)
    puts: dict[bytes, bytes] = field(default_factory=dict)
    deletes: set[bytes] = field(default_factory=set)
    disabled: list[SwitchedOff] = field(default_factory=list)
    notifications: list[Notification] = field(default_factory=list)

    def put(self, id: str, value: Stored) -> None:
        """Store under an id."""
        key = id.encode()
        self.deletes.discard(key)
        self.puts[key] = value.encode()

    def delete(self, ids: Iterable[str]) -> None:
        """Forget ids."""
        for id in ids:
            key = id.encode()
            self.puts.pop(key, None)
            self.deletes.add(key)

    def add(self, other: Effects) -> None:
        """All that `other` asks for, too; a later put or delete of a key replaces an earlier one."""
        self.records += other.records
        self.notifications += other.notifications
        self.disabled += other.disabled
        for key, value in other.puts.items():
            self.deletes.discard(key)
            self.puts[key] = value
        for key in other.deletes:
            self.puts.pop(key, None)
            self.deletes.add(key)


def delivery_of(
    entry: Entry,
    state: DeliveryState,
    reason: Reason | None,
    now: int,
    next_at: int | None = None,
    detail: str = "",
) -> Delivery:
    """The record of an entry's present state. `detail`: what there is to add."""
    notification = entry.notification
    replay = f"replay of {notification.replay_of}" if notification.replay_of else ""
    return Delivery(
        id=notification.delivery_id,
        tenant=notification.tenant,
        alert_id=notification.alert_id,
        fingerprint=notification.fingerprint,
        revision=notification.revision,
        channel=notification.channel,
        purpose=notification.purpose,
        state=state,
        reason=reason,
        created_at=notification.created_at,
        updated_at=now,
        recipient=notification.recipient,
        silent_count=notification.silent_count,
        next_at=next_at,
        attempts=entry.attempts,
        step=notification.step,
        repeat=notification.repeat,
        fallback_for=notification.fallback_for,
        reference=entry.reference,
        detail="; ".join(part for part in (replay, detail) if part),
    )


def members_of(notification: Notification, delivery: Delivery) -> list[Delivery]:
    """Of a settled bundle, the record of each notification in it, so that readers need not know of bundles."""
    return [
        replace(
            delivery,
            id=member.delivery_id,
            alert_id=member.alert_id,
            fingerprint=member.fingerprint,
            revision=member.revision,
            purpose=member.purpose,
            created_at=member.created_at,
            silent_count=member.silent_count,
            attempts=(),
            bundle=delivery.id,
        )
        for member in notification.members
    ]
