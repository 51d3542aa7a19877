"""How a tenant learns that one of its channels was switched off: by another channel, and by an event. Pure.

Both are made anew under the same ids, so that whoever finds it out again the same day tells nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson

from streamproc.alerting.fallback import recipients_of
from streamproc.alerting.fingerprint import alert_id, fingerprint
from streamproc.alerting.outbox_entry import SwitchedOff
from streamproc.alerting.people import PeopleBook
from streamproc.alerting.recipients import ChannelBook, subscribed
from streamproc.model.channel_settings import ChannelRef, ChannelSettings
from streamproc.model.channels_inbox import MessageCenterChannel
from streamproc.model.channels_mail import EmailChannel
from streamproc.model.delivery import Reason
from streamproc.model.notification import EVENT_TYPES, Notification, Purpose, delivery_id
from streamproc.model.rule import EVERY_TENANT
from streamproc.model.rule_recipients import RuleWebhook
from streamproc.model.times import iso
from streamproc.model.webhook import WebhookSettings

RULE_ID = "streamproc.endpoint-disabled"
"""The rule that its alert names; there is none such to be configured."""
ACTION = "streamproc.channel.disabled"

Sick = Callable[[str, ChannelRef], bool]
"""Whether the latest attempt at a tenant's channel failed."""


def notices(off: SwitchedOff, book: ChannelBook, people: PeopleBook, sick: Sick) -> list[Notification]:
    """What the tenant is told: through its e-mail channel, else any other that is enabled, well, and takes it.

    Nothing about an address in a rule that holds for every tenant: that is its operators' matter, who have the log.
    """
    broken = book.get(off.tenant, off.channel)
    if broken is not None and broken.tenant_id == EVERY_TENANT:
        return []
    alert = alert_of(off, broken)
    for channel in _candidates(off, book, sick):
        recipients = recipients_of(channel, "", people)
        if recipients:
            return [_notification(off, channel, recipient, alert) for recipient in recipients]
    return []


def alert_of(off: SwitchedOff, channel: ChannelSettings | None) -> dict[str, Any]:
    """The alert that the notices tell of; it is on no topic, as nothing detected it."""
    at, name = iso(off.at), named(off.channel, channel)
    mark = fingerprint(off.tenant, off.tenant, RULE_ID, [str(off.channel)])
    reason = "It answered 410 Gone."
    if off.reason is not Reason.GONE:
        reason = f"It has failed {off.failures} times since {iso(off.since)}, and not worked once."
    return {
        "event_type": EVENT_TYPES[Purpose.TRIGGERED],
        "schema_version": 1,
        "id": alert_id(mark, "endpoint", at[:10]),
        "revision": 1,
        "tenant_id": off.tenant,
        "fingerprint": mark.hex(),
        "status": "open",
        "severity": "high",
        "category": None,
        "title": f"{name} was switched off",
        "description": f"What was to be sent there is given up. {_remedy(off.channel)}",
        "reason": reason,
        "rule": {"id": RULE_ID, "owner": off.tenant, "revision": 1, "name": "Endpoint switched off", "type": "pattern"},
        "group": {"channel": str(off.channel)},
        "trigger_count": 1,
        "context": {"count": off.failures},
        "event": event_of(off),
        "affected_assets": [],
        "mitre_tactics": [],
        "mitre_techniques": [],
        "runbook": None,
        "source": "streamproc",
        "late": False,
        "backfill": False,
        "created_at": at,
        "triggered_at": at,
        "updated_at": at,
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
        "metadata": {},
    }


def event_of(off: SwitchedOff) -> dict[str, Any]:
    """An audit event of the tenant, which its rules can watch."""
    mark = fingerprint(off.tenant, off.tenant, ACTION, [str(off.channel), iso(off.at)[:10]])
    return {
        "id": f"evt_{mark.hex()}",
        "tenant_id": off.tenant,
        "action": ACTION,
        "outcome": "success",
        "event_time": iso(off.at),
        "actor": {"id": "streamproc", "type": "service"},
        "resource": {"type": off.channel.config, "id": off.channel.id},
        "source": "streamproc",
        "metadata": {"reason": off.reason.value, "failing_since": iso(off.since), "failures": off.failures},
    }


def named(ref: ChannelRef, channel: ChannelSettings | None) -> str:
    """The channel as a sentence begins with it."""
    if ref.config == RuleWebhook.CONFIG:
        return f"A webhook address of rule {ref.id.rpartition(':')[0]}"
    kind = ref.config if channel is None else channel.type
    return f"{kind.replace('_', ' ').capitalize()} {(channel and channel.name) or ref.id}"


def _remedy(ref: ChannelRef) -> str:
    if ref.config == RuleWebhook.CONFIG:
        return "Once it works again, change and save the rule."
    return "Once it works again, switch it on in its configuration (enabled: true)."


def _candidates(off: SwitchedOff, book: ChannelBook, sick: Sick) -> Iterator[ChannelSettings]:
    usable = [
        channel
        for (tenant, ref), channel in book.by_ref.items()
        if tenant == off.tenant
        and ref.config != RuleWebhook.CONFIG
        and ref != off.channel
        and channel.enabled
        and subscribed(channel, (EVENT_TYPES[Purpose.TRIGGERED],))
        and not sick(tenant, ref)
    ]

    def rank(channel: ChannelSettings) -> tuple[int, str]:
        """By who looks there, and how soon."""
        if isinstance(channel, EmailChannel):
            return 0, channel.id
        if isinstance(channel, MessageCenterChannel):
            return 3, channel.id
        return 2 if isinstance(channel, WebhookSettings) and channel.transport == "webhook" else 1, channel.id

    yield from sorted(usable, key=rank)


def _notification(off: SwitchedOff, channel: ChannelSettings, recipient: str, alert: dict[str, Any]) -> Notification:
    return Notification(
        delivery_id=delivery_id(alert["id"], 1, channel.ref, recipient, Purpose.TRIGGERED),
        tenant=off.tenant,
        alert_id=alert["id"],
        fingerprint=alert["fingerprint"],
        revision=1,
        channel=channel.ref,
        purpose=Purpose.TRIGGERED,
        silent_count=0,
        created_at=off.at,
        alert=orjson.dumps(alert),
        recipient=recipient,
    )
