"""*Trials*: a message through a channel to see whether it arrives. No condition is looked at, and nothing is recorded.

The message is an alert like any other, so that what arrives is what will arrive; its title says that it is a test.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from streamproc.alerting.recipients import ChannelBook, named
from streamproc.channels.http import Http
from streamproc.channels.outcome import Outcome, OutcomeKind, Reason
from streamproc.channels.registry import Transports
from streamproc.config.keyring import Keyring
from streamproc.config.record import ConfigRecord
from streamproc.config.sealing import open_sealed
from streamproc.config.snapshot import Snapshot
from streamproc.model.channel_settings import ChannelRef, ChannelSettings
from streamproc.model.notification import Notification, Purpose, delivery_id
from streamproc.model.rule import Rule, Severity
from streamproc.model.rule_recipients import RuleWebhook
from streamproc.model.times import iso
from streamproc.rules.templates import is_template
from streamproc.settings import Settings

PREFIX = "[TEST] "
SECONDS = 30.0
"""For all channels of a trial together."""
MOST_AT_ONCE = 8
MAX_CHANNELS = 100
MAX_EXCERPT = 1_000
CONFIGS = ("channel", "webhook")

_INBOX = "message_center"


@dataclass(frozen=True, slots=True)
class Tried:
    """What a trial of one channel came to. `type` is None where there is no such channel."""

    channel: ChannelRef
    type: str | None
    outcome: Outcome

    def answer(self) -> dict[str, Any]:
        """As the API shows it."""
        outcome = self.outcome
        return {
            "channel": str(self.channel),
            "type": self.type,
            "delivered": outcome.kind is OutcomeKind.DELIVERED,
            "outcome": str(outcome.kind),
            "reason": str(outcome.reason),
            "status": outcome.status,
            "latency_ms": outcome.latency_ms,
            "detail": outcome.detail,
            "excerpt": outcome.excerpt[:MAX_EXCERPT],
        }


def book_of(snapshot: Snapshot, keyring: Keyring, tenant: str, rule: ConfigRecord | None = None) -> ChannelBook:
    """The tenant's channels with their secrets in the clear, and those that a rule makes itself."""
    records = [record for kind in CONFIGS for record in snapshot.records(kind, tenant)]
    if rule is not None:
        records.append(rule)

    def clear(record: ConfigRecord) -> Mapping[str, Any]:
        return open_sealed(record, keyring)

    return ChannelBook().fold(records, clear)


def channels_of(rule: Rule, tenant: str, book: ChannelBook) -> tuple[list[ChannelSettings], list[Tried]]:
    """(the channels to try; what is known already of those that a rule names and cannot be tried)."""
    found, missing = named(rule, tenant, book)
    return found, [
        Tried(ref, None, _unusable(tenant, ref, book)) for ref in missing if ref.config != RuleWebhook.CONFIG
    ]


def unusable(tenant: str, ref: ChannelRef, book: ChannelBook) -> Tried:
    """What a trial of a channel comes to that is configured, and so that it cannot be used."""
    return Tried(ref, None, _unusable(tenant, ref, book))


def _unusable(tenant: str, ref: ChannelRef, book: ChannelBook) -> Outcome:
    problem = book.problems.get((tenant, ref))
    if problem is not None:
        return Outcome(OutcomeKind.PERMANENT, Reason.SETTINGS, detail=str(problem))
    detail = f"{ref.id}: {tenant} has no channel of this id or type"
    return Outcome(OutcomeKind.PERMANENT, Reason.NO_CHANNEL, detail=detail)


