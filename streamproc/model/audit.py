"""The *audit log*: who changed what, as the `audit` topic and `GET /v1/audit` have it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

MAX_FIELDS = 100
MAX_VALUE = 1024
"""Characters of JSON of a value before and after; a longer one is cut, with a mark."""


class AuditActor(BaseModel):
    """Whose key made the change."""

    model_config = ConfigDict(extra="forbid")

    key_id: str
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
