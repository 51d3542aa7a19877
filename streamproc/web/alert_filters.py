"""From the parameters of a list to what the read model is asked: names, spellings, times, and the cursor."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, BaseModel, Field

from streamproc.model.rule import Category, Severity
from streamproc.model.time_text import milliseconds
from streamproc.web.paging import PageQuery
from streamproc.web.problem import ApiError
from streamproc.web.read_model.lists import Filters
from streamproc.web.read_model.places import CursorError, cursor, read_cursor
from streamproc.web.read_model.search import expression
from streamproc.web.route import Call

STATUSES = ("open", "acknowledged", "escalated", "suppressed", "resolved")
TRAILBASE_STATUSES = {"firing": "open"}
"""Trailbase's word for a status; its others are ours in capitals."""
MAX_VALUES = 50


def _time(text: str) -> str:
    try:
        found = milliseconds(text)
    except (ValueError, OverflowError):
        raise ValueError("is not an ISO 8601 time such as 2026-02-10T14:32:15Z") from None
    if found < 0:
        raise ValueError("is before 1970")
    return text


Time = Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"}), AfterValidator(_time)]
Values = Annotated[list[Annotated[str, Field(max_length=1000)]], Field(max_length=MAX_VALUES)]


def split_values(values: Sequence[str]) -> list[str]:
    """Repeated parameters, and lists with commas, as one list."""
    return list(dict.fromkeys(part.strip() for value in values for part in value.split(",") if part.strip()))


def words_of(name: str, values: Sequence[str], known: Sequence[str]) -> list[str]:
    """Values that must be among the known ones, in whatever case. Raises ApiError 422."""
    found = [value.lower() for value in split_values(values)]
    if name == "status":
        found = [TRAILBASE_STATUSES.get(value, value) for value in found]
    for value in found:
        if value not in known:
            message = f"{value!r:.40} is not one of {', '.join(known)}"
            raise ApiError(422, f"{name}: {message}", errors=[(name, message)])
    return list(dict.fromkeys(found))


class AlertFields(BaseModel):
    """What alerts to choose."""

    status: Values = Field(default=[], description="FIRING is open; several with commas, or repeated.")
    severity: Values = []
    category: Values = []
    rule_id: Values = []
    rule_type: Values = []
    assignee: Values = []
    incident_id: Values = []
    created_after: Time | None = Field(default=None, description="At this time or later.")
    created_before: Time | None = Field(default=None, description="Before this time.")
    q: str | None = Field(
        default=None,
        max_length=500,
        description="Words in title, reason, rule name and id, and group values. All must be there; `word*` finds what "
        "begins so.",
    )


class AlertQuery(PageQuery, AlertFields):
    """What alerts to list."""


def alert_filters(fields: AlertFields, tenant: str | None) -> Filters:
    """The filters of alerts. Raises ApiError 422."""
    facets = {
        "status": words_of("status", fields.status, STATUSES),
        "severity": words_of("severity", fields.severity, tuple(Severity)),
        "category": words_of("category", fields.category, tuple(Category)),
        "rule": split_values(fields.rule_id),
        "rule_type": [value.lower() for value in split_values(fields.rule_type)],
        "assignee": split_values(fields.assignee),
        "incident": split_values(fields.incident_id),
    }
    return Filters(
        tenant=tenant,
        facets={name: values for name, values in facets.items() if values},
        since=None if fields.created_after is None else milliseconds(fields.created_after),
        until=None if fields.created_before is None else milliseconds(fields.created_before),
        words=None if fields.q is None or not fields.q.strip() else expression(fields.q) or "",
    )


def start_of(query: PageQuery, scope: str) -> int | None:
    """The place that the query's cursor holds; `scope` names the list. Raises ApiError 422."""
    if query.cursor is None:
        return None
    try:
        return read_cursor(query.cursor, scope)
    except CursorError as error:
        raise ApiError(422, f"cursor: {error}", errors=[("cursor", str(error))]) from None


def next_cursor(more: int | None, scope: str) -> str | None:
    """The text of a place to go on from."""
    return None if more is None else cursor(more, scope)


def scope_of(call: Call[Any, Any], tenant: str | None) -> str:
    """Names the list that a request asks for: its route, its filters and whose it is, but not where in it."""
    asked = call.query.model_dump(exclude={"limit", "cursor"})
    described = orjson.dumps([call.request.path, tenant, asked], option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(described, digest_size=16).hexdigest()
