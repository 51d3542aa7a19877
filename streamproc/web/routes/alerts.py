"""Alerts: list, look at, and act on them."""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from streamproc.alerting.commanding import make_command
from streamproc.config.snapshot import RULE
from streamproc.model.command import Action
from streamproc.model.document import DocumentError, Problem
from streamproc.model.records import AlertRecord
from streamproc.model.time_text import milliseconds
from streamproc.web.alert_filters import (
    AlertFields,
    AlertQuery,
    Time,
    alert_filters,
    next_cursor,
    scope_of,
    start_of,
)
from streamproc.web.commanding import Answered, command, command_each, refused
from streamproc.web.paging import Page
from streamproc.web.principal import Scope
from streamproc.web.problem import ApiError
from streamproc.web.read_model import queries
from streamproc.web.route import Answer, Call, Reply, Route
from streamproc.web.series import series
from streamproc.web.timeline import timeline

TAG = "alerts"
MAX_NOTE = 1000
MAX_BULK = 200
BULK_AT_ONCE = 50
RELATED = 20
Doc = dict[str, Any]


class AlertAnswer(AlertRecord):
    """An alert, as its newest record says."""

    model_config = ConfigDict(extra="allow")


class Pending(BaseModel):
    """No worker has answered yet: the command is in Kafka, and will be applied when one does."""

    status: Literal["pending"]
    command_id: str


class ActionAnswer(RootModel[AlertAnswer | Pending]):
    """The alert after the action (200); or that no worker answered within ten seconds (202)."""


class Nothing(BaseModel):
    """No parameters."""


class Asked(BaseModel):
    """What all actions take."""

    model_config = ConfigDict(extra="forbid")

    note: Annotated[str | None, Field(max_length=MAX_NOTE)] = None
    revision: Annotated[int | None, Field(ge=1)] = Field(
        default=None, description="The alert's revision that you saw; a refusal says what changed since."
    )


class ResolveBody(Asked):
    """How it ended."""

    resolution: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        default="resolved", examples=["mitigated", "false_positive"]
    )


class EscalateBody(Asked):
    """Into which incident: one there is, or a new one."""

    incident_id: Annotated[str | None, Field(max_length=64, pattern=r"^inc_[A-Za-z0-9][A-Za-z0-9_.-]{0,59}$")] = None


class AssignBody(Asked):
    """To whom; null: to nobody."""

    assignee: Annotated[str | None, Field(max_length=200)]


class CommentBody(Asked):
    """What to keep with the alert."""

    note: Annotated[str, Field(min_length=1, max_length=MAX_NOTE, pattern=r"\S")]


class SnoozeBody(Asked):
    """Until when it is suppressed."""

    until: Time


class BulkFilter(AlertFields):
    """What alerts are meant, as in the list."""

    model_config = ConfigDict(extra="forbid")


class BulkBody(Asked):
    """One action on several alerts: by `ids`, or the newest that pass `filter`."""

    action: Literal["acknowledge", "resolve", "escalate", "assign", "comment", "reopen", "snooze"]
    ids: Annotated[list[Annotated[str, Field(max_length=200)]] | None, Field(min_length=1, max_length=MAX_BULK)] = None
    filter: BulkFilter | None = None
    resolution: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    incident_id: Annotated[str | None, Field(max_length=64)] = None
    assignee: Annotated[str | None, Field(max_length=200)] = None
    until: Time | None = None


class BulkItem(BaseModel):
    """What became of one."""

    id: str
    status: Literal["done", "refused", "pending", "not_found", "failed"]
    command_id: str | None = None
    detail: str | None = Field(default=None, description="Why it was not done.")
    alert_status: str | None = Field(default=None, description="How the alert stands now.")
    revision: int | None = None


class BulkAnswer(BaseModel):
    """In the order of the ids, or the newest first."""

    items: list[BulkItem]
    more: bool = Field(description="Whether the filter passes more than were acted on.")


class TimelineEntry(BaseModel):
    """A moment in an alert's life. What else there is depends on `kind`."""

    model_config = ConfigDict(extra="allow")

    at: str
    kind: Literal["triggered", "updated", "action", "notification", "attempt"]


class Timeline(BaseModel):
    """The oldest first."""

    items: list[TimelineEntry]


class SeriesPoint(BaseModel):
    """A count at a time."""

    at: str
    count: float


class Series(BaseModel):
    """A chart of what the alert counted, as far as its record says."""

    kind: Literal["buckets", "window", "none"]
    points: list[SeriesPoint]
    threshold: float | None
    mean: float | None = Field(description="The baseline's.")
    window_seconds: float | None
    bucket_seconds: float | None
    complete: bool = Field(description="Whether the points are all that was counted.")


class RelatedAlert(BaseModel):
    """An alert and what it has in common."""

    same: list[Literal["group", "actor", "rule"]]
    alert: AlertAnswer


