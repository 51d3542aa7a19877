"""Rotating a webhook's secret: the new one is answered once, and the old one signs beside it for a while."""

from __future__ import annotations

import base64
import os
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import BaseModel, Field

from streamproc.config.sealing import open_sealed
from streamproc.model.channel import parse_webhook
from streamproc.model.document import snake
from streamproc.model.webhook import STANDARD_SIGNATURE
from streamproc.web import configuring
from streamproc.web.paging import TenantQuery
from streamproc.web.principal import Scope
from streamproc.web.route import Answer, Call, Route

MAX_OVERLAP = 30 * 24 * 3600
_KEPT = 4
"""Old secrets that a webhook may have beside the new one."""


class Rotation(BaseModel):
    """How long the old secrets go on signing."""

    overlap_seconds: int = Field(
        default=24 * 3600, ge=0, le=MAX_OVERLAP, description="For so long the old secret signs too."
    )
    tenant_id: str | None = Field(default=None, min_length=1, max_length=128)


class NewSecret(BaseModel):
    """The new secret; it is not shown again."""

    id: str
    tenant_id: str
    revision: int
    secret: str
    old_until: str | None = Field(description="Until then the old secrets sign too; null: they do no longer.")
    signs_with_both: bool = Field(
        description="Whether the signature has room for several (Standard Webhooks); else the new secret signs alone."
    )


async def rotate(call: Call[TenantQuery, Rotation]) -> Answer:
    """Make a new signing secret. Until `overlap_seconds` have passed the old ones sign too, where the signature has
    room for several (Standard Webhooks has), so that a receiver can change over without a gap."""
    named = call.query.tenant_id or call.body.tenant_id
    tenant, id = call.tenant(named), call.path["id"]
    before = configuring.find(call, "webhook", tenant, id)
    clear = open_sealed(before, call.site.keyring)
    webhook = parse_webhook(clear)
    now = datetime.now(UTC)
    until = now + timedelta(seconds=call.body.overlap_seconds)
    old: list[dict[str, Any]] = []
    for secret in webhook.all_secrets:
        expires = until if secret.expires_at is None else min(secret.expires_at, until)
        if expires > now:
            old.append({"value": secret.value.get_secret_value(), "expires_at": expires.isoformat()})
    made = "whsec_" + base64.b64encode(os.urandom(32)).decode()
    spec = {name: value for name, value in before.spec.items() if snake(name) not in ("secret", "secrets")}
    spec |= {"secret": made, "secrets": old[:_KEPT] or None, "revision": before.revision}
    record = await configuring.put(call, "webhook", tenant, id, spec, must_exist=True, action="rotate_secret")
    return NewSecret(
        id=id,
        tenant_id=tenant,
        revision=record.revision,
        secret=made,
        old_until=until.isoformat() if old else None,
        signs_with_both=webhook.signature_style == STANDARD_SIGNATURE,
    )


ROUTES = (
    Route(
        "POST", "/v1/webhooks/{id}/rotate-secret", "Rotate a webhook's secret", Scope.CONFIG_WRITE, rotate,
        query=TenantQuery, body=Rotation, answers=NewSecret, refuses=(409, 412), tag="webhooks",
    ),
)  # fmt: skip
