"""A *delivery*: the logged result of a notification, and the *outcome* of each attempt at it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from streamproc.model.channel_settings import ChannelRef
from streamproc.model.progress import Progress
from streamproc.model.time_text import milliseconds
from streamproc.model.times import iso, iso_or_none

SCHEMA_VERSION = 1
MAX_EXCERPT_BYTES = 20_000
"""Of the latest attempt's answer; earlier attempts keep `MAX_EARLIER_EXCERPT_BYTES`."""
MAX_EARLIER_EXCERPT_BYTES = 1_000


class OutcomeKind(StrEnum):
    """What an attempt means for the next one (CONTRACT "Delivery", the table of outcomes)."""

    DELIVERED = "delivered"
    RETRY = "retry"
    PERMANENT = "permanent"
    DISABLED = "disabled"
    """Permanent, and the endpoint wants no more (410)."""


class Reason(StrEnum):
    """Why a delivery is in its state. Metrics, the log, the timeline and the API use these words."""

    # an attempt
    OK = "ok"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    TLS = "tls"
    PROTOCOL = "protocol"
    """The answer was not HTTP, or broke off."""
    RATE_LIMITED = "rate_limited"
    SERVER_ERROR = "server_error"
    CLIENT_ERROR = "client_error"
    REDIRECT = "redirect"
    GONE = "gone"
    PROVIDER_ERROR = "provider_error"
    """The provider answered with an error code of its own."""
    BAD_ANSWER = "bad_answer"
    """The provider's answer could not be read as one."""
    FORBIDDEN_ADDRESS = "forbidden_address"
    SETTINGS = "settings"
    """The channel's settings or content cannot be used as they are."""
    INTERNAL = "internal_error"
    CHANNEL_GONE = "channel_gone"
    """The channel was deleted."""

    # giving up, replacing
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    NEWER = "newer"
    """A newer update of the same alert replaced it before it was tried."""
    OVERTAKEN = "overtaken"
    """It came after a later revision had been tried."""
    TRIGGER_FAILED = "trigger_failed"
    """Its receiver never learned of the alert: the trigger's notification failed for good."""

    # nobody was told
    COOLDOWN = "cooldown"
    WAITING = "waiting"
    """The notification of an earlier trigger is still on its way."""
    SHADOW = "shadow"
    DISABLED = "disabled"
    """The channel or the rule is disabled."""
    NO_CHANNEL = "no_channel"
    """The rule names no channel, or one that is not configured."""
    NOT_SUBSCRIBED = "not_subscribed"
    """No channel's event filter takes it."""
    RULE_GONE = "rule_gone"
    BACKFILL = "backfill"
    SILENCE = "silence"
    SNOOZED = "snoozed"
    INHIBITED = "inhibited"
    """Another alert that is active keeps it quiet (a policy's `inhibit`)."""
    QUIET_HOURS = "quiet_hours"
    """The recipient's quiet hours, or outside an action group's active hours."""
    BELOW_SEVERITY = "below_severity"
    """Below the action group's minimum severity."""
    NO_GROUP = "no_group"
    """No action group of the policy takes it."""
    NO_RECIPIENT = "no_recipient"
    """Nobody whom the channel could reach: no such user, disabled, without an address, or not opted in."""
    RESOLVED_MEANWHILE = "resolved_meanwhile"
    """It was resolved before its message, which waited for others, went out."""

    # deliver's own
    RECIPIENT_GONE = "recipient_gone"
    """The user was deleted or disabled, or lost the address, after the notification was made."""
    ENDPOINT_OFF = "endpoint_off"
    """The endpoint failed for so long that it was switched off."""
    ALREADY_TOLD = "already_told"
    """A channel that was to stand in for another had told the same already."""


