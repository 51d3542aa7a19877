"""The shapes of what stands on the topics, as models: for schemas, for readers of other languages, and for tests.

The product itself reads and writes these records by hand, because it does so a million times; a test holds the two
equal. Further fields may be added in any release: a reader must let pass what it does not know.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from streamproc.model.audit import AuditEntry
from streamproc.model.command import Action
from streamproc.model.delivery import DeliveryState, OutcomeKind, Reason
from streamproc.model.notification import Purpose
from streamproc.model.rule import Category, Severity

Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", description="ISO 8601, UTC")]
Status = Literal["open", "acknowledged", "escalated", "suppressed", "resolved"]
EventType = Literal["alert.triggered", "alert.updated", "alert.acknowledged", "alert.resolved", "alert.escalated",
                    "alert.suppressed"]  # fmt: skip


class Record(BaseModel):
    """Strict where we write: a field that is missing here is a mistake of ours."""

    model_config = ConfigDict(extra="forbid", title=None)


class Open(BaseModel):
    """What producers write: further fields are theirs."""

    model_config = ConfigDict(extra="allow")


class ActorRecord(Open):
    id: str | None = None
    type: str | None = None
    email: str | None = None
    ip: str | None = None
    country: Annotated[str | None, Field(description="ISO 3166-1 alpha-2")] = None
    groups: list[str] | None = None
    user_agent: str | None = None


class ResourceRecord(Open):
    type: str | None = None
    id: str | None = None


class EventRecord(Open):
    """An event as it is accepted on `events`, in the canonical spelling."""

    id: Annotated[str | None, Field(description="default: made of topic, partition and offset")] = None
    tenant_id: str
    action: str
    outcome: Literal["success", "failure", "denied", "unknown"] = "success"
    outcome_raw: str | None = None
    event_time: Annotated[str | float, Field(description="ISO 8601, or epoch seconds or milliseconds")] = ""
    actor: ActorRecord | None = None
    resource: ResourceRecord | None = None
    source: str | None = None
    metadata: dict[str, Any] | None = None
    raw: Annotated[dict[str, Any] | None, Field(description="the source's own record, untouched")] = None


class RuleReference(Record):
    id: str
    owner: Annotated[str, Field(description="the tenant whose rule it is; * for one of all tenants")]
    revision: int
    name: str
    type: str


class Asset(Record):
    type: str
    id: str
    label: str


class Note(Record):
    at: Time
    by: str
    text: str
    action: Annotated[str | None, Field(description="with what it was said: comment, acknowledge, …")] = None


class Transition(Record):
    """What was done to an alert. Which further fields there are depends on `action`."""

    at: Time
    by: str
    from_: Annotated[Status, Field(alias="from")]
    to: Annotated[Status, Field(description="the same as `from` where the status stayed, as in assign")]
    revision: Annotated[int, Field(description="the alert's, after it")]
    action: Annotated[Action | None, Field(description="absent in records of the first release")] = None
    note: Annotated[str | None, Field(description="its beginning; the whole is among `notes`")] = None
    resolution: Annotated[str | None, Field(description="resolve")] = None
    incident_id: Annotated[str | None, Field(description="escalate")] = None
    assignee: Annotated[str | None, Field(description="assign; null: nobody")] = None
    until: Annotated[Time | None, Field(description="snooze")] = None
    reason: Annotated[str | None, Field(description="suppress, unsuppress: what held, as in `suppressed_by`")] = None


class CommandResult(Record):
    id: str
    action: str
    result: Annotated[str, Field(description="done, or why it was refused")]


class AlertRecord(Record):
    """A value on `alerts`: the whole alert. Consumers order by `revision` within `id`."""

    event_type: EventType
    id: str
    revision: Annotated[int, Field(ge=1)]
    tenant_id: str
    fingerprint: str
    status: Status
    severity: Severity
    category: Category | None
    title: str
    description: str
    reason: str
    rule: RuleReference
    group: dict[str, str | int | float | bool]
    trigger_count: Annotated[int, Field(ge=1)]
    context: Annotated[dict[str, Any], Field(description="what the latest trigger saw; by type, see rules")]
    event: Annotated[dict[str, Any] | None, Field(description="the first triggering event, if there was one")]
    affected_assets: list[Asset]
    mitre_tactics: list[str]
    mitre_techniques: list[str]
    runbook: str | None
    source: str | None
    late: bool
    backfill: bool
    backfill_notify: bool | None = None
    created_at: Time
    triggered_at: Time
    updated_at: Time
    acknowledged_at: Time | None
    resolved_at: Time | None
    acknowledged_by: str | None
    resolution: str | None
    incident_id: Annotated[str | None, Field(description="the latest it was escalated to")]
    notes: list[Note]
    history: list[Transition]
    last_command: CommandResult | None
    suppressed_by: Annotated[str | None, Field(description="snooze, silence or inhibited; silence:which")]
    snoozed_until: Annotated[Time | None, Field(description="open again then")] = None
    assignee: str | None
    metadata: dict[str, Any]
    schema_version: Literal[1]


class IncidentLink(Record):
    """A value on `incidents`: an alert's part in an incident. Readers fold them by tenant and incident."""

    schema_version: Literal[1]
    incident_id: str
    alert_id: str
    tenant_id: str
    title: Annotated[str, Field(description="the alert's")]
    severity: Severity
    linked_at: Time
    linked_by: str
    note: str | None
    alert_status: Status
    rule_id: str
    updated_at: Annotated[Time, Field(description="the alert's, when this was written")]


