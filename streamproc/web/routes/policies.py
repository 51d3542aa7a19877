"""What an action policy would do with an alert, without doing it."""

from __future__ import annotations

import time
from typing import Any

from pydantic import AwareDatetime, BaseModel, Field

from streamproc.alerting.people import PeopleBook
from streamproc.alerting.policy import dry_run
from streamproc.model.policy import parse_policy
from streamproc.web import configuring
from streamproc.web.paging import TenantQuery
from streamproc.web.principal import Scope
from streamproc.web.problem import ApiError
from streamproc.web.route import Answer, Call, Route


class DryRun(BaseModel):
    """Alerts as `GET /v1/alerts/{id}` answers them, as far as the policy looks at them."""

    alert: dict[str, Any] | None = Field(default=None, description='The alert, such as `{"severity": "high"}`.')
    alerts: list[dict[str, Any]] | None = Field(
        default=None, min_length=1, max_length=100, description="Told together."
    )
    policy: dict[str, Any] | None = Field(
        default=None, description="A policy document to try; by default the one that is configured."
    )
    at: AwareDatetime | None = Field(default=None, description="When it would happen; by default now.")
    tenant_id: str | None = Field(default=None, min_length=1, max_length=128)


class WouldHappen(BaseModel):
    """The path through the policy, who would be told, who not and why, and who next if nobody answers."""

    policy: str
    path: list[dict[str, Any]]
    told: list[dict[str, Any]]
    withheld: list[dict[str, Any]]
    escalations: list[dict[str, Any]]


async def try_policy(call: Call[TenantQuery, DryRun]) -> Answer:
    """Nobody is told."""
    tenant, id = call.tenant(call.query.tenant_id or call.body.tenant_id), call.path["id"]
    if call.body.policy is not None:
        policy = parse_policy({**call.body.policy, "id": id, "tenant_id": tenant})
    else:
        policy = parse_policy(configuring.find(call, "policy", tenant, id).document())
    alerts = call.body.alerts or ([call.body.alert] if call.body.alert is not None else [])
    if not alerts:
        raise ApiError(422, "alert: is required", errors=[("alert", "is required")])
    now = time.time_ns() // 1_000_000 if call.body.at is None else int(call.body.at.timestamp() * 1000)
    snapshot = call.site.tailer.snapshot
    people = PeopleBook().fold([*snapshot.records("user", tenant), *snapshot.records("user_group", tenant)])
    return WouldHappen(**dry_run(policy, alerts, now, people))


ROUTES = (
    Route(
        "POST", "/v1/policies/{id}/dry-run", "What a policy would do", Scope.CONFIG_READ, try_policy, query=TenantQuery,
        body=DryRun, answers=WouldHappen, tag="policies", example={"alert": {"severity": "high", "status": "open"}},
    ),
)  # fmt: skip
