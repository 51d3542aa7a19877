"""A *gathering*: notifications to one recipient that wait, to go out in one message. Pure; time is an argument (ms).

Three settings make one. A policy's `grouping`: the first alert of a group waits for others, and the next message comes
an interval later. A channel's `digest`: messages go out at set times. A channel's `rate_limit`: what is over the limit
is told together, later. Nothing is dropped: what is not told has a record that says why.

All messages of a gathering are one chain of the outbox, so that a resolve that waits never overtakes a trigger.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any
from uuid import UUID

import orjson
import ormsgpack

from streamproc.alerting.hours import next_cron
from streamproc.alerting.hush import Hush
from streamproc.alerting.matching import values_at
from streamproc.model.alert_filter import RANKS
from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.delivery import Delivery, DeliveryState, Reason
from streamproc.model.notification import OPENING, Member, Notification, Purpose, delivery_id
from streamproc.model.pace import Digest, RateLimit
from streamproc.model.policy import Grouping, Policy

VERSION = 1
MAX_MEMBERS = 100
MAX_BYTES = 400 * 1024
"""Of the alerts in one bundle, far enough below what the topic takes."""
IDLE_MS = 24 * 3600 * 1000
"""A gathering with nothing in it is forgotten after this, or after twice its own span."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How messages to a channel are held back. `bundles`: one message may tell of several alerts."""

    policy: str = ""
    grouping: Grouping | None = None
    digest: Digest | None = None
    rate: RateLimit | None = None
    bundles: bool = True


def pace_of(channel: ChannelSettings | None, policy: Policy | None) -> Pace | None:
    """How notifications that go by `policy` to `channel` are held back; None: they are not.

    A channel whose messages can tell of one alert only has no use for grouping and digests; its rate limit lets them
    out one by one.
    """
    if channel is None:
        return None
    bundles = channel.bundles
    grouping = policy.grouping if policy is not None and bundles else None
    digest = channel.digest if bundles else None
    if grouping is None and digest is None and channel.rate_limit is None:
        return None
    return Pace("" if policy is None else policy.id, grouping, digest, channel.rate_limit, bundles)


@dataclass(frozen=True, slots=True)
class Gathering:
    """What is stored of one. Its notifications are stored beside it, numbered from `first` to before `next`.

    `sequence`: the number of its latest message, which grows; `sent`: when the latest went out, as many as a rate
    limit looks at; `due_at`: when what is held goes out.
    """

    id: str
    sequence: int = 0
    sent: tuple[int, ...] = ()
    first: int = 0
    next: int = 0
    due_at: int | None = None
    policy: str = ""
    expires_at: int = 0

    @property
    def held(self) -> int:
        """How many notifications wait."""
        return self.next - self.first

    @property
    def wake_at(self) -> int:
        """When something is to be done about it."""
        return self.expires_at if self.due_at is None else self.due_at

    def encode(self) -> bytes:
        """The stored form: a version byte and MessagePack."""
        return bytes((VERSION,)) + ormsgpack.packb(
            (self.id, self.sequence, self.sent, self.first, self.next, self.due_at, self.policy, self.expires_at)
        )

    @classmethod
    def decode(cls, value: bytes) -> Gathering:
        """The inverse of `encode`. Raises ValueError for an unknown version."""
        if value[:1] != bytes((VERSION,)):
            raise ValueError(f"gathering of version {value[:1].hex() or 'none'}; {VERSION} is known")
        try:
            id, sequence, sent, first, following, due, policy, expires = ormsgpack.unpackb(value[1:])
            return cls(id, sequence, tuple(sent), first, following, due, policy, expires)
        except TypeError as error:
            raise ValueError(f"not a gathering: {error}") from None


@dataclass(frozen=True, slots=True)
class Released:
    """`left`: notifications that go on waiting, in order; they are to be stored anew from `gathering.first` on."""

    gathering: Gathering
    notifications: tuple[Notification, ...] = ()
    records: tuple[Delivery, ...] = ()
    left: tuple[Notification, ...] = ()


