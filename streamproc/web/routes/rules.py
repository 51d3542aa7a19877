"""`/v1/rules`: rules as documents, and what is wrong with one that is being written."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from streamproc.config.record import ConfigRecord
from streamproc.config.snapshot import RULE, ConfigProblem, Snapshot
from streamproc.model.document import DocumentError, Problem, snake
from streamproc.model.rule import EVERY_TENANT, Severity
from streamproc.rules import parse_rule
from streamproc.rules.types import TYPES
from streamproc.web.configuring import delete, etag, put
from streamproc.web.paging import Page, PageQuery, TenantQuery, decode_cursor, encode_cursor
from streamproc.web.principal import Principal, Scope
from streamproc.web.problem import ApiError
from streamproc.web.route import Call, Reply, Route
from streamproc.web.rule_changes import change_rule, check_revision
from streamproc.web.rule_documents import answer, merged, written
from streamproc.web.rule_lookup import find_rule, own_rule
from streamproc.web.rule_validation import Validation, validate

TAG = "rules"
MAX_RULE_BYTES = 512 * 1024
MERGE_PATCH = "application/merge-patch+json"
EXAMPLE: dict[str, Any] = {
    "name": "Excessive Failed Logins",
    "type": "threshold",
    "condition": {
        "action": "user.login",
        "outcome": "failure",
        "count": 5,
        "window_seconds": 300,
        "group_by": "actor.ip",
    },
    "severity": "high",
    "channels": ["slack"],
}


class RuleAnswer(BaseModel):
    """A rule as configured (CONTRACT "Rule"), and how it stands. Secrets show as `(sealed)`."""

    model_config = ConfigDict(extra="allow")

    id: str
    tenant_id: str
    name: Any
    type: Any = Field(description="One of the rule types; of a rule that cannot be read, what stands there.")
    severity: Any
    enabled: Any
    revision: int | None = Field(description="From 1; the ETag. null: the record cannot be read at all.")
    updated_at: str | None
    updated_by: str | None
    managed: bool = Field(description="It is for every tenant, and operators alone change it.")
    status: Literal["active", "disabled", "inactive"] = Field(description="inactive: not in force; see problem.")
    problem: str | None = Field(description="Why it is not in force.")
    open_alerts: int | None = Field(default=None, description="Of this tenant; null where it is not known.")
    last_triggered_at: str | None = None


class RuleQuery(PageQuery):
    """What rules to list."""

    type: list[str] = Field(default=[], max_length=20)
    severity: list[str] = Field(default=[], max_length=5)
    enabled: bool | None = None
    status: Literal["active", "disabled", "inactive"] | None = None
    q: str | None = Field(default=None, max_length=200, description="Text in id, name or description.")


async def list_rules(call: Call[RuleQuery, None]) -> Page[RuleAnswer]:
    query, snapshot = call.query, call.site.tailer.snapshot
    for name, known in (("type", tuple(TYPES)), ("severity", tuple(Severity))):
        for value in getattr(query, name):
            if value not in known:
                message = f"{value!r:.40} is not one of {', '.join(known)}"
                raise ApiError(422, f"{name}: {message}", errors=[(name, message)])
    after = None if query.cursor is None else _place(query.cursor)
    tenant = call.tenant_filter(query.tenant_id)
    items: list[RuleAnswer] = []
    for place, shown in _shown(snapshot, call.principal, tenant):
        if (after is not None and place <= after) or not _wanted(query, shown):
            continue
        if len(items) == query.limit:
            last = items[-1]
            items = await _with_activity(call, items)
            return Page(items=items, next_cursor=encode_cursor([last.tenant_id, last.id]))
        items.append(RuleAnswer.model_validate(shown))
    return Page(items=await _with_activity(call, items), next_cursor=None)


async def create_rule(call: Call[TenantQuery, dict[str, Any]]) -> Reply:
    spec, _ = written(call.body)
    tenant = _tenant(call, spec, call.query.tenant_id)
    snapshot = call.site.tailer.snapshot
    id = next((value for name, value in spec.items() if snake(name) == "id"), None)
    spec = {name: value for name, value in spec.items() if snake(name) not in ("id", "tenant_id")}
    if id is None:
        id = parse_rule({**spec, "tenant_id": tenant}).id
        if snapshot.record(RULE, tenant, id) is not None:  # another of the same name, which is allowed
            id = f"rule_{uuid.uuid4()}"
    if not isinstance(id, str):
        raise DocumentError((Problem("id", f"{id!r:.80} is not text"),))
    record = await put(call, RULE, tenant, id, spec, must_exist=False)
    return await reply_of(call, record, {"Location": f"/v1/rules/{record.id}"})


async def get_rule(call: Call[TenantQuery, None]) -> Reply:
    record = find_rule(call.site.tailer.snapshot, call.principal, call.path["id"], call.query.tenant_id)
    return await reply_of(call, record)


async def replace_rule(call: Call[TenantQuery, dict[str, Any]]) -> Reply:
    spec, revision = written(call.body)

    def make(record: ConfigRecord) -> Mapping[str, Any]:
        return _named_alike(spec, record)

    return await reply_of(call, await change_rule(call, lambda: _own(call), make, revision))


async def patch_rule(call: Call[TenantQuery, dict[str, Any]]) -> Reply:
    patch, revision = written(call.body)

    def make(record: ConfigRecord) -> Mapping[str, Any]:
        return merged(record.spec, _named_alike(patch, record))

    return await reply_of(call, await change_rule(call, lambda: _own(call), make, revision))


async def delete_rule(call: Call[TenantQuery, None]) -> None:
    record = _own(call)
    await check_revision(call, record, None)
    await delete(call, RULE, record.tenant, record.id)


async def validate_rule(call: Call[TenantQuery, dict[str, Any]]) -> Validation:
    spec, _ = written(call.body)
    tenant = _tenant(call, spec, call.query.tenant_id)
    geoip = call.site.settings.geoip_db is not None
    return validate(spec, tenant, call.site.tailer.snapshot, geoip=geoip)


def _tenant(call: Call[Any, Any], body: Mapping[str, Any], asked: str | None) -> str:
    named = next((value for name, value in body.items() if snake(name) == "tenant_id"), None)
    if named is not None and not isinstance(named, str):
        raise DocumentError((Problem("tenant_id", f"{named!r:.80} is not text"),))
    return call.tenant(asked if named is None else named)


def _own(call: Call[TenantQuery, Any]) -> ConfigRecord:
    return own_rule(call.site.tailer.snapshot, call.principal, call.path["id"], call.query.tenant_id)


def _named_alike(spec: Mapping[str, Any], record: ConfigRecord) -> dict[str, Any]:
    """Without id and tenant, which must be those of the record if they are there. Raises DocumentError."""
    expected = {"id": record.id, "tenant_id": record.tenant}
    for name, value in spec.items():
        if snake(name) in expected and value != expected[snake(name)]:
            message = f"{value!r:.80} is not {expected[snake(name)]}: neither id nor tenant of a rule can be changed"
            raise DocumentError((Problem(name, message),))
    return {name: value for name, value in spec.items() if snake(name) not in expected}


async def reply_of(call: Call[Any, Any], record: ConfigRecord, headers: Mapping[str, str] | None = None) -> Reply:
    """A rule as `GET` answers it, with its ETag."""
    asker = None if call.principal.operator else call.principal.tenant
    shown = RuleAnswer.model_validate(answer(record, call.site.tailer.snapshot, asker))
    await _with_activity(call, [shown])
    return Reply(shown, headers={**etag(record), **(headers or {})})


def _place(cursor: str) -> tuple[str, str]:
    place = decode_cursor(cursor)
    if not isinstance(place, list) or len(place) != 2 or not all(isinstance(part, str) for part in place):
        raise ApiError(422, "cursor: is not one of ours", errors=[("cursor", "is not one of ours")])
    return place[0], place[1]


def _shown(
    snapshot: Snapshot, principal: Principal, tenant: str | None
) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    """((tenant, id), answer) of all rules that the asker sees, in that order; `tenant` None: everybody's."""
    asker = None if principal.operator else principal.tenant
    found: dict[tuple[str, str], ConfigRecord | ConfigProblem] = {}
    for problem in snapshot.problems:
        if problem.kind == RULE:
            found[problem.tenant, problem.id] = problem
    for record in snapshot.records(RULE):
        found[record.tenant, record.id] = record
    for place in sorted(found):
        if tenant is not None and place[0] not in (tenant, EVERY_TENANT):
            continue
        one = found[place]
        yield place, answer(one, snapshot, asker) if isinstance(one, ConfigRecord) else _unreadable(one, asker)


