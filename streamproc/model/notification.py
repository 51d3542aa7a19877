"""A *notification*: the intent to tell one recipient through one channel about one revision of an alert."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import blake2b
from typing import Any
from uuid import UUID

import orjson

from streamproc.model.channel_settings import ChannelRef
from streamproc.model.content import Content
from streamproc.model.progress import NONE_YET, Progress
from streamproc.model.time_text import milliseconds
from streamproc.model.times import iso

SCHEMA_VERSION = 1


class Purpose(StrEnum):
    """Why somebody is told."""

    TRIGGERED = "triggered"
    """The first notification of the alert to this channel's recipients."""
    UPDATED = "updated"
    """It triggered again after the cooldown."""
    REOPENED = "reopened"
    """It was resolved by mistake."""
    ACKNOWLEDGED = "acknowledged"
    ESCALATED = "escalated"
    RESOLVED = "resolved"


OPENING = frozenset({Purpose.TRIGGERED, Purpose.UPDATED, Purpose.REOPENED})
"""They tell that something is wrong; the others only make sense to who was told that."""

EVENT_TYPES: dict[Purpose, str] = {
    Purpose.TRIGGERED: "alert.triggered",
    Purpose.UPDATED: "alert.triggered",
    Purpose.REOPENED: "alert.updated",
    Purpose.ACKNOWLEDGED: "alert.acknowledged",
    Purpose.ESCALATED: "alert.escalated",
    Purpose.RESOLVED: "alert.resolved",
}
"""What a notification is called to its receiver. A further trigger is `alert.triggered` to webhook filters."""


@dataclass(frozen=True, slots=True)
class Member:
    """One of the notifications that a *bundle* tells of in a single message; the fields are a notification's."""

    delivery_id: str
    alert_id: str
    fingerprint: str
    revision: int
    purpose: Purpose
    silent_count: int
    created_at: int
    alert: bytes