def gathering_id(notification: Notification, alert: Mapping[str, Any], pace: Pace) -> str:
    """`grp_` and a UUID derived from whom is told and, for a grouping alone, the values it groups by.

    A digest and a rate limit are about the recipient, so all that they get is one gathering.
    """
    parts: list[Any] = [notification.tenant, str(notification.channel), notification.recipient]
    if pace.digest is None and pace.rate is None and pace.grouping is not None:
        by = [values_at(alert, tuple(path.split("."))) for path in pace.grouping.by]
        parts += [notification.template, pace.policy, by]
    digest = blake2b(orjson.dumps(parts), digest_size=16, person=b"gathering").digest()
    return f"grp_{UUID(bytes=digest, version=4)}"


def post(gathering: Gathering, notification: Notification, severity: str, pace: Pace, now: int) -> Gathering:
    """With one more notification in it, which the caller stores as number `next - 1`.

    What is due at once has `due_at` at `now` or before: the caller releases it. An escalation does not wait for others.
    """
    due = _due(gathering, notification, severity, pace, now)
    if gathering.due_at is not None:
        due = min(due, gathering.due_at)
    most = MAX_MEMBERS if pace.grouping is None else pace.grouping.max
    if pace.grouping is not None and pace.digest is None and gathering.held + 1 >= most:
        due = now
    due = max(due, _free_at(gathering, pace, now))
    return replace(gathering, next=gathering.next + 1, due_at=due, policy=pace.policy, expires_at=_expiry(pace, now))


def release(
    gathering: Gathering,
    held: Sequence[Notification],
    pace: Pace,
    now: int,
    hush_of: Callable[[Mapping[str, Any]], Hush | None],
) -> Released:
    """Send what is held, as far as the rate limit allows; `hush_of` says what keeps an alert quiet now."""
    alerts = [orjson.loads(one.alert) for one in held]
    kept, records = _folded(held, alerts, pace, now, hush_of)
    messages: list[Notification] = []
    state = replace(gathering, first=gathering.next, due_at=None)
    left = list(kept)
    while left and _free_at(state, pace, now) <= now:
        chunk = _chunk(left, pace)
        del left[: len(chunk)]
        state = replace(state, sequence=max(state.sequence + 1, now), sent=_remembered(state.sent, pace, now))
        messages.append(_message(state, chunk, pace, now))
    if left:
        state = replace(state, next=state.first + len(left), due_at=max(now, _free_at(state, pace, now)))
    return Released(state, tuple(messages), tuple(records), tuple(left))


def _due(gathering: Gathering, notification: Notification, severity: str, pace: Pace, now: int) -> int:
    if notification.step:
        return now
    digest = pace.digest
    if digest is not None:
        rank = RANKS.get(severity, 0)
        if digest.except_severity is not None and rank >= RANKS[digest.except_severity]:
            return now
        return next_cron(digest.schedule, digest.timezone, now)
    if pace.grouping is None:
        return now
    last = gathering.sent[-1] if gathering.sent else None
    interval = round(pace.grouping.interval_seconds * 1000)
    if last is not None and now < last + interval:
        return last + interval
    return now + round(pace.grouping.wait_seconds * 1000)


def _free_at(gathering: Gathering, pace: Pace, now: int) -> int:
    """When the rate limit allows the next message; its span is half-open, (t - per_seconds, t]."""
    rate = pace.rate
    if rate is None or len(gathering.sent) < rate.max:
        return now
    return max(now, gathering.sent[-rate.max] + rate.per_seconds * 1000)


def _remembered(sent: tuple[int, ...], pace: Pace, now: int) -> tuple[int, ...]:
    most = 1 if pace.rate is None else pace.rate.max
    return (*sent, now)[-most:]


