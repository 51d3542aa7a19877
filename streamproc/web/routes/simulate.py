"""`…/simulate`: events in, alerts out, nothing stored; and how often a rule would have fired of late."""

from __future__ import annotations

import time
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from streamproc.config.record import ConfigRecord
from streamproc.model.document import DocumentError, Problem, snake
from streamproc.model.rule import EVERY_TENANT
from streamproc.rules import compile_rule, parse_rule
from streamproc.sources.registry import CANONICAL, FORMATS, unknown_format
from streamproc.web.paging import TenantQuery
from streamproc.web.principal import Scope
from streamproc.web.problem import ApiError, of_document
from streamproc.web.replaying import MAX_EVENTS, Replay
from streamproc.web.route import Call, Route
from streamproc.web.rule_lookup import find_rule, lists_of, tenant_of
from streamproc.web.simulating import Simulator

TAG = "rules"
MAX_RULES = 50
MAX_MINUTES = 7 * 24 * 60
MAX_BYTES = 16 << 20
EVENT: dict[str, Any] = {"action": "data.export", "actor": {"id": "user_alice"}}
DRAFT: dict[str, Any] = {"name": "Data export", "type": "pattern", "condition": {"action": "data.export"}}
NOT_PLAYED = frozenset({"id", "tenant_id", "tests", *("webhook_urls", "email_recipients")})
"""Fields of a rule that a replay does not need, or that are set for it."""


class Recent(BaseModel):
    """The tenant's events that arrived within the last so many minutes, the latest 5,000 of them at most."""

    model_config = ConfigDict(extra="forbid")

    minutes: int = Field(default=60, ge=1, le=MAX_MINUTES)


class Events(BaseModel):
    """What to play: `events`, which arrive in their order, or `recent` ones."""

    model_config = ConfigDict(extra="forbid")

    events: list[Any] | None = Field(
        default=None, max_length=MAX_EVENTS, description="One without a time happens now; ids are made up."
    )
    recent: Recent | None = None
    format: str = Field(default=CANONICAL, description="What the events are; see the sources.")
    lists: dict[str, list[str | int | float]] = Field(
        default={}, description="Values of named lists, in place of the tenant's.", max_length=100
    )


class AdHoc(Events):
    """Rules that need not be stored, and what to play them on."""

    rule: dict[str, Any] | None = None
    rules: list[dict[str, Any]] = Field(default=[], max_length=MAX_RULES)
    tenant_id: str | None = Field(default=None, description="Whose the events are; operators' keys only.")


class RuleCount(BaseModel):
    """What one rule made."""

    rule_id: str
    alerts: int
    triggers: int


class Bucket(BaseModel):
    """A bar of the timeline."""

    at: str
    alerts: int = Field(description="That began within `bucket_seconds` from then.")


class Timeline(BaseModel):
    """When alerts began."""

    bucket_seconds: int
    buckets: list[Bucket]


class RejectedEvents(BaseModel):
    """What was no event, and was left out."""

    count: int
    first: list[str]


class Simulation(BaseModel):
    """What the rules would have made of the events."""

    model_config = ConfigDict(populate_by_name=True)

    events: int
    matches: int = Field(description="Events times rules times groups that matched a filter.")
    triggers: int = Field(description="How often a condition became true.")
    late: int
    duplicates: int
    uncounted: int = Field(description="Matches without a value to count by.")
    from_: str | None = Field(alias="from")
    to: str | None
    alert_count: int
    alerts: list[dict[str, Any]] = Field(description="The first ones, as on the topic: the last record of each.")
    rules: list[RuleCount]
    timeline: Timeline
    rejected: RejectedEvents
    truncated: bool = Field(description="There were more events; those from `from` on were played.")
    read: int | None = Field(default=None, description="Records of the topics that were looked at.")


async def simulate_rule(call: Call[TenantQuery, Events]) -> Simulation:
    snapshot = call.site.tailer.snapshot
    record = find_rule(snapshot, call.principal, call.path["id"], call.query.tenant_id)
    tenant = tenant_of(call.principal, record, call.query.tenant_id)
    return await _simulated(call, call.body, tenant, [playable(record.document(), record)], [record.revision])


async def simulate(call: Call[Any, AdHoc]) -> Simulation:
    tenant = events_tenant(call, call.body.tenant_id)
    rules = ad_hoc_rules(call, tenant, call.body.rule, call.body.rules)
    return await _simulated(call, call.body, tenant, rules, [])


