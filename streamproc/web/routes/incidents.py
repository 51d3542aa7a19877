"""Incidents: what alerts were escalated to."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from streamproc.model.rule import Severity
from streamproc.web.alert_filters import Values, next_cursor, scope_of, start_of, words_of
from streamproc.web.paging import Page, PageQuery, TenantQuery
from streamproc.web.principal import Scope
from streamproc.web.problem import ApiError
from streamproc.web.read_model import queries
from streamproc.web.route import Answer, Call, Route

TAG = "incidents"
STATUSES = ("open", "resolved")


class IncidentSummary(BaseModel):
    """An incident, folded from the alerts that were escalated to it."""

    id: str
    tenant_id: str
    title: str = Field(description="The first alert's.")
    status: Literal["open", "resolved"] = Field(description="Resolved once all of its alerts are.")
    severity: Severity = Field(description="The highest of its alerts.")
    alert_count: int
    created_at: str
    created_by: str
    updated_at: str


class IncidentAlert(BaseModel):
    """An alert's part in it, as of the alert's latest change of status."""

    id: str
    title: str
    severity: Severity
    status: str
    rule_id: str
    linked_at: str
    linked_by: str
    note: str | None


class Incident(IncidentSummary):
    """An incident with its alerts, in the order of their linking."""

    alerts: list[IncidentAlert]


class IncidentQuery(PageQuery):
    """What incidents to list."""

    status: Values = Field(default=[])


async def list_incidents(call: Call[IncidentQuery, None]) -> Answer:
    tenant = call.tenant_filter(call.query.tenant_id)
    scope = scope_of(call, tenant)
    statuses = words_of("status", call.query.status, STATUSES)
    start = start_of(call.query, scope)
    page = await call.site.store.read(queries.list_incidents, tenant, statuses, start, call.query.limit)
    return {"items": page.items, "next_cursor": next_cursor(page.more, scope)}


async def get_incident(call: Call[TenantQuery, None]) -> Answer:
    tenant = call.tenant_filter(call.query.tenant_id)
    found = await call.site.store.read(queries.get_incidents, call.path["id"])
    own = [incident for incident in found if tenant in (None, incident["tenant_id"])]
    if not own:
        raise ApiError(404, f"there is no incident {call.path['id']!r:.80}")
    if len(own) > 1:
        raise ApiError(422, "tenant_id: several tenants have this incident", errors=[("tenant_id", "is required")])
    return own[0]


ROUTES = (
    Route(
        "GET",
        "/v1/incidents",
        "List incidents",
        Scope.ALERTS_READ,
        list_incidents,
        query=IncidentQuery,
        answers=Page[IncidentSummary],
        tag=TAG,
        description="The newest first.",
    ),
    Route(
        "GET",
        "/v1/incidents/{id}",
        "Get an incident with its alerts",
        Scope.ALERTS_READ,
        get_incident,
        query=TenantQuery,
        answers=Incident,
        refuses=(404,),
        tag=TAG,
    ),
)