def _expiry(pace: Pace, now: int) -> int:
    span = 0.0
    if pace.grouping is not None:
        span = pace.grouping.interval_seconds
    if pace.rate is not None:
        span = max(span, pace.rate.per_seconds)
    return now + max(IDLE_MS, round(span * 2000))


def _folded(
    held: Sequence[Notification],
    alerts: Sequence[Mapping[str, Any]],
    pace: Pace,
    now: int,
    hush_of: Callable[[Mapping[str, Any]], Hush | None],
) -> tuple[list[Notification], list[Delivery]]:
    """(of each alert the newest notification, in the order of those; records of all that is not told)."""
    latest = {one.alert_id: place for place, one in enumerate(held)}
    first = {one.alert_id: place for place, one in reversed(list(enumerate(held)))}
    kept: list[Notification] = []
    records: list[Delivery] = []
    for place, one in enumerate(held):
        newest = held[latest[one.alert_id]]
        unheard = held[first[one.alert_id]].purpose is Purpose.TRIGGERED
        if unheard and newest.purpose is Purpose.RESOLVED and pace.digest is None:
            # whoever is told of neither misses nothing; a digest is read for what happened
            records.append(_record(one, DeliveryState.SUPPRESSED, Reason.RESOLVED_MEANWHILE, now))
            continue
        if place != latest[one.alert_id]:
            records.append(_record(one, DeliveryState.SUPERSEDED, Reason.NEWER, now))
            continue
        hush = hush_of(alerts[place]) if one.purpose in OPENING else None
        if hush is not None:
            records.append(_record(one, DeliveryState.SUPPRESSED, hush.reason, now, hush.by))
            continue
        kept.append(one)
    return kept, records


def _chunk(left: Sequence[Notification], pace: Pace) -> list[Notification]:
    if not pace.bundles:
        return [left[0]]
    most = MAX_MEMBERS if pace.grouping is None else min(MAX_MEMBERS, pace.grouping.max)
    chunk: list[Notification] = []
    size = 0
    for one in left[:most]:
        if chunk and size + len(one.alert) > MAX_BYTES:
            break
        chunk.append(one)
        size += len(one.alert)
    return chunk


def _message(gathering: Gathering, chunk: Sequence[Notification], pace: Pace, now: int) -> Notification:
    newest = chunk[-1]
    if not pace.bundles:
        return newest
    opening = any(one.purpose in OPENING for one in chunk)
    return Notification(
        delivery_id=delivery_id(gathering.id, gathering.sequence, newest.channel, newest.recipient, "bundle"),
        tenant=newest.tenant,
        alert_id=gathering.id,
        fingerprint="",
        revision=gathering.sequence,
        channel=newest.channel,
        purpose=Purpose.TRIGGERED if opening else newest.purpose,
        silent_count=sum(one.silent_count for one in chunk),
        created_at=now,
        alert=newest.alert,
        recipient=newest.recipient,
        step=max(one.step for one in chunk),
        repeat=max(one.repeat for one in chunk),
        template=next((one.template for one in reversed(chunk) if one.template), ""),
        members=tuple(_member(one) for one in chunk),
    )


def _member(one: Notification) -> Member:
    return Member(
        one.delivery_id,
        one.alert_id,
        one.fingerprint,
        one.revision,
        one.purpose,
        one.silent_count,
        one.created_at,
        one.alert,
    )


def _record(one: Notification, state: DeliveryState, reason: Reason, now: int, detail: str = "") -> Delivery:
    return Delivery(
        id=one.delivery_id,
        tenant=one.tenant,
        alert_id=one.alert_id,
        fingerprint=one.fingerprint,
        revision=one.revision,
        channel=one.channel,
        purpose=one.purpose,
        state=state,
        reason=reason,
        created_at=one.created_at,
        updated_at=now,
        recipient=one.recipient,
        silent_count=one.silent_count,
        count=1,
        step=one.step,
        repeat=one.repeat,
        detail=detail,
    )