class Related(BaseModel):
    """The newest first; those of the same group or actor before those of the same rule alone."""

    items: list[RelatedAlert]


async def list_alerts(call: Call[AlertQuery, None]) -> Answer:
    tenant = call.tenant_filter(call.query.tenant_id)
    filters, scope = alert_filters(call.query, tenant), scope_of(call, tenant)
    page = await call.site.store.read(queries.list_alerts, filters, start_of(call.query, scope), call.query.limit)
    return {"items": page.items, "next_cursor": next_cursor(page.more, scope)}


async def alert_of(call: Call[Any, Any]) -> Doc:
    """The alert that the path names. Raises ApiError 404, also for another tenant's."""
    alert = await call.site.store.read(queries.get_alert, call.path["id"])
    if alert is None or not call.principal.sees(alert["tenant_id"]):
        raise ApiError(404, f"there is no alert {call.path['id']!r:.80}")
    return alert


async def get_alert(call: Call[Nothing, None]) -> Answer:
    return await alert_of(call)


async def get_timeline(call: Call[Nothing, None]) -> Answer:
    alert = await alert_of(call)
    deliveries = await call.site.store.read(queries.deliveries_of, alert["id"])
    own = [one for one in deliveries if one["tenant_id"] == alert["tenant_id"]]
    return {"items": timeline(alert, own)}


async def get_series(call: Call[Nothing, None]) -> Answer:
    alert = await alert_of(call)
    rule = call.site.tailer.snapshot.record(RULE, alert["rule"]["owner"], alert["rule"]["id"])
    return series(alert, None if rule is None else rule.spec)


async def get_related(call: Call[Nothing, None]) -> Answer:
    alert = await alert_of(call)
    found = await call.site.store.read(queries.related_alerts, alert["id"], RELATED)
    return {"items": [{"same": same, "alert": doc} for doc, same in found]}


async def act(call: Call[Any, Any], action: Action, **fields: Any) -> Answered:
    """Do it, for whoever asks. Raises ApiError 404, 409 when it was refused, 422."""
    alert = await alert_of(call)
    answered = await command(call.site, alert, action, call.principal.name, **fields)
    if answered.outcome == "refused":
        raise refused(answered)
    return answered


def _reply(answered: Answered) -> Reply:
    if answered.outcome == "pending":
        return Reply({"status": "pending", "command_id": answered.command_id}, status=202)
    return Reply(answered.alert)


def _said(body: Asked) -> dict[str, Any]:
    return {"note": body.note, "revision": body.revision}


async def acknowledge(call: Call[Nothing, Asked]) -> Answer:
    return _reply(await act(call, Action.ACKNOWLEDGE, **_said(call.body)))


async def resolve(call: Call[Nothing, ResolveBody]) -> Answer:
    return _reply(await act(call, Action.RESOLVE, resolution=call.body.resolution, **_said(call.body)))


async def escalate(call: Call[Nothing, EscalateBody]) -> Answer:
    incident = call.body.incident_id or new_incident()
    return _reply(await act(call, Action.ESCALATE, incident_id=incident, **_said(call.body)))


async def assign(call: Call[Nothing, AssignBody]) -> Answer:
    return _reply(await act(call, Action.ASSIGN, assignee=call.body.assignee or None, **_said(call.body)))


async def comment(call: Call[Nothing, CommentBody]) -> Answer:
    return _reply(await act(call, Action.COMMENT, **_said(call.body)))


async def reopen(call: Call[Nothing, Asked]) -> Answer:
    return _reply(await act(call, Action.REOPEN, **_said(call.body)))


async def snooze(call: Call[Nothing, SnoozeBody]) -> Answer:
    return _reply(await act(call, Action.SNOOZE, until=milliseconds(call.body.until), **_said(call.body)))


def new_incident() -> str:
    """The id of an incident that an escalation makes."""
    return f"inc_{uuid.uuid4()}"


async def bulk(call: Call[Nothing, BulkBody]) -> Answer:
    body, action = call.body, Action(call.body.action)
    if (body.ids is None) == (body.filter is None):
        raise DocumentError((Problem("ids", "either ids or filter is needed, and not both"),))
    if action is Action.ESCALATE and not call.principal.may(Scope.SENTINEL_RESPOND):
        raise ApiError(403, f"escalate needs the scope {Scope.SENTINEL_RESPOND}")
    fields: dict[str, Any] = {
        "note": body.note,
        "resolution": body.resolution or ("resolved" if action is Action.RESOLVE else None),
        "incident_id": body.incident_id or (new_incident() if action is Action.ESCALATE else None),
        "assignee": body.assignee,
        "until": None if body.until is None else milliseconds(body.until),
    }
    _check(action, fields)
    ids, more = await _meant(call)
    found = await call.site.store.read(queries.get_alerts, ids)
    known = {id: alert for id, alert in found.items() if call.principal.sees(alert["tenant_id"])}
    alerts = list(known.values())
    answers = await command_each(call.site, alerts, action, call.principal.name, BULK_AT_ONCE, **fields)
    by_id = dict(zip(known, answers, strict=True))
    return BulkAnswer(items=[_item(id, by_id.get(id)) for id in ids], more=more)


