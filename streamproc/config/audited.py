"""Changes of what is configured, as entries of the audit log: the same over HTTP and by the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from streamproc.config.changes import Action, Change
from streamproc.model.audit import AuditActor, AuditEntry, audit_entry

UNTOLD = frozenset({"key"})
"""Kinds of which an entry does not say what differs: it would be hashes."""


def entries_of(
    changes: Iterable[Change],
    actor: AuditActor,
    *,
    at: int,
    new_id: Callable[[], str],
    action: str | None = None,
    request_id: str = "",
) -> list[AuditEntry]:
    """An entry for each change that is one. Secrets show as `(sealed)`.

    `at` is milliseconds since the epoch. `action`: in place of create, update or delete.
    """
    return [
        audit_entry(
            actor,
            change.record.kind,
            change.record.tenant,
            change.record.id,
            action or change.action.value,
            id=new_id(),
            at=at,
            revision=None if change.after is None else change.after.revision,
            fields=() if change.record.kind in UNTOLD else change.fields,
            request_id=request_id,
        )
        for change in changes
        if change.action is not Action.UNCHANGED
    ]