class DeliveryState(StrEnum):
    """Where a delivery stands. All but `pending` and `retrying` are final."""

    PENDING = "pending"
    RETRYING = "retrying"
    DELIVERED = "delivered"
    GAVE_UP = "gave_up"
    SUPPRESSED = "suppressed"
    SUPERSEDED = "superseded"

    @property
    def final(self) -> bool:
        """Whether nothing more will be tried."""
        return self not in (DeliveryState.PENDING, DeliveryState.RETRYING)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt came to.

    `retry_after`: seconds, as the provider asked. `excerpt`: the beginning of the answer, secrets masked, at most
    20 kB. `detail`: a short text for people. `latency_ms`: from the start of the attempt to its end. `progress`: for a
    channel with several recipients, who needs no further attempt; None for all others. `reference`: what the provider
    calls the message, where a later one can change it.
    """

    kind: OutcomeKind
    reason: Reason
    status: int | None = None
    retry_after: float | None = None
    excerpt: str = ""
    latency_ms: int = 0
    detail: str = ""
    progress: Progress | None = None
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """An outcome as logged; `at` is when it ended, ms."""

    at: int
    kind: OutcomeKind
    reason: Reason
    status: int | None
    latency_ms: int
    excerpt: str
    detail: str

    @classmethod
    def of(cls, outcome: Outcome, at: int) -> Attempt:
        """The log entry for `outcome`, which came at `at`."""
        return cls(
            at=at,
            kind=outcome.kind,
            reason=outcome.reason,
            status=outcome.status,
            latency_ms=outcome.latency_ms,
            excerpt=cut(outcome.excerpt, MAX_EXCERPT_BYTES),
            detail=outcome.detail[:500],
        )

    def shortened(self) -> Attempt:
        """As it is kept once a later attempt was made."""
        return Attempt(
            self.at,
            self.kind,
            self.reason,
            self.status,
            self.latency_ms,
            cut(self.excerpt, MAX_EARLIER_EXCERPT_BYTES),
            self.detail,
        )

    def document(self) -> dict[str, Any]:
        """As it stands in the JSON of a delivery."""
        return {
            "at": iso(self.at),
            "outcome": self.kind,
            "reason": self.reason,
            "status": self.status,
            "latency_ms": self.latency_ms,
            "excerpt": self.excerpt,
            "detail": self.detail,
        }

    @classmethod
    def parse(cls, doc: dict[str, Any]) -> Attempt:
        """The inverse of `document`."""
        return cls(
            milliseconds(doc["at"]),
            OutcomeKind(doc["outcome"]),
            Reason(doc["reason"]),
            doc["status"],
            doc["latency_ms"],
            doc["excerpt"],
            doc["detail"],
        )


def cut(text: str, limit: int) -> str:
    """At most `limit` bytes of UTF-8, with `…` where something is missing."""
    raw = text.encode("utf-8", "replace")
    return text if len(raw) <= limit else raw[: limit - 3].decode("utf-8", "ignore") + "…"


@dataclass(frozen=True, slots=True)
class Delivery:
    """The value of the `deliveries` topic: the whole history of one notification, or of one that was suppressed.

    `channel` is None where a suppression concerns all of them. `count`: for a suppression, how many triggers it has
    covered so far (the record is written again, under the same id, as they grow). `next_at`: when it is tried
    again. `bundle`: the delivery id of the message that told of this one among others; that one's own record has the
    attempts. `step`, `repeat`, `fallback_for` are the notification's. `detail`: what else there is to know of a
    suppression, such as the silence's id. Times are ms.
    """

    id: str
    tenant: str
    alert_id: str
    fingerprint: str
    revision: int
    channel: ChannelRef | None
    purpose: str
    state: DeliveryState
    reason: Reason | None
    created_at: int
    updated_at: int
    recipient: str = ""
    silent_count: int = 0
    count: int = 0
    next_at: int | None = None
    attempts: tuple[Attempt, ...] = ()
    bundle: str = ""
    step: int = 0
    repeat: int = 0
    fallback_for: ChannelRef | None = None
    detail: str = ""
    reference: str = ""
    """What the provider calls the message."""

    def encode(self) -> bytes:
        """The JSON value on the `deliveries` topic."""
        return orjson.dumps(
            {
                "schema_version": SCHEMA_VERSION,
                "id": self.id,
                "tenant_id": self.tenant,
                "alert_id": self.alert_id,
                "fingerprint": self.fingerprint,
                "revision": self.revision,
                "channel": None if self.channel is None else str(self.channel),
                "recipient": self.recipient,
                "purpose": self.purpose,
                "state": self.state,
                "reason": self.reason,
                "silent_count": self.silent_count,
                "count": self.count,
                "created_at": iso(self.created_at),
                "updated_at": iso(self.updated_at),
                "next_at": iso_or_none(self.next_at),
                "attempts": [attempt.document() for attempt in self.attempts],
                "bundle": self.bundle,
                "step": self.step,
                "repeat": self.repeat,
                "fallback_for": None if self.fallback_for is None else str(self.fallback_for),
                "detail": self.detail,
                "reference": self.reference,
            }
        )

    @classmethod
    def decode(cls, value: bytes) -> Delivery:
        """The inverse of `encode`. Raises ValueError for what is not a delivery of a known version."""
        try:
            doc = orjson.loads(value)
            if doc["schema_version"] != SCHEMA_VERSION:
                raise ValueError(f"schema_version: {doc['schema_version']!r} is not {SCHEMA_VERSION}")
            return cls(
                id=doc["id"],
                tenant=doc["tenant_id"],
                alert_id=doc["alert_id"],
                fingerprint=doc["fingerprint"],
                revision=doc["revision"],
                channel=None if doc["channel"] is None else ChannelRef.parse(doc["channel"]),
                purpose=doc["purpose"],
                state=DeliveryState(doc["state"]),
                reason=None if doc["reason"] is None else Reason(doc["reason"]),
                created_at=milliseconds(doc["created_at"]),
                updated_at=milliseconds(doc["updated_at"]),
                recipient=doc["recipient"],
                silent_count=doc["silent_count"],
                count=doc["count"],
                next_at=None if doc["next_at"] is None else milliseconds(doc["next_at"]),
                attempts=tuple(Attempt.parse(attempt) for attempt in doc["attempts"]),
                # absent in what the first release wrote
                bundle=doc.get("bundle", ""),
                step=doc.get("step", 0),
                repeat=doc.get("repeat", 0),
                fallback_for=None if not doc.get("fallback_for") else ChannelRef.parse(doc["fallback_for"]),
                detail=doc.get("detail", ""),
                reference=doc.get("reference", ""),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"not a delivery: {error!r}") from None
