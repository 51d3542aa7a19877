"""What the outbox stores of a notification, while it is pending and for a while after; and what it asks for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import ormsgpack

from streamproc.model.channel_settings import ChannelRef
from streamproc.model.delivery import Attempt, Delivery, DeliveryState, OutcomeKind, Reason
from streamproc.model.notification import Notification
from streamproc.model.progress import NONE_YET, Progress

VERSION = 1
_ENTRY, _MARK = 0, 1

Chain = tuple[str, str, ChannelRef, str]


@dataclass(slots=True, eq=False)
class Entry:
    """A notification that is not settled yet. `at`: when it may be tried, ms; `tries`: attempts made so far."""

    notification: Notification
    at: int
    tries: int = 0
    attempts: tuple[Attempt, ...] = ()
    live: bool = True
    in_flight: bool = False

    @property
    def id(self) -> str:
        """The delivery id."""
        return self.notification.delivery_id

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

    `failed`: its receiver never learned of the alert, so notices that follow are dropped.
    """

    delivery: Delivery
    expires_at: int
    failed: bool

    @property
    def chain(self) -> Chain:
        """The chain of its notification."""
        delivery = self.delivery
        assert delivery.channel is not None
        return (delivery.tenant, delivery.alert_id, delivery.channel, delivery.recipient)

    def encode(self) -> bytes:
        """The stored form."""
        return _packed([_MARK, self.delivery.encode(), self.expires_at, self.failed])


def decode(value: bytes) -> Entry | Mark:
    """The inverse of both `encode`s. Raises ValueError for an unknown version."""
    if value[:1] != bytes((VERSION,)):
        raise ValueError(f"outbox entry of version {value[:1].hex() or 'none'}; {VERSION} is known")
    try:
        return _of(ormsgpack.unpackb(value[1:]))
    except (TypeError, AttributeError) as error:
        raise ValueError(f"not an outbox entry: {error}") from None


def _of(stored: list[Any]) -> Entry | Mark:
    kind, body, at, *rest = stored
    if kind == _MARK:
        return Mark(Delivery.decode(body), at, rest[0])
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


@dataclass(slots=True)
class Effects:
    """What the outbox asks for, in this order: `records` go to the `deliveries` topic and are awaited; then `puts`
    and `deletes` change its table. (The other way round, a crash between would lose a record, and notify would wait
    for it; this way round the attempt is repeated with the same id.)

    `disabled`: channels (tenant, ref) that asked for no more (410).
    """

    records: list[Delivery] = field(default_factory=list)
    puts: dict[bytes, bytes] = field(default_factory=dict)
    deletes: set[bytes] = field(default_factory=set)
    disabled: list[tuple[str, ChannelRef]] = field(default_factory=list)

    def put(self, id: str, value: Entry | Mark) -> None:
        """Store under a delivery id."""
        key = id.encode()
        self.deletes.discard(key)
        self.puts[key] = value.encode()

    def delete(self, ids: Iterable[str]) -> None:
        """Forget delivery ids."""
        for id in ids:
            key = id.encode()
            self.puts.pop(key, None)
            self.deletes.add(key)


def delivery_of(entry: Entry, state: DeliveryState, reason: Reason, now: int, next_at: int | None = None) -> Delivery:
    """The record of an entry's present state."""
    notification = entry.notification
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
