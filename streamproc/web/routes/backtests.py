"""`/v1/backtests`: rules over what the topics hold of the last hours, as jobs."""

from __future__ import annotations

import time
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from streamproc.web.backtest_jobs import BacktestJob, BacktestJobs
from streamproc.web.paging import Page, TenantQuery
from streamproc.web.principal import Scope
from streamproc.web.problem import ApiError
from streamproc.web.replaying import Replay
from streamproc.web.route import Call, Reply, Route
from streamproc.web.routes.simulate import (
    DRAFT,
    MAX_RULES,
    Simulation,
    ad_hoc_rules,
    events_tenant,
    may_read_events,
    playable,
)
from streamproc.web.rule_lookup import find_rule, lists_of, tenant_of

TAG = "rules"
MAX_HOURS = 168
MAX_ALERTS = 200


class BacktestOrder(BaseModel):
    """One of `rule`, `rules` and `rule_id`, and how far back to go."""

    model_config = ConfigDict(extra="forbid")

    rule: dict[str, Any] | None = None
    rules: list[dict[str, Any]] = Field(default=[], max_length=MAX_RULES)
    rule_id: str | None = Field(default=None, min_length=1, max_length=128)
    hours: float = Field(default=24, gt=0, le=MAX_HOURS, allow_inf_nan=False)
    tenant_id: str | None = Field(default=None, description="Whose the events are; operators' keys only.")


class JobProgress(BaseModel):
    """How far it is."""

    read: int
    total: int | None = Field(description="Records of the span; null before it is known.")
    events: int = Field(description="Of the tenant, among those read.")
    percent: int | None


class Backtest(BaseModel):
    """A backtest; `result` once it is done. It is kept for an hour after its end, and not over a restart."""

    id: str
    tenant_id: str
    rule_ids: list[str]
    hours: float
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    created_at: str
    created_by: str
    started_at: str | None
    ended_at: str | None
    progress: JobProgress
    error: str | None
    result: Simulation | None


async def start_backtest(call: Call[Any, BacktestOrder]) -> Reply:
    may_read_events(call)
    body, snapshot = call.body, call.site.tailer.snapshot
    revisions: tuple[int, ...] = ()
    if body.rule_id is not None:
        if body.rule is not None or body.rules:
            message = "is given beside rule_id; keep one of them"
            raise ApiError(422, f"rule: {message}", errors=[("rule", message)])
        record = find_rule(snapshot, call.principal, body.rule_id, body.tenant_id)
        tenant = tenant_of(call.principal, record, body.tenant_id)
        rules, revisions = [playable(record.document(), record)], (record.revision,)
    else:
        tenant = events_tenant(call, body.tenant_id)
        rules = ad_hoc_rules(call, tenant, body.rule, body.rules)
    replay = Replay(
        tenant=tenant,
        rules=tuple(rules),
        revisions=revisions,
        now=int(time.time() * 1000),
        lists=lists_of(snapshot, [str(rule["tenant_id"]) for rule in rules]),
        span_ms=round(body.hours * 3_600_000),
        latest_only=False,
        max_alerts=MAX_ALERTS,
    )
    job = call.site.part(BacktestJobs).start(replay, body.hours, call.principal.name)
    return Reply(_answer(job), headers={"Location": f"/v1/backtests/{job.id}"})


async def list_backtests(call: Call[TenantQuery, None]) -> Page[Backtest]:
    tenant = call.tenant_filter(call.query.tenant_id)
    jobs = call.site.part(BacktestJobs).of(tenant)
    return Page(items=[_answer(job).model_copy(update={"result": None}) for job in jobs], next_cursor=None)


async def get_backtest(call: Call[Any, None]) -> Backtest:
    return _answer(_job(call))


async def cancel_backtest(call: Call[Any, None]) -> None:
    await call.site.part(BacktestJobs).cancel(_job(call))


def _job(call: Call[Any, None]) -> BacktestJob:
    """Raises ApiError 404."""
    job = call.site.part(BacktestJobs).get(call.path["id"])
    if job is None or not call.principal.sees(job.replay.tenant):
        raise ApiError(404, f"there is no backtest {call.path['id']!r:.80}; they are kept for an hour")
    may_read_events(call)
    return job


def _answer(job: BacktestJob) -> Backtest:
    return Backtest.model_validate(job.answer())


ROUTES = (
    Route(
        "POST",
        "/v1/backtests",
        "Start a backtest",
        Scope.RULES_READ,
        start_backtest,
        body=BacktestOrder,
        example={"rule": DRAFT, "hours": 1},
        answers=Backtest,
        status=202,
        refuses=(404,),
        tag=TAG,
        description="Needs the scope alerts:read too. Two run at a time, the others wait. Nothing is stored on topics.",
    ),
    Route(
        "GET",
        "/v1/backtests",
        "List backtests",
        Scope.RULES_READ,
        list_backtests,
        query=TenantQuery,
        answers=Page[Backtest],
        tag=TAG,
        description="The latest first, without results.",
    ),
    Route(
        "GET",
        "/v1/backtests/{id}",
        "Get a backtest",
        Scope.RULES_READ,
        get_backtest,
        answers=Backtest,
        refuses=(404,),
        tag=TAG,
    ),
    Route(
        "DELETE",
        "/v1/backtests/{id}",
        "Cancel a backtest",
        Scope.RULES_READ,
        cancel_backtest,
        status=204,
        refuses=(404,),
        tag=TAG,
        description="It stays to be seen as cancelled; one that has ended is forgotten.",
    ),
)