async def try_channels(
    settings: Settings,
    channels: Sequence[ChannelSettings],
    alert: Mapping[str, Any],
    *,
    seconds: float = SECONDS,
    environment: Mapping[str, str] = os.environ,
) -> list[Tried]:
    """One attempt at each channel, several at once, all within `seconds`; what did not end by then timed out."""
    places = asyncio.Semaphore(MOST_AT_ONCE)
    ends = asyncio.get_running_loop().time() + seconds
    async with Http(allowed_networks=settings.allowed_networks, total_seconds=seconds) as http:
        transports = Transports(
            http, environment, allow_apprise=settings.allow_apprise, variables=settings.channel_variables
        )

        async def attempt(channel: ChannelSettings) -> Tried:
            try:
                async with asyncio.timeout_at(ends), places:
                    outcome = await transports.send(_notification(alert, channel.ref), channel)
            except TimeoutError:
                outcome = Outcome(OutcomeKind.RETRY, Reason.TIMEOUT, detail=f"no answer within {seconds:g} s")
            if channel.type == _INBOX and outcome.kind is OutcomeKind.DELIVERED:
                detail = "it shows alerts as they are delivered; a test is none, and does not appear there"
                outcome = Outcome(OutcomeKind.DELIVERED, Reason.OK, detail=detail)
            return Tried(channel.ref, channel.transport, outcome)

        return list(await asyncio.gather(*(attempt(channel) for channel in channels[:MAX_CHANNELS])))


def trial_alert(tenant: str, rule: Rule | None, revision: int, by: str, now: int | None = None) -> dict[str, Any]:
    """An alert as the topic has them, of an id of its own, that nobody can take for a real one."""
    now = int(time.time() * 1000) if now is None else now
    name = "Test notification" if rule is None else rule.name
    severity = Severity.INFORMATIONAL if rule is None else rule.severity
    unique = uuid.uuid4()
    return {
        "event_type": "alert.triggered",
        "id": f"alt_test-{unique}",
        "revision": 1,
        "tenant_id": tenant,
        "fingerprint": unique.hex,
        "status": "open",
        "severity": str(severity),
        "category": None if rule is None or rule.category is None else str(rule.category),
        "title": PREFIX + name,
        "description": "" if rule is None or is_template(rule.description) else rule.description,
        "rule": {
            "id": "test" if rule is None else rule.id,
            "owner": tenant if rule is None else rule.tenant_id,
            "revision": revision,
            "name": PREFIX + name,
            "type": "pattern" if rule is None else rule.type,
        },
        "reason": f"This is a test by {by}. Nothing happened, and nothing has to be done.",
        "group": {},
        "trigger_count": 1,
        "context": {"sample": []},
        "event": {
            "id": f"evt_test-{unique}",
            "tenant_id": tenant,
            "action": "streamproc.test",
            "outcome": "success",
            "event_time": iso(now),
            "actor": {"id": by},
        },
        "affected_assets": [],
        "source": "streamproc",
        "late": False,
        "backfill": False,
        "created_at": iso(now),
        "triggered_at": iso(now),
        "updated_at": iso(now),
        "acknowledged_at": None,
        "resolved_at": None,
        "acknowledged_by": None,
        "resolution": None,
        "incident_id": None,
        "notes": [],
        "history": [],
        "last_command": None,
        "suppressed_by": None,
        "assignee": None,
        "schema_version": 1,
        "mitre_tactics": [] if rule is None else list(rule.mitre_tactics),
        "mitre_techniques": [] if rule is None else list(rule.mitre_techniques),
        "runbook": None if rule is None else rule.runbook,
        "metadata": {**({} if rule is None else rule.metadata), "test": True},
    }


def _notification(alert: Mapping[str, Any], ref: ChannelRef) -> Notification:
    return Notification(
        delivery_id=delivery_id(alert["id"], 1, ref, "", Purpose.TRIGGERED),
        tenant=alert["tenant_id"],
        alert_id=alert["id"],
        fingerprint=alert["fingerprint"],
        revision=1,
        channel=ref,
        purpose=Purpose.TRIGGERED,
        silent_count=0,
        created_at=int(time.time() * 1000),
        alert=orjson.dumps(alert),
    )
