"""What a change leaves behind: an entry of the audit log, and an event of its tenant, which rules can watch."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import structlog

from streamproc.config.audited import entries_of
from streamproc.config.changes import Change
from streamproc.kafka.audit_topic import audit_records, new_id
from streamproc.model.audit import AuditActor, AuditEntry, audit_entry
from streamproc.web.answering import REQUEST_ID
from streamproc.web.route import Call

log = structlog.get_logger(__name__)


async def record_changes(call: Call[Any, Any], changes: Iterable[Change], action: str | None = None) -> None:
    """Enter changes of the configuration; returns when Kafka has acknowledged the entries and events.

    `action`: in place of create, update or delete.
    """
    entries = entries_of(
        changes, _actor(call), at=_now(), new_id=new_id, action=action, request_id=call.request.get(REQUEST_ID, "")
    )
    await record(call, entries)


async def record(call: Call[Any, Any], entries: Iterable[AuditEntry]) -> None:
    """Write entries to the audit log, and each as an event of its tenant (none for `*`, which has no events)."""
    site = call.site
    listed = list(entries)
    await site.producer.send(audit_records(listed, site.topics))
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
    return audit_entry(
        _actor(call),
        kind,
        tenant,
        id,
        action,
        id=new_id(),
        at=_now(),
        revision=revision,
        fields=fields,
        request_id=call.request.get(REQUEST_ID, ""),
    )


def _actor(call: Call[Any, Any]) -> AuditActor:
    who = call.principal
    return AuditActor(key_id=who.key_id, name=who.name, tenant_id=who.tenant, ip=call.request.remote)


def _now() -> int:
    return time.time_ns() // 1_000_000