def _unreadable(problem: ConfigProblem, asker: str | None) -> dict[str, Any]:
    return {
        **dict.fromkeys(("name", "type", "severity", "enabled", "revision", "updated_at", "updated_by")),
        "id": problem.id,
        "tenant_id": problem.tenant,
        "managed": problem.tenant == EVERY_TENANT and asker is not None,
        "status": "inactive",
        "problem": problem.message,
    }


def _wanted(query: RuleQuery, shown: Mapping[str, Any]) -> bool:
    if query.type and shown["type"] not in query.type:
        return False
    if query.severity and not _severities(shown["severity"]) & set(query.severity):
        return False
    if query.enabled is not None and shown["enabled"] is not query.enabled:
        return False
    if query.status is not None and shown["status"] != query.status:
        return False
    if query.q:
        text = " ".join(str(shown.get(name) or "") for name in ("id", "name", "description"))
        return query.q.casefold() in text.casefold()
    return True


def _severities(severity: Any) -> set[str]:
    """Those that its alerts may have."""
    if isinstance(severity, list):
        return {str(case.get("severity")) for case in severity if isinstance(case, dict)}
    return {severity} if isinstance(severity, str) else set()


async def _with_activity(call: Call[Any, Any], rules: list[RuleAnswer]) -> list[RuleAnswer]:
    """With what the read model knows of their alerts."""
    tenant = None if call.principal.operator else call.principal.tenant
    known = await call.site.store.rule_activity(tenant, [(rule.tenant_id, rule.id) for rule in rules])
    for rule in rules:
        open_alerts, last = known.get((rule.tenant_id, rule.id), (0, None))
        rule.open_alerts, rule.last_triggered_at = open_alerts, last
    return rules


