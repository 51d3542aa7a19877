"""What a change leaves behind: an entry of the audit log, and an event of its tenant, which rules can watch."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from typing import Any

import orjson
import structlog

from streamproc.config.changes import Change
from streamproc.kafka.ledger import Record
from streamproc.kafka.partition import partition_by
from streamproc.model.audit import MAX_FIELDS, MAX_VALUE, AuditActor, AuditEntry, AuditField
from streamproc.model.rule import EVERY_TENANT
from streamproc.model.times import iso
from streamproc.web.answering import REQUEST_ID
from streamproc.web.route import Call

log = structlog.get_logger(__name__)


async def record_changes(call: Call[Any, Any], changes: Iterable[Change], action: str | None = None) -> None:
    """Enter changes of the configuration; returns when Kafka has acknowledged the entries and events.

    `action`: in place of create, update or delete.
    """
    await record(
        call,
        [
            entry(
                call,
                change.record.kind,
                change.record.tenant,
                change.record.id,
                action or change.action.value,
                None if change.after is None else change.after.revision,
                () if change.record.kind == "key" else change.fields,
            )
            for change in changes
        ],
    )


async def record(call: Call[Any, Any], entries: Iterable[AuditEntry]) -> None:
    """Write entries to the audit log, and each as an event of its tenant (none for `*`, which has no events)."""
    site = call.site
    audit, events = site.topics["audit"], site.topics["events"]
    records: dict[tuple[str, int], list[Record]] = {}
    listed = list(entries)
    for one in listed:
        key = one.tenant_id.encode()
        records.setdefault((audit.topic, 0), []).append((key, orjson.dumps(one.model_dump(mode="json")), []))
        if one.tenant_id != EVERY_TENANT:
            partition = partition_by(one.tenant_id, events.partitions)
            records.setdefault((events.topic, partition), []).append((key, orjson.dumps(event_of(one)), []))
    await site.producer.send(records)
    for one in listed:
        by = one.actor.key_id
        log.info("audit", id=one.id, tenant=one.tenant_id, action=one.action, target=one.target_id, by=by)
    if listed:
        await site.audit.seen(listed[-1].id)


def entry(
    call: Call[Any, Any],
    kind: str,
    tenant: str,
    id: str,
    action: str,
    revision: int | None = None,
    fields: Iterable[tuple[str, Any, Any]] = (),
) -> AuditEntry:
    """An entry about one thing, by whoever asks."""
    listed = [AuditField(path=path, before=_cut(old), after=_cut(new)) for path, old, new in fields]
    return AuditEntry(
        id=f"aud_{uuid.uuid4()}",
        at=iso(time.time_ns() // 1_000_000),
        tenant_id=tenant,
        actor=AuditActor(
            key_id=call.principal.key_id,
            name=call.principal.name,
            tenant_id=call.principal.tenant,
            ip=call.request.remote,
        ),
        action=f"{kind}.{action}",
        kind=kind,
        target_id=id,
        revision=revision,
        fields=listed[:MAX_FIELDS],
        request_id=call.request.get(REQUEST_ID, ""),
    )


def event_of(one: AuditEntry) -> dict[str, Any]:
    """The entry as an audit event like any other."""
    return {
        "id": one.id,
        "tenant_id": one.tenant_id,
        "action": f"streamproc.{one.action}",
        "outcome": "success",
        "event_time": one.at,
        "actor": {"id": one.actor.key_id, "type": "key", "ip": one.actor.ip}
        if one.actor.ip
        else {"id": one.actor.key_id},
        "resource": {"type": one.kind, "id": one.target_id},
        "source": "streamproc",
        "metadata": {
            "actor_name": one.actor.name,
            "revision": one.revision,
            "fields": [field.path for field in one.fields],
        },
    }


def _cut(value: Any) -> Any:
    text = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode()
    return value if len(text) <= MAX_VALUE else text[:MAX_VALUE] + "…"
