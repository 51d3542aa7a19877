"""`GET /v1/audit`: who changed what."""

from __future__ import annotations

from pydantic import Field

from streamproc.model.audit import AuditEntry
from streamproc.web.paging import Page, PageQuery, decode_cursor, encode_cursor
from streamproc.web.principal import Scope
from streamproc.web.problem import ApiError
from streamproc.web.route import Answer, Call, Route


class AuditQuery(PageQuery):
    """Which entries."""

    kind: str | None = Field(default=None, max_length=64, description="Of things of this kind, such as `webhook`.")
    target_id: str | None = Field(default=None, max_length=128, description="About the thing of this id.")
    key_id: str | None = Field(default=None, max_length=128, description="By this key, or by `cli:<account>`.")


async def audit(call: Call[AuditQuery, None]) -> Answer:
    """Changes made through the API and by the command line, the newest first. Secrets show as `(sealed)`. Each is also
    an event of the tenant, with the action `streamproc.<kind>.<create|update|delete|…>`, so that rules can watch it."""
    query = call.query
    before = decode_cursor(query.cursor) if query.cursor is not None else None
    if before is not None and (not isinstance(before, int) or not 0 <= before < 1 << 63):
        raise ApiError(422, "cursor: is not one of ours", errors=[("cursor", "is not one of ours")])
    tenant = call.tenant_filter(query.tenant_id)
    found = call.site.audit.page(
        tenant, before=before, kind=query.kind, target=query.target_id, actor=query.key_id, limit=query.limit + 1
    )
    shown = found[: query.limit]
    return {
        "items": [entry for _, entry in shown],
        "next_cursor": encode_cursor(shown[-1][0]) if len(found) > len(shown) else None,
    }


ROUTES = (
    Route(
        "GET", "/v1/audit", "Who changed what", Scope.CONFIG_READ, audit, query=AuditQuery, answers=Page[AuditEntry],
        tag="audit",
    ),
)  # fmt: skip