def _check(action: Action, fields: dict[str, Any]) -> None:
    """What is wrong with the fields is wrong for every alert. Raises DocumentError."""
    nothing = {"id": "", "fingerprint": "", "revision": 1}
    now = milliseconds("1970-01-01") if fields["until"] is None else fields["until"] - 1
    make_command(nothing, action, id="", by="", at=now, **fields)


async def _meant(call: Call[Nothing, BulkBody]) -> tuple[list[str], bool]:
    if call.body.ids is not None:
        return list(dict.fromkeys(call.body.ids)), False
    assert call.body.filter is not None
    filters = alert_filters(call.body.filter, call.tenant_filter())
    found = await call.site.store.read(queries.alert_ids, filters, MAX_BULK + 1)
    return found[:MAX_BULK], len(found) > MAX_BULK


def _item(id: str, answered: Answered | ApiError | None) -> BulkItem:
    if answered is None:
        return BulkItem(id=id, status="not_found", detail="there is no such alert")
    if isinstance(answered, ApiError):
        return BulkItem(id=id, status="failed", detail=answered.detail)
    alert = answered.alert
    return BulkItem(
        id=id,
        status=answered.outcome,
        command_id=answered.command_id,
        detail=None if answered.outcome == "done" else answered.result.removeprefix("refused: "),
        alert_status=alert["status"],
        revision=alert["revision"],
    )


def _action(name: str, summary: str, handler: Any, body: type[BaseModel], scope: Scope = Scope.ALERTS_WRITE) -> Route:
    return Route(
        "POST",
        f"/v1/alerts/{{id}}/{name}",
        summary,
        scope,
        handler,
        body=body,
        answers=ActionAnswer,
        also_answers=(202,),
        refuses=(404, 409),
        tag=TAG,
        max_bytes=16 << 10,
        description="Answers the alert after it; 409 says what changed, where the alert's status does not allow it; "
        "202 when no worker answered within ten seconds: the command waits in Kafka.",
    )


ROUTES = (
    Route(
        "GET",
        "/v1/alerts",
        "List alerts",
        Scope.ALERTS_READ,
        list_alerts,
        query=AlertQuery,
        answers=Page[AlertAnswer],
        tag=TAG,
        description="The newest first, by `created_at`, then by id. While one pages, alerts that arrive are on no "
        "later page, and none is skipped or shown twice. A page of large alerts may hold fewer than `limit`.",
    ),
    Route(
        "POST",
        "/v1/alerts/bulk",
        "Act on several alerts",
        Scope.ALERTS_WRITE,
        bulk,
        body=BulkBody,
        answers=BulkAnswer,
        tag=TAG,
        max_bytes=64 << 10,
        example={"action": "acknowledge", "ids": ["alt_4f7a8b9c-0d1e-4f3a-8b5c-6d7e8f9a0b1c"], "note": "on it"},
        description=f"At most {MAX_BULK} at once. Each is answered by itself. `escalate` links all of them to one "
        "incident and needs the scope sentinel:respond.",
    ),
    Route("GET", "/v1/alerts/{id}", "Get an alert", Scope.ALERTS_READ, get_alert, answers=AlertAnswer, tag=TAG),
    Route(
        "GET",
        "/v1/alerts/{id}/timeline",
        "What happened to an alert",
        Scope.ALERTS_READ,
        get_timeline,
        answers=Timeline,
        tag=TAG,
        description="Triggers, what people did, who was told with every attempt, and who was not and why.",
    ),
    Route(
        "GET",
        "/v1/alerts/{id}/related",
        "Alerts like it",
        Scope.ALERTS_READ,
        get_related,
        answers=Related,
        tag=TAG,
        description="Of the same group values, actor or rule.",
    ),
    Route(
        "GET",
        "/v1/alerts/{id}/series",
        "What an alert counted, over time",
        Scope.ALERTS_READ,
        get_series,
        answers=Series,
        tag=TAG,
    ),
    _action("acknowledge", "Acknowledge an alert", acknowledge, Asked),
    _action("resolve", "Resolve an alert", resolve, ResolveBody),
    _action("escalate", "Escalate an alert to an incident", escalate, EscalateBody, Scope.SENTINEL_RESPOND),
    _action("assign", "Assign an alert", assign, AssignBody),
    _action("comment", "Comment on an alert", comment, CommentBody),
    _action("reopen", "Reopen an alert resolved within the last day", reopen, Asked),
    _action("snooze", "Suppress an alert for some time", snooze, SnoozeBody),
)