@dataclass(frozen=True, slots=True)
class Notification:
    """One intent. `alert` is the alert record (JSON) as it was when somebody had to be told.

    `silent_count`: triggers since the last one that was told, not counting this one. `step` (from 1) and `repeat`
    (from 0) number escalation steps and their repetitions; step 0 is no escalation. `recipient` is whom the channel is
    to reach: `user/<id>`, `address/<e-mail address>`, or empty where the channel itself is the recipient. `template` is
    the id of a content template of the tenant, empty for what the channel has or the product's own texts.
    `members`: of a bundle, what it tells of, oldest first; `alert` is the newest, `alert_id` names the
    *gathering* (`grp_…`) and `revision` counts its bundles. `fallback_for`: the channel that gave up and that
    this one stands in for. `replay_of`: the delivery that somebody asked to be made again; such a one goes out whatever
    came after it. `progress` is the outbox's own and not on the topic: which of a channel's recipients need
    no further attempt. Nor is `content`, which a content template made for one attempt. Replays make equal
    `delivery_id`s, so it serves receivers as idempotency key. Times are ms since the epoch.
    """

    delivery_id: str
    tenant: str
    alert_id: str
    fingerprint: str
    revision: int
    channel: ChannelRef
    purpose: Purpose
    silent_count: int
    created_at: int
    alert: bytes
    recipient: str = ""
    step: int = 0
    repeat: int = 0
    template: str = ""
    members: tuple[Member, ...] = ()
    fallback_for: ChannelRef | None = None
    replay_of: str = ""
    progress: Progress = NONE_YET
    reference: str = ""
    """Not on the topic: what the provider calls the latest message about the alert (`Outcome.reference`)."""
    content: Content | None = None

    @property
    def event_type(self) -> str:
        """What it is called to its receiver."""
        return EVENT_TYPES[self.purpose]

    @property
    def chain(self) -> tuple[str, str, ChannelRef, str]:
        """Notifications of one chain go out one after another, in the order of their revisions; a replay is alone."""
        alone = "\0" + self.delivery_id if self.replay_of else ""
        return (self.tenant, self.alert_id, self.channel, self.recipient + alone)

    @property
    def plain(self) -> Notification:
        """What to send: a bundle of one is the notification that it was made of."""
        if len(self.members) != 1:
            return self
        one = self.members[0]
        return replace(
            self,
            delivery_id=one.delivery_id,
            alert_id=one.alert_id,
            fingerprint=one.fingerprint,
            revision=one.revision,
            purpose=one.purpose,
            silent_count=one.silent_count,
            created_at=one.created_at,
            alert=one.alert,
            members=(),
        )

    def encode(self) -> bytes:
        """The JSON value on the `notifications` topic."""
        return orjson.dumps(
            {
                "schema_version": SCHEMA_VERSION,
                "delivery_id": self.delivery_id,
                "tenant_id": self.tenant,
                "alert_id": self.alert_id,
                "fingerprint": self.fingerprint,
                "revision": self.revision,
                "channel": str(self.channel),
                "recipient": self.recipient,
                "purpose": self.purpose,
                "event_type": self.event_type,
                "step": self.step,
                "repeat": self.repeat,
                "silent_count": self.silent_count,
                "template": self.template,
                "fallback_for": None if self.fallback_for is None else str(self.fallback_for),
                "replay_of": self.replay_of,
                "members": [_member_document(member) for member in self.members],
                "created_at": iso(self.created_at),
                "alert": orjson.Fragment(self.alert),
            }
        )

    @classmethod
    def decode(cls, value: bytes) -> Notification:
        """The inverse of `encode`. Raises ValueError for what is not a notification of a known version."""
        try:
            doc = orjson.loads(value)
            if doc["schema_version"] != SCHEMA_VERSION:
                raise ValueError(f"schema_version: {doc['schema_version']!r} is not {SCHEMA_VERSION}")
            return cls(
                delivery_id=doc["delivery_id"],
                tenant=doc["tenant_id"],
                alert_id=doc["alert_id"],
                fingerprint=doc["fingerprint"],
                revision=doc["revision"],
                channel=ChannelRef.parse(doc["channel"]),
                purpose=Purpose(doc["purpose"]),
                silent_count=doc["silent_count"],
                created_at=milliseconds(doc["created_at"]),
                alert=orjson.dumps(doc["alert"]),
                recipient=doc["recipient"],
                step=doc["step"],
                repeat=doc["repeat"],
                # absent in what the first release wrote
                template=doc.get("template", ""),
                members=tuple(_member(member) for member in doc.get("members", ())),
                fallback_for=None if not doc.get("fallback_for") else ChannelRef.parse(doc["fallback_for"]),
                replay_of=doc.get("replay_of", ""),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a notification: {error!r}") from None


def _member_document(member: Member) -> dict[str, Any]:
    return {
        "delivery_id": member.delivery_id,
        "alert_id": member.alert_id,
        "fingerprint": member.fingerprint,
        "revision": member.revision,
        "purpose": member.purpose,
        "silent_count": member.silent_count,
        "created_at": iso(member.created_at),
        "alert": orjson.Fragment(member.alert),
    }


def _member(doc: dict[str, Any]) -> Member:
    return Member(
        delivery_id=doc["delivery_id"],
        alert_id=doc["alert_id"],
        fingerprint=doc["fingerprint"],
        revision=doc["revision"],
        purpose=Purpose(doc["purpose"]),
        silent_count=doc["silent_count"],
        created_at=milliseconds(doc["created_at"]),
        alert=orjson.dumps(doc["alert"]),
    )


def delivery_id(
    alert_id: str,
    revision: int,
    channel: ChannelRef,
    recipient: str,
    purpose: str,
    step: int = 0,
    repeat: int = 0,
) -> str:
    """`dlv_` and a UUID derived from what is told to whom, so that a replay makes the same id."""
    parts = (alert_id, str(revision), str(channel), recipient, purpose, str(step), str(repeat))
    encoded = (part.encode("utf-8", "surrogatepass") for part in parts)
    digest = blake2b(
        b"".join(len(part).to_bytes(4, "big") + part for part in encoded), digest_size=16, person=b"delivery"
    ).digest()
    return f"dlv_{UUID(bytes=digest, version=4)}"