ROUTES = (
    Route(
        "GET",
        "/v1/rules",
        "List rules",
        Scope.RULES_READ,
        list_rules,
        query=RuleQuery,
        answers=Page[RuleAnswer],
        tag=TAG,
    ),
    Route(
        "POST",
        "/v1/rules",
        "Create a rule",
        Scope.RULES_WRITE,
        create_rule,
        query=TenantQuery,
        body=dict,
        example=EXAMPLE,
        answers=RuleAnswer,
        status=201,
        refuses=(409,),
        tag=TAG,
        max_bytes=MAX_RULE_BYTES,
        description="A rule without an id gets one. Over the plan's quota the answer is 409.",
    ),
    Route(
        "POST",
        "/v1/rules/validate",
        "Say what is wrong with a rule",
        Scope.RULES_READ,
        validate_rule,
        query=TenantQuery,
        body=dict,
        example=EXAMPLE,
        answers=Validation,
        tag=TAG,
        max_bytes=MAX_RULE_BYTES,
        description="Nothing is stored. Fast enough to be asked as one types.",
    ),
    Route(
        "GET",
        "/v1/rules/{id}",
        "Get a rule",
        Scope.RULES_READ,
        get_rule,
        query=TenantQuery,
        answers=RuleAnswer,
        refuses=(404,),
        tag=TAG,
    ),
    Route(
        "PUT",
        "/v1/rules/{id}",
        "Replace a rule",
        Scope.RULES_WRITE,
        replace_rule,
        query=TenantQuery,
        body=dict,
        example=EXAMPLE,
        answers=RuleAnswer,
        refuses=(404, 409, 412),
        tag=TAG,
        max_bytes=MAX_RULE_BYTES,
        description="The whole document. What GET answers can be sent back, `(sealed)` secrets too. With `If-Match` "
        "(412) or `revision` (409) it changes only what you have seen.",
    ),
    Route(
        "PATCH",
        "/v1/rules/{id}",
        "Change a rule",
        Scope.RULES_WRITE,
        patch_rule,
        query=TenantQuery,
        body=dict,
        example={"severity": "critical", "condition": {"count": 3}, "cooldown_min": 60},
        answers=RuleAnswer,
        refuses=(404, 409, 412),
        tag=TAG,
        max_bytes=MAX_RULE_BYTES,
        also_takes=(MERGE_PATCH,),
        description="Fields replace fields, null takes one away, `condition` is merged field by field. "
        "`enabled: false` disables. With `If-Match` (412) or `revision` (409) it changes only what you have seen.",
    ),
    Route(
        "DELETE",
        "/v1/rules/{id}",
        "Delete a rule",
        Scope.RULES_WRITE,
        delete_rule,
        query=TenantQuery,
        status=204,
        refuses=(404, 412),
        tag=TAG,
    ),
)