def events_tenant(call: Call[Any, Any], named: str | None) -> str:
    """Whose events are played. Raises ApiError, also for `*`, which has none."""
    tenant = call.tenant(named)
    if tenant == EVERY_TENANT:
        message = "'*' has no events; name one tenant"
        raise ApiError(422, f"tenant_id: {message}", errors=[("tenant_id", message)])
    return tenant


def ad_hoc_rules(
    call: Call[Any, Any], tenant: str, one: dict[str, Any] | None, several: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The rules of a request's body, as a replay takes them. Raises ApiError with every problem's path."""
    if (one is None) == (not several):
        raise ApiError(422, "rule: give either rule or rules", errors=[("rule", "give either rule or rules")])
    found: dict[str, dict[str, Any]] = {}
    for place, document in enumerate([one] if one is not None else several):
        path = "rule" if one is not None else f"rules[{place}]"
        owner = next((value for name, value in document.items() if snake(name) == "tenant_id"), None)
        if owner not in (None, tenant) and not (owner == EVERY_TENANT and call.principal.operator):
            raise ApiError(
                403, f"{path}.tenant_id: is not {tenant}", errors=[(f"{path}.tenant_id", f"is not {tenant}")]
            )
        named = {name: value for name, value in document.items() if snake(name) != "tenant_id"}
        try:
            rule = playable({**named, "tenant_id": owner or tenant})
        except DocumentError as error:
            raise of_document(error, path) from None
        if rule["id"] in found:
            message = f"{rule['id']} is another of the rules already"
            raise ApiError(422, f"{path}.id: {message}", errors=[(f"{path}.id", message)])
        found[rule["id"]] = rule
    return list(found.values())


def playable(document: dict[str, Any], record: ConfigRecord | None = None) -> dict[str, Any]:
    """A rule as a replay takes it: checked, with its id and tenant, without secrets. Raises DocumentError."""
    sent = {name: value for name, value in document.items() if snake(name) not in NOT_PLAYED - {"id", "tenant_id"}}
    rule = parse_rule(sent)
    compile_rule(rule, 1 if record is None else record.revision)
    kept = {name: value for name, value in sent.items() if snake(name) not in NOT_PLAYED}
    return {**kept, "id": rule.id, "tenant_id": rule.tenant_id}


def may_read_events(call: Call[Any, Any]) -> None:
    """Alerts show what stood in events: whoever plays stored ones must be allowed to see that. Raises ApiError 403."""
    if not call.principal.may(Scope.ALERTS_READ):
        raise ApiError(403, f"playing stored events needs the scope {Scope.ALERTS_READ}")


async def _simulated(
    call: Call[Any, Any], body: Events, tenant: str, rules: list[dict[str, Any]], revisions: list[int]
) -> Simulation:
    if (body.events is None) == (body.recent is None):
        raise ApiError(422, "events: give either events or recent", errors=[("events", "give either events or recent")])
    if body.format not in FORMATS:
        raise DocumentError((Problem("format", unknown_format(body.format)),))
    if body.recent is not None:
        may_read_events(call)
    lists = lists_of(call.site.tailer.snapshot, [str(rule["tenant_id"]) for rule in rules])
    replay = Replay(
        tenant=tenant,
        rules=tuple(rules),
        revisions=tuple(revisions),
        now=int(time.time() * 1000),
        lists={owner: {**values, **body.lists} for owner, values in lists.items()},
        events=None if body.events is None else tuple(body.events),
        format=body.format,
        span_ms=0 if body.recent is None else body.recent.minutes * 60_000,
    )
    return Simulation.model_validate(await call.site.part(Simulator).run(replay))


ROUTES = (
    Route(
        "POST",
        "/v1/rules/{id}/simulate",
        "Simulate a rule",
        Scope.RULES_READ,
        simulate_rule,
        query=TenantQuery,
        body=Events,
        example={"events": [EVENT]},
        answers=Simulation,
        refuses=(404,),
        tag=TAG,
        max_bytes=MAX_BYTES,
        description="Nothing is stored, nobody is told. A disabled rule is played as if it were not. "
        "`recent` also needs the scope alerts:read.",
    ),
    Route(
        "POST",
        "/v1/simulate",
        "Simulate rules that need not be stored",
        Scope.RULES_READ,
        simulate,
        body=AdHoc,
        example={"rule": DRAFT, "events": [EVENT]},
        answers=Simulation,
        tag=TAG,
        max_bytes=MAX_BYTES,
        description="Nothing is stored, nobody is told. `recent` also needs the scope alerts:read.",
    ),
)
