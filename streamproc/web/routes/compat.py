"""Alerts as Trailbase's and Immutable's own APIs answer them, for clients that were written to those."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from streamproc.model.command import Action
from streamproc.model.time_text import milliseconds
from streamproc.model.times import iso
from streamproc.web.alert_filters import AlertQuery, alert_filters, next_cursor, scope_of, start_of
from streamproc.web.commanding import Answered
from streamproc.web.principal import Scope
from streamproc.web.problem import ApiError
from streamproc.web.read_model import queries
from streamproc.web.route import Answer, Call, Reply, Route
from streamproc.web.routes.alerts import Nothing, act, alert_of

TAG = "compatible"
_TRAILBASE_STATUS = {"open": "FIRING"}
Doc = dict[str, Any]


class TrailbaseList(BaseModel):
    """Trailbase's list."""

    alerts: list[dict[str, Any]]
    next_cursor: str | None


class ImmutableList(BaseModel):
    """Immutable's list."""

    data: list[dict[str, Any]]
    next_cursor: str | None
    has_more: bool


def trailbase(alert: Doc) -> Doc:
    """An alert in Trailbase's names. Its three statuses are FIRING, ACKNOWLEDGED, RESOLVED; ours beyond stay words."""
    return {
        "id": alert["id"],
        "name": alert["title"],
        "message": alert["reason"],
        "severity": alert["severity"],
        "status": _TRAILBASE_STATUS.get(alert["status"], alert["status"].upper()),
        "triggeredAt": alert["triggered_at"],
        "triggerCount": alert["trigger_count"],
        "context": {**alert["context"], "group": alert["group"]},
        "ruleId": alert["rule"]["id"],
        "ruleType": alert["rule"]["type"],
        "tenantId": alert["tenant_id"],
        "acknowledgedAt": alert["acknowledged_at"],
        "resolvedAt": alert["resolved_at"],
    }


def immutable(alert: Doc) -> Doc:
    """An alert in Immutable's names, as its webhooks have them; times have microseconds."""
    event = alert["event"] or {}
    actor = event.get("actor") or {}
    return {
        "id": alert["id"],
        "alert_id": alert["id"],
        "event_type": alert["event_type"],
        "rule_id": alert["rule"]["id"],
        "rule_name": alert["rule"]["name"],
        "rule_type": alert["rule"]["type"],
        "reason": alert["reason"],
        "severity": alert["severity"],
        "status": alert["status"],
        "event": {
            "id": event.get("id"),
            "action": event.get("action"),
            "actor_id": actor.get("id"),
            "ip_country": actor.get("country"),
        },
        "workspace_id": alert["tenant_id"],
        "triggered_at": iso(milliseconds(alert["triggered_at"])).removesuffix("Z") + "000Z",
    }


async def _page(call: Call[AlertQuery, None]) -> tuple[list[Doc], str | None]:
    tenant = call.tenant_filter(call.query.tenant_id)
    filters, scope = alert_filters(call.query, tenant), scope_of(call, tenant)
    page = await call.site.store.read(queries.list_alerts, filters, start_of(call.query, scope), call.query.limit)
    return page.items, next_cursor(page.more, scope)


async def trailbase_list(call: Call[AlertQuery, None]) -> Answer:
    items, more = await _page(call)
    return {"alerts": [trailbase(alert) for alert in items], "next_cursor": more}


async def immutable_list(call: Call[AlertQuery, None]) -> Answer:
    items, more = await _page(call)
    return {"data": [immutable(alert) for alert in items], "next_cursor": more, "has_more": more is not None}


async def trailbase_get(call: Call[Nothing, None]) -> Answer:
    return trailbase(await alert_of(call))


async def immutable_get(call: Call[Nothing, None]) -> Answer:
    return {"data": immutable(await alert_of(call))}


async def trailbase_acknowledge(call: Call[Nothing, None]) -> Answer:
    return _reply(await act(call, Action.ACKNOWLEDGE))


async def trailbase_resolve(call: Call[Nothing, None]) -> Answer:
    return _reply(await act(call, Action.RESOLVE, resolution="resolved"))


def _reply(answered: Answered) -> Reply:
    if answered.outcome == "pending":
        return Reply({"status": "pending", "command_id": answered.command_id}, status=202)
    if answered.outcome == "refused":
        raise ApiError(409, answered.result)
    return Reply(trailbase(answered.alert))


def _list(path: str, summary: str, handler: Any, answers: type[BaseModel]) -> Route:
    return Route(
        "GET", path, summary, Scope.ALERTS_READ, handler, query=AlertQuery, answers=answers, tag=TAG, hidden=True
    )


def _action(name: str, handler: Any) -> Route:
    return Route(
        "POST",
        f"/api/alerts/{{id}}/{name}",
        f"{name.capitalize()} an alert, as Trailbase does",
        Scope.ALERTS_WRITE,
        handler,
        also_answers=(202,),
        refuses=(404, 409),
        tag=TAG,
        hidden=True,
    )


ROUTES = (
    _list("/api/alerts", "Alerts as Trailbase lists them", trailbase_list, TrailbaseList),
    _list("/api/v1/alerts", "Alerts as Immutable lists them", immutable_list, ImmutableList),
    Route("GET", "/api/alerts/{id}", "An alert of Trailbase's", Scope.ALERTS_READ, trailbase_get, tag=TAG, hidden=True),
    Route(
        "GET", "/api/v1/alerts/{id}", "An alert of Immutable's", Scope.ALERTS_READ, immutable_get, tag=TAG, hidden=True
    ),
    _action("acknowledge", trailbase_acknowledge),
    _action("resolve", trailbase_resolve),
)
