"""Statistics, and whether the loop works: what came, what was done about it, what holds it up."""

from __future__ import annotations

import time
from typing import Any, Literal

from pydantic import BaseModel, Field

from streamproc.config.snapshot import Snapshot
from streamproc.model.rule import EVERY_TENANT
from streamproc.model.times import iso
from streamproc.web.alert_filters import STATUSES
from streamproc.web.cluster_lag import ClusterLag, ClusterLook
from streamproc.web.principal import Scope
from streamproc.web.read_model.counts import HOUR_MS
from streamproc.web.read_model.statistics import RuleCount, Statistics, statistics
from streamproc.web.route import Answer, Call, Route

TAG = "statistics"
LEAST_RATE = 0.7
"""Trailbase's advice: with fewer alerts acknowledged, there may be too many of little value."""
NOISIEST = 10
ENDPOINT_KINDS = ("channel", "webhook")


class StatsQuery(BaseModel):
    """Of whom, and how far back."""

    tenant_id: str | None = Field(default=None, min_length=1, max_length=128, description="Operators' keys only.")
    hours: int = Field(default=24 * 30, ge=1, le=24 * 366, description="How far back to count.")


class RuleStats(BaseModel):
    """What one rule did."""

    rule_id: str
    owner: str = Field(description="The tenant whose rule it is; * for one of all tenants.")
    name: str | None = Field(description="null: it was deleted.")
    alerts: int
    triggers: int
    acknowledged: int = Field(description="Alerts that a person acknowledged, escalated or resolved.")
    acknowledgement_rate: float
    warning: bool = Field(description="Whether the rate is under 70 %.")


class HourCount(BaseModel):
    """Alerts that opened in an hour."""

    hour: str
    severity: str
    alerts: int
    triggers: int


class DeliveryCount(BaseModel):
    """Deliveries through a channel with one outcome."""

    channel: str | None
    state: str
    reason: str | None
    deliveries: int


class SuppressionCount(BaseModel):
    """Notifications that were not sent."""

    reason: str
    notifications: int
    triggers: int = Field(description="That they stand for.")


class GroupLag(BaseModel):
    """How far a process is behind; null where it has never read."""

    process: Literal["worker", "delivery"]
    records: int | None
    topics: dict[str, int | None]


class RuleProblem(BaseModel):
    """A document that cannot be used, so that it is not in force."""

    kind: str
    tenant_id: str
    id: str
    problem: str


class Endpoint(BaseModel):
    """A channel or webhook that is switched off."""

    kind: str
    tenant_id: str
    id: str
    name: str | None
    since: str
    by: str


class LoopHealth(BaseModel):
    """Whether it works."""

    read_model: Literal["current", "behind"]
    read_model_behind: int | None
    events_per_second: float | None = Field(description="Over the last minute, of everybody; operators only.")
    last_alert_at: str | None
    last_delivery_at: str | None
    lag: list[GroupLag]
    problems: list[RuleProblem]
    disabled_endpoints: list[Endpoint]


class Stats(BaseModel):
    """Counts over the last `hours` hours, and how things stand now."""

    since: str
    until: str
    alerts: int
    triggers: int
    acknowledged: int
    acknowledgement_rate: float | None = Field(description="null: there were no alerts.")
    warning: str | None = Field(description="What to do when the rate is under 70 %.")
    by_status: dict[str, int] = Field(description="Of all alerts there are.")
    open_by_severity: dict[str, int] = Field(description="Of those that are not resolved.")
    rules: list[RuleStats] = Field(description="Those with the most triggers, at most 200.")
    rule_count: int
    noisiest_rules: list[str] = Field(description="Ids of the rules with the most triggers.")
    alerts_per_hour: list[HourCount]
    deliveries: list[DeliveryCount]
    suppressions: list[SuppressionCount]
    health: LoopHealth