class MemberRecord(Record):
    """One of the notifications that a bundle tells of."""

    delivery_id: str
    alert_id: str
    fingerprint: str
    revision: int
    purpose: Purpose
    silent_count: int
    created_at: Time
    alert: AlertRecord


class NotificationRecord(Record):
    """A value on `notifications`: the intent to tell one recipient through one channel."""

    schema_version: Literal[1]
    delivery_id: str
    tenant_id: str
    alert_id: str
    fingerprint: str
    revision: int
    channel: Annotated[str, Field(description="kind/id")]
    recipient: str
    purpose: Purpose
    event_type: str
    step: int
    repeat: int
    silent_count: int
    template: str = ""
    fallback_for: Annotated[str | None, Field(description="the channel that gave up, kind/id")] = None
    replay_of: Annotated[str, Field(description="the delivery that was asked to be made again")] = ""
    members: list[MemberRecord] = []
    created_at: Time
    alert: AlertRecord


class AttemptRecord(Record):
    at: Time
    outcome: OutcomeKind
    reason: Reason
    status: int | None
    latency_ms: int
    excerpt: str
    detail: str


class DeliveryRecord(Record):
    """A value on `deliveries`: what became of one notification, or of one that was suppressed."""

    schema_version: Literal[1]
    id: str
    tenant_id: str
    alert_id: str
    fingerprint: str
    revision: int
    channel: str | None
    recipient: str
    purpose: str
    state: DeliveryState
    reason: Reason | None
    silent_count: int
    count: int
    created_at: Time
    updated_at: Time
    next_at: Time | None
    attempts: list[AttemptRecord]
    bundle: Annotated[str, Field(description="the delivery that told of this one among others")] = ""
    step: int = 0
    repeat: int = 0
    fallback_for: str | None = None
    detail: str = ""
    reference: Annotated[str, Field(description="what the provider calls the message")] = ""


class ConfigValue(Record):
    """A value on `config`; the key is `tenant/kind/id`."""

    v: Literal[1]
    kind: str
    tenant_id: str
    id: str
    revision: Annotated[int, Field(ge=1)]
    spec: Annotated[dict[str, Any], Field(description="what people wrote, its secrets sealed")]
    updated_at: str
    updated_by: str


SCHEMAS: dict[str, type[BaseModel]] = {
    "event": EventRecord,
    "alert": AlertRecord,
    "notification": NotificationRecord,
    "delivery": DeliveryRecord,
    "config-record": ConfigValue,
    "incident-link": IncidentLink,
    "audit-entry": AuditEntry,
}
"""By the names that topics.yaml gives. The others hold no JSON: frames, key states and outbox entries are msgpack of
one release's making, and dead letters are the bytes that came."""
