"""Short ways to say what notify and the outbox are tested with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from streamproc.alerting.cooldown import on_delivery
from streamproc.alerting.notify import Decision, notify
from streamproc.alerting.notify_state import NotifyState
from streamproc.alerting.people import PeopleBook
from streamproc.alerting.recipients import ChannelBook
from streamproc.model.channel_settings import ChannelRef
from streamproc.model.delivery import Delivery, DeliveryState, Reason
from streamproc.model.notification import Notification, Purpose, delivery_id
from streamproc.model.policy import Policy
from streamproc.model.silence import Silence

MINUTE = 60_000
FINGERPRINT = "0f" * 16
HOOK = ChannelRef("webhook", "hook")
SLACK = ChannelRef("channel", "slack")


@dataclass(frozen=True)
class Rule:
    channels: tuple[str, ...] = ()
    webhook_ids: tuple[str, ...] = ("hook",)
    cooldown_min: float = 5
    enabled: bool = True
    mode: str = "live"
    id: str = "r1"
    tenant_id: str = "acme"
    told_types: tuple[str, ...] = ()
    slack_channels: tuple[str, ...] = ()
    teams_channels: tuple[str, ...] = ()
    webhook_urls: tuple[object, ...] = ()
    cooldown_factor: float = 1
    cooldown_max_min: float = 1440
    policy: str = "default"
    email_recipients: tuple[str, ...] = ()


@dataclass(frozen=True)
class Record:
    kind: str
    id: str
    content: dict[str, Any]
    tenant: str = "acme"
    revision: int = 1

    def document(self) -> dict[str, Any]:
        return {"id": self.id, "tenant_id": self.tenant, **self.content}


def hook(id: str = "hook", **settings: Any) -> Record:
    return Record("webhook", id, {"url": "https://example.com/hook", **settings})


def slack(id: str = "slack", **settings: Any) -> Record:
    return Record("channel", id, {"type": "slack", "url": "https://hooks.slack.com/services/T/B/x", **settings})


@dataclass
class Config:
    """A `Lookup`."""

    rules: dict[tuple[str, str], Rule] = field(default_factory=dict)
    channels: ChannelBook = field(default_factory=ChannelBook)
    silent: list[Silence] = field(default_factory=list)
    people: PeopleBook = field(default_factory=PeopleBook)
    policies: dict[tuple[str, str], Policy] = field(default_factory=dict)
    revision: int = 1

    def silences(self, tenant: str) -> list[Silence]:
        return self.silent

    def rule(self, owner: str, rule_id: str) -> Rule | None:
        return self.rules.get((owner, rule_id))


def config(rule: Rule | None = None, *records: Record) -> Config:
    rules = {("acme", "r1"): rule or Rule()}
    return Config(rules, ChannelBook().fold(records or (hook(), slack())))


def alert(
    revision: int,
    triggers: int,
    event: str = "alert.updated",
    status: str = "open",
    id: str = "alt_1",
    **more: Any,
) -> dict[str, Any]:
    return {
        "event_type": event,
        "id": id,
        "revision": revision,
        "tenant_id": "acme",
        "fingerprint": FINGERPRINT,
        "status": status,
        "severity": "high",
        "title": "Excessive Failed Logins",
        "rule": {"id": "r1", "owner": "acme", "revision": 1, "name": "Excessive Failed Logins", "type": "threshold"},
        "trigger_count": triggers,
        **more,
    }


class Timeline:
    """One fingerprint's alert, as detect would report it; each call is one record, and answers what was decided.

    Its state goes through the stored form at every step, as it would in a table.
    """

    def __init__(self, lookup: Config) -> None:
        self.lookup = lookup
        self.stored: bytes | None = None
        self.sent: list[Notification] = []
        self.records: dict[str, Delivery] = {}
        self._open("alt_1")

    def _open(self, id: str) -> None:
        self.id, self.revision, self.triggers, self.status = id, 0, 0, "open"

    def trigger(self, at: float, times: int = 1, **more: Any) -> list[tuple[str, str, int]]:
        self.triggers += times
        return self.record(at, "alert.updated" if self.revision else "alert.triggered", **more)

    def acknowledge(self, at: float) -> list[tuple[str, str, int]]:
        self.status = "acknowledged"
        return self.record(at, "alert.acknowledged")

    def resolve(self, at: float) -> list[tuple[str, str, int]]:
        self.status = "resolved"
        return self.record(at, "alert.resolved")

    def reopen(self, at: float) -> list[tuple[str, str, int]]:
        self.status = "open"
        return self.record(at, "alert.updated")

    def next_episode(self, id: str) -> None:
        self._open(id)

    def record(self, at: float, event: str, **more: Any) -> list[tuple[str, str, int]]:
        self.revision += 1
        return self.repeat(at, event, **more)

    def repeat(self, at: float, event: str = "alert.updated", **more: Any) -> list[tuple[str, str, int]]:
        decision = self.decide(at, alert(self.revision, self.triggers, event, self.status, self.id, **more))
        self.stored = decision.state.encode()
        self.sent += decision.notifications
        self.records.update((record.id, record) for record in decision.suppressed)
        return [(str(n.channel), str(n.purpose), n.silent_count) for n in decision.notifications]

    def decide(self, at: float, record: dict[str, Any]) -> Decision:
        return notify(record, self.state, self.lookup, round(at * MINUTE))

    @property
    def state(self) -> NotifyState | None:
        return None if self.stored is None else NotifyState.decode(self.stored)

    def settled(self, at: float, state: DeliveryState, notification: Notification | None = None) -> None:
        told = notification or self.sent[-1]
        record = delivery(told, state, round(at * MINUTE))
        after = on_delivery(Delivery.decode(record.encode()), self.state, round(at * MINUTE))
        self.stored = None if after is None else after.encode()

    def delivered(self, at: float, notification: Notification | None = None) -> None:
        self.settled(at, DeliveryState.DELIVERED, notification)

    def gave_up(self, at: float, notification: Notification | None = None) -> None:
        self.settled(at, DeliveryState.GAVE_UP, notification)

    @property
    def reasons(self) -> list[tuple[str, int]]:
        """(reason, triggers covered) of every suppression on record."""
        return [(str(record.reason), record.count) for record in self.records.values()]


def delivery(notification: Notification, state: DeliveryState, at: int) -> Delivery:
    return Delivery(
        id=notification.delivery_id,
        tenant=notification.tenant,
        alert_id=notification.alert_id,
        fingerprint=notification.fingerprint,
        revision=notification.revision,
        channel=notification.channel,
        purpose=notification.purpose,
        state=state,
        reason=Reason.OK,
        created_at=notification.created_at,
        updated_at=at,
    )


def notification(
    revision: int = 1,
    purpose: Purpose = Purpose.TRIGGERED,
    *,
    alert_id: str = "alt_1",
    channel: ChannelRef = HOOK,
    tenant: str = "acme",
    silent: int = 0,
    at: int = 0,
    record: dict[str, Any] | None = None,
) -> Notification:
    return Notification(
        delivery_id=delivery_id(alert_id, revision, channel, "", purpose),
        tenant=tenant,
        alert_id=alert_id,
        fingerprint=FINGERPRINT,
        revision=revision,
        channel=channel,
        purpose=purpose,
        silent_count=silent,
        created_at=at,
        alert=orjson.dumps(record or alert(revision, revision)),
    )
