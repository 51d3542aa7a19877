"""The *audit log*: who changed what, as the `audit` topic and `GET /v1/audit` have it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field

from streamproc.model.times import iso

MAX_FIELDS = 100
MAX_VALUE = 1024
"""Characters of JSON of a value before and after; a longer one is cut, with a mark."""


class AuditActor(BaseModel):
    """Whose key made the change, or whose account on the machine where the command line did."""

    model_config = ConfigDict(extra="forbid")

    key_id: Annotated[str, Field(description="Of the key; `cli:<account>` of the command line")]
    name: str
    tenant_id: str
    """The key's own; `*` for operators."""
    ip: str | None = None


class AuditField(BaseModel):
    """A field that differs; secrets show as `(sealed)`."""

    model_config = ConfigDict(extra="forbid")

    path: str
    before: Any = None
    after: Any = None


class AuditEntry(BaseModel):
    """One change."""

    model_config = ConfigDict(extra="forbid")

    id: str
    at: Annotated[str, Field(description="ISO 8601, UTC")]
    tenant_id: str
    actor: AuditActor
    action: Annotated[str, Field(description="`<kind>.<create|update|delete|…>`, such as `webhook.update`")]
    kind: str
    target_id: str
    revision: int | None = None
    """After the change; None after a deletion."""
    fields: list[AuditField] = []
    request_id: str = ""


def audit_entry(
    actor: AuditActor,
    kind: str,
    tenant: str,
    target: str,
    action: str,
    *,
    id: str,
    at: int,
    revision: int | None = None,
    fields: Iterable[tuple[str, Any, Any]] = (),
    request_id: str = "",
) -> AuditEntry:
    """An entry about one thing. `at` is milliseconds since the epoch; `fields` are (path, before, after), as many of
    them, and as much of each, as an entry holds."""
    listed = [AuditField(path=path, before=_cut(old), after=_cut(new)) for path, old, new in fields]
    return AuditEntry(
        id=id,
        at=iso(at),
        tenant_id=tenant,
        actor=actor,
        action=f"{kind}.{action}",
        kind=kind,
        target_id=target,
        revision=revision,
        fields=listed[:MAX_FIELDS],
        request_id=request_id,
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
