"""What tenants configure, beside rules and keys: the same six routes for each kind of document.

A document is written as in a file for `streamproc config apply` (docs/reference/config.md), without `kind`; secrets in
it are never answered, and kept when they are left out or sent as `(sealed)`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from streamproc.config.quota import PLAN
from streamproc.config.snapshot import RULE
from streamproc.model.document import DocumentError
from streamproc.model.plan import parse_plan
from streamproc.web import configuring
from streamproc.web.paging import Page, PageQuery, TenantQuery, decode_cursor, encode_cursor
from streamproc.web.principal import Scope
from streamproc.web.problem import ApiError
from streamproc.web.route import Answer, Call, Handler, Reply, Route
from streamproc.web.rule_validation import FieldProblem


class Configured(BaseModel):
    """A document as configured, secrets masked, with its revision and who changed it last."""

    model_config = ConfigDict(extra="allow")

    id: str
    tenant_id: str
    revision: int
    updated_at: str
    updated_by: str


class DocumentValidation(BaseModel):
    """`valid`: the document can be saved."""

    valid: bool
    errors: list[FieldProblem]


class PlanAnswer(BaseModel):
    """A tenant's plan, and how much of it is used."""

    tenant_id: str
    plan: str | None
    """None: the tenant has no plan, and no limit."""
    quota: int | None
    """Rules that it may have; None: without limit."""
    rules: int


@dataclass(frozen=True, slots=True)
class Collection:
    """A kind of document under a path of its own."""

    kind: str
    path: str
    one: str
    example: Mapping[str, Any]


COLLECTIONS = (
    Collection(
        "channel", "/v1/channels", "a channel", {"id": "slack", "type": "slack", "url": "https://hooks.slack.com/…"}
    ),
    Collection(
        "webhook",
        "/v1/webhooks",
        "a webhook",
        {"id": "soc", "url": "https://soc.example.com/alerts", "secret": "whsec_…", "events": ["alert.triggered"]},
    ),
    Collection(
        "user",
        "/v1/users",
        "a user",
        {"id": "test01", "name": "Kumer", "email": "kumer@example.net", "phone": "+8613800138000", "roles": ["admin"]},
    ),
    Collection(
        "user_group", "/v1/user-groups", "a group of users", {"id": "soc-team", "name": "SOC", "members": ["test01"]}
    ),
    Collection(
        "template",
        "/v1/templates",
        "a content template",
        {"id": "short", "name": "Short", "contents": {"default": {"en": {"text": "{{ alert.title }}"}}}},
    ),
    Collection(
        "policy",
        "/v1/policies",
        "an action policy",
        {
            "id": "default",
            "name": "Default",
            "groups": [{"id": "all", "channels": ["slack"]}],
            "steps": [{"group": "all"}],
        },
    ),
    Collection(
        "silence",
        "/v1/silences",
        "a silence",
        {
            "id": "maintenance",
            "matchers": {"category": "network"},
            "starts_at": "2026-03-01T20:00:00Z",
            "ends_at": "2026-03-01T23:00:00Z",
            "author": "alice",
            "comment": "Router upgrade",
        },
    ),
    Collection("list", "/v1/lists", "a named list", {"id": "vip-users", "values": ["alice", "bob"]}),
)


def routes_of(collection: Collection) -> tuple[Route, ...]:
    """List, create, check, read, replace, change, delete."""
    kind, path, one = collection.kind, collection.path, collection.one
    tag = path.rpartition("/")[2]
    handlers = _handlers(collection)
    read, write = Scope.CONFIG_READ, Scope.CONFIG_WRITE
    item = path + "/{id}"
    return (
        Route(
            "GET", path, f"List {tag}", read, handlers["list"], query=PageQuery, answers=Page[Configured], tag=tag,
            description="In the order of tenant and id.",
        ),
        Route(
            "POST", path, f"Create {one}", write, handlers["create"], query=TenantQuery, body=dict, answers=Configured,
            status=201, tag=tag, example=collection.example, refuses=(409,),
            description=f"A {kind} document; without an `id` it gets one. 409 where the id is taken.",
        ),
        Route(
            "POST", f"{path}/validate", f"Say what is wrong with {one}", read, handlers["validate"],
            query=TenantQuery, body=dict, answers=DocumentValidation, tag=tag, example=collection.example,
            description="Nothing is stored. With the `id` of one that is there, secrets that are left out or sent as "
            "`(sealed)` are those that are kept. Fast enough to be asked as one types.",
        ),
        Route(
            "GET", item, f"Read {one}", read, handlers["read"], query=TenantQuery, answers=Configured, tag=tag,
            description="`ETag` is the revision.",
        ),
        Route(
            "PUT", item, f"Create or replace {one}", write, handlers["replace"], query=TenantQuery, body=dict,
            answers=Configured, also_answers=(201,), refuses=(409, 412), tag=tag, example=collection.example,
            description="With `If-Match` only that revision is replaced (else 412). A secret that is left out, or sent "
            "as `(sealed)`, stays as it is; null takes it away.",
        ),
        Route(
            "PATCH", item, f"Change {one}", write, handlers["change"], query=TenantQuery, body=dict,
            also_takes=("application/merge-patch+json",), answers=Configured, refuses=(409, 412), tag=tag,
            description="Fields that are sent replace those there, maps are merged, null takes a field away.",
        ),
        Route(
            "DELETE", item, f"Delete {one}", write, handlers["delete"], query=TenantQuery, refuses=(409, 412), tag=tag
        ),
    )  # fmt: skip