async def get_stats(call: Call[StatsQuery, None]) -> Answer:
    tenant = call.tenant_filter(call.query.tenant_id)
    now = time.time_ns() // 1_000_000
    until = (now // HOUR_MS + 1) * HOUR_MS
    since = until - call.query.hours * HOUR_MS
    counted = await call.site.store.read(statistics, tenant, since, until)
    look = await call.site.part(ClusterLag).look()
    rate = counted.acted / counted.alerts if counted.alerts else None
    return Stats(
        since=iso(since),
        until=iso(now),
        alerts=counted.alerts,
        triggers=counted.triggers,
        acknowledged=counted.acted,
        acknowledgement_rate=None if rate is None else round(rate, 4),
        warning=_warning(rate),
        by_status={
            status: sum(count for (one, _), count in counted.statuses.items() if one == status) for status in STATUSES
        },
        open_by_severity=_open(counted),
        rules=[_rule(one, call.site.tailer.snapshot) for one in counted.rules],
        rule_count=counted.rule_count,
        noisiest_rules=[one.id for one in counted.rules[:NOISIEST]],
        alerts_per_hour=[
            HourCount(hour=hour, severity=severity, alerts=alerts, triggers=triggers)
            for hour, severity, alerts, triggers in counted.hours
        ],
        deliveries=[
            DeliveryCount(channel=channel or None, state=state, reason=reason or None, deliveries=count)
            for channel, state, reason, count, _ in counted.deliveries
        ],
        suppressions=_suppressions(counted),
        health=_health(call, tenant, counted, look),
    )


def _warning(rate: float | None) -> str | None:
    if rate is None or rate >= LEAST_RATE:
        return None
    return (
        f"Only {rate:.0%} of alerts were acknowledged: there may be too many of little value. "
        "Adjust thresholds, or disable noisy rules."
    )


def _open(counted: Statistics) -> dict[str, int]:
    found: dict[str, int] = {}
    for (status, severity), count in counted.statuses.items():
        if status != "resolved":
            found[severity] = found.get(severity, 0) + count
    return found


def _rule(one: RuleCount, snapshot: Snapshot) -> RuleStats:
    compiled = snapshot.rule(one.owner, one.id)
    rate = one.acted / one.alerts
    return RuleStats(
        rule_id=one.id,
        owner=one.owner,
        name=None if compiled is None else compiled.rule.name,
        alerts=one.alerts,
        triggers=one.triggers,
        acknowledged=one.acted,
        acknowledgement_rate=round(rate, 4),
        warning=rate < LEAST_RATE,
    )


def _suppressions(counted: Statistics) -> list[SuppressionCount]:
    found: dict[str, list[int]] = {}
    for _, state, reason, count, covered in counted.deliveries:
        if state == "suppressed":
            sums = found.setdefault(reason, [0, 0])
            sums[0] += count
            sums[1] += max(covered, count)
    return [
        SuppressionCount(reason=reason, notifications=count, triggers=covered)
        for reason, (count, covered) in sorted(found.items(), key=lambda one: -one[1][1])
    ]


def _health(call: Call[Any, Any], tenant: str | None, counted: Statistics, look: ClusterLook | None) -> LoopHealth:
    store, snapshot = call.site.store, call.site.tailer.snapshot
    own = (tenant, EVERY_TENANT)
    return LoopHealth(
        read_model="current" if store.ready else "behind",
        read_model_behind=store.behind,
        events_per_second=None if look is None or not call.principal.operator else look.events_per_second,
        last_alert_at=counted.last_alert_at,
        last_delivery_at=counted.last_delivery_at,
        lag=[] if look is None else [_lag(one.group, one.topics) for one in look.lags],
        problems=[
            RuleProblem(kind=one.kind, tenant_id=one.tenant, id=one.id, problem=one.message)
            for one in snapshot.problems
            if tenant is None or one.tenant in own
        ],
        disabled_endpoints=[
            Endpoint(
                kind=record.kind,
                tenant_id=record.tenant,
                id=record.id,
                name=str(record.spec["name"]) if record.spec.get("name") else None,
                since=record.updated_at,
                by=record.updated_by,
            )
            for kind in ENDPOINT_KINDS
            for record in snapshot.records(kind)
            if record.spec.get("enabled") is False and tenant in (None, record.tenant)
        ],
    )


def _lag(group: str, topics: dict[str, int | None]) -> GroupLag:
    known = [lag for lag in topics.values() if lag is not None]
    return GroupLag.model_validate({"process": group, "records": sum(known) if known else None, "topics": topics})


ROUTES = (
    Route(
        "GET",
        "/v1/stats",
        "Statistics, and whether it works",
        Scope.ALERTS_READ,
        get_stats,
        query=StatsQuery,
        answers=Stats,
        tag=TAG,
        description="Acknowledgement rates with a warning under 70 %, noisiest rules, suppressions by reason, alerts "
        "per hour, deliveries by channel and outcome; lag, last alert and delivery, documents with errors, "
        "endpoints that are switched off. Hours are whole ones.",
    ),
)