def _handlers(collection: Collection) -> dict[str, Handler]:
    kind = collection.kind

    async def listed(call: Call[PageQuery, None]) -> Answer:
        return page_of(call, kind)

    async def create(call: Call[TenantQuery, dict[str, Any]]) -> Answer:
        tenant = tenant_of(call)
        id = _id_of(call.body, kind)
        if id is None:
            raise ApiError(422, f"id: {call.body['id']!r:.80} is not text", errors=[("id", "is not text")])
        record = await configuring.put(call, kind, tenant, id, call.body, must_exist=False)
        location = f"{collection.path}/{record.id}"
        headers = {"Location": location} if location.isascii() and location.isprintable() else {}
        return Reply(configuring.shown(record), 201, {**headers, **configuring.etag(record)})

    async def validate(call: Call[TenantQuery, dict[str, Any]]) -> Answer:
        tenant, id = tenant_of(call), _id_of(call.body, kind)
        if id is None:
            errors = [FieldProblem(path="id", message=f"{call.body['id']!r:.80} is not text")]
        else:
            found = configuring.problems_of(call, kind, tenant, id, call.body)
            errors = [FieldProblem(path=one.path, message=one.message) for one in found]
        return DocumentValidation(valid=not errors, errors=errors)

    async def read(call: Call[TenantQuery, None]) -> Answer:
        record = configuring.find(call, kind, tenant_of(call), call.path["id"])
        return Reply(configuring.shown(record), headers=configuring.etag(record))

    async def replace(call: Call[TenantQuery, dict[str, Any]]) -> Answer:
        tenant, id = tenant_of(call), call.path["id"]
        known = call.site.tailer.snapshot.record(kind, tenant, id) is not None
        record = await configuring.put(call, kind, tenant, id, call.body)
        return Reply(configuring.shown(record), 200 if known else 201, configuring.etag(record))

    async def change(call: Call[TenantQuery, dict[str, Any]]) -> Answer:
        tenant, id = tenant_of(call), call.path["id"]
        before = configuring.find(call, kind, tenant, id)
        spec = {"revision": before.revision, **configuring.patched(call, before, call.body)}
        record = await configuring.put(call, kind, tenant, id, spec, must_exist=True)
        return Reply(configuring.shown(record), headers=configuring.etag(record))

    async def remove(call: Call[TenantQuery, None]) -> Answer:
        await configuring.delete(call, kind, tenant_of(call), call.path["id"])
        return None

    return {
        "list": listed,
        "create": create,
        "validate": validate,
        "read": read,
        "replace": replace,
        "change": change,
        "delete": remove,
    }


def _id_of(body: Mapping[str, Any], kind: str) -> str | None:
    """The id that a new document names, or a fresh one; None for one that is not text."""
    id = body.get("id")
    if id is None:
        return configuring.fresh_id(kind)
    return id if isinstance(id, str) and id else None


def tenant_of(call: Call[Any, Any]) -> str:
    """The tenant that a route for one thing acts for: the key's, or the one that an operator names."""
    body = call.body if isinstance(call.body, Mapping) else {}
    named = body.get("tenant_id", body.get("tenantId"))
    if named is not None and not isinstance(named, str):
        raise ApiError(422, f"tenant_id: {named!r:.80} is not text", errors=[("tenant_id", "is not text")])
    if named is not None and call.query.tenant_id not in (None, named):
        message = f"is {named!r:.80}, and {call.query.tenant_id!r} in the address"
        raise ApiError(422, f"tenant_id: {message}", errors=[("tenant_id", message)])
    return call.tenant(named or call.query.tenant_id)


def page_of(call: Call[Any, Any], kind: str) -> dict[str, Any]:
    """A page of what is configured of a kind; things that come and go meanwhile move no others."""
    tenant, query = call.tenant_filter(call.query.tenant_id), call.query
    after = decode_cursor(query.cursor) if query.cursor is not None else ""
    if not isinstance(after, str):
        raise ApiError(422, "cursor: is not one of ours", errors=[("cursor", "is not one of ours")])
    found = []
    for record in call.site.tailer.snapshot.records(kind, tenant):
        if record.key > after:
            found.append(record)
            if len(found) > query.limit:
                break
    rest = len(found) > query.limit
    found = found[: query.limit]
    return {
        "items": [configuring.shown(record) for record in found],
        "next_cursor": encode_cursor(found[-1].key) if rest else None,
    }


async def plans(call: Call[PageQuery, None]) -> Answer:
    """The tenant's plan and the rules it has; an operator sees every tenant that has either."""
    tenant, snapshot = call.tenant_filter(call.query.tenant_id), call.site.tailer.snapshot
    counts: dict[str, int] = {} if tenant is None else {tenant: 0}
    for record in snapshot.records(RULE, tenant):
        if record.tenant != "*":
            counts[record.tenant] = counts.get(record.tenant, 0) + 1
    found = {name: PlanAnswer(tenant_id=name, plan=None, quota=None, rules=count) for name, count in counts.items()}
    for record in snapshot.records(PLAN, tenant):
        try:
            plan = parse_plan(record.document())
        except DocumentError:
            continue
        rules = counts.get(record.tenant, 0)
        found[record.tenant] = PlanAnswer(tenant_id=record.tenant, plan=plan.plan.value, quota=plan.quota, rules=rules)
    after = decode_cursor(call.query.cursor) if call.query.cursor is not None else ""
    names = [name for name in sorted(found) if name > str(after)]
    shown, rest = names[: call.query.limit], names[call.query.limit :]
    return Page[PlanAnswer](
        items=[found[name] for name in shown], next_cursor=encode_cursor(shown[-1]) if rest else None
    )


ROUTES = (
    *(route for collection in COLLECTIONS for route in routes_of(collection)),
    Route(
        "GET", "/v1/plans", "Plans and what is used of them", Scope.CONFIG_READ, plans, query=PageQuery,
        answers=Page[PlanAnswer], tag="plans",
    ),
)  # fmt: skip
