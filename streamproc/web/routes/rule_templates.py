"""`/v1/rule-templates`: the packs of rules that come with the product, and taking one into use."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from streamproc.config.packs import RuleTemplate, rule_templates
from streamproc.config.snapshot import RULE
from streamproc.model.document import DocumentError, Problem, snake
from streamproc.web.configuring import put
from streamproc.web.paging import Page, PageQuery, TenantQuery, decode_cursor, encode_cursor
from streamproc.web.principal import Scope
from streamproc.web.problem import ApiError
from streamproc.web.route import Call, Reply, Route
from streamproc.web.routes.rules import RuleAnswer, reply_of
from streamproc.web.rule_documents import merged

TAG = "rule templates"


class TemplateSummary(BaseModel):
    """A rule of a pack."""

    id: str
    pack: str
    name: str
    description: str
    type: str
    severity: str
    category: str | None
    mitre_tactics: list[str]
    mitre_techniques: list[str]
    runbook: str | None
    enabled: bool | None = Field(description="Whether the tenant's rule of this id is enabled; null: it has none.")


class Template(TemplateSummary):
    """With all that it says."""

    rule: dict[str, Any] = Field(description="The rule as a document, without a tenant.")
    yaml: str = Field(description="Its file, with the comments.")


class TemplateQuery(PageQuery):
    """What templates to list."""

    pack: str | None = Field(default=None, max_length=64)
    type: str | None = Field(default=None, max_length=64)
    severity: str | None = Field(default=None, max_length=32)
    q: str | None = Field(default=None, max_length=200, description="Text in id, name, description or techniques.")


class EnableOrder(BaseModel):
    """What to change of the template before it becomes a rule."""

    model_config = ConfigDict(extra="forbid")

    id: str | None = Field(default=None, min_length=1, max_length=128, description="Default: the template's.")
    overrides: dict[str, Any] = Field(default={}, description="As in `PATCH /v1/rules/{id}`.")
    tenant_id: str | None = Field(default=None, description="For whom; operators' keys only. '*': for every tenant.")


async def list_templates(call: Call[TemplateQuery, None]) -> Page[TemplateSummary]:
    query = call.query
    after = None if query.cursor is None else decode_cursor(query.cursor)
    if after is not None and not isinstance(after, str):
        raise ApiError(422, "cursor: is not one of ours", errors=[("cursor", "is not one of ours")])
    tenant = _tenant(call, query.tenant_id)
    found = [one for one in rule_templates() if _wanted(query, one)]
    if after is not None:
        ids = [one.id for one in found]
        found = found[ids.index(after) + 1 :] if after in ids else []
    page = found[: query.limit]
    items = [TemplateSummary.model_validate(_summary(call, one, tenant)) for one in page]
    return Page(items=items, next_cursor=encode_cursor(page[-1].id) if len(found) > len(page) else None)


async def get_template(call: Call[TenantQuery, None]) -> Template:
    one = _template(call.path["id"])
    summary = _summary(call, one, _tenant(call, call.query.tenant_id))
    return Template.model_validate({**summary, "rule": one.content, "yaml": one.text})


async def enable_template(call: Call[Any, EnableOrder]) -> Reply:
    one = _template(call.path["id"])
    tenant = call.tenant(call.body.tenant_id)
    for name in call.body.overrides:
        if snake(name) in ("id", "tenant_id"):
            raise DocumentError((Problem(f"overrides.{name}", "stands beside overrides, not in them"),))
    id = call.body.id or one.id
    spec = {name: value for name, value in one.content.items() if name != "id"}
    try:
        record = await put(call, RULE, tenant, id, merged(spec, call.body.overrides), must_exist=False)
    except ApiError as error:
        if error.status == 409 and call.site.tailer.snapshot.record(RULE, tenant, id) is not None:
            detail = f"{tenant} has a rule {id} already: PATCH /v1/rules/{id} changes it; `id` makes a second one"
            raise ApiError(409, detail, errors=[("id", f"{id} is taken")]) from None
        raise
    return await reply_of(call, record, {"Location": f"/v1/rules/{record.id}"})


def _template(id: str) -> RuleTemplate:
    """Raises ApiError 404."""
    for one in rule_templates():
        if one.id == id:
            return one
    raise ApiError(404, f"there is no rule template {id!r:.80}")


def _tenant(call: Call[Any, Any], named: str | None) -> str | None:
    """Whose rules say what is enabled: operators may leave it open."""
    return call.tenant_filter(named)


def _wanted(query: TemplateQuery, one: RuleTemplate) -> bool:
    rule = one.rule
    for asked, has in ((query.pack, one.pack), (query.type, rule.type), (query.severity, str(rule.severity))):
        if asked is not None and asked != has:
            return False
    text = " ".join((rule.id, rule.name, rule.description, *rule.mitre_techniques, *rule.mitre_tactics))
    return query.q is None or query.q.casefold() in text.casefold()


def _summary(call: Call[Any, Any], one: RuleTemplate, tenant: str | None) -> dict[str, Any]:
    rule = one.rule
    snapshot = call.site.tailer.snapshot
    enabled = None
    if tenant is not None and snapshot.record(RULE, tenant, one.id) is not None:
        compiled = snapshot.rule(tenant, one.id)
        enabled = compiled is not None and compiled.rule.enabled
    return {
        "id": rule.id,
        "pack": one.pack,
        "name": rule.name,
        "description": rule.description,
        "type": rule.type,
        "severity": str(rule.severity),
        "category": None if rule.category is None else str(rule.category),
        "mitre_tactics": list(rule.mitre_tactics),
        "mitre_techniques": list(rule.mitre_techniques),
        "runbook": rule.runbook,
        "enabled": enabled,
    }


ROUTES = (
    Route(
        "GET",
        "/v1/rule-templates",
        "List rule templates",
        Scope.RULES_READ,
        list_templates,
        query=TemplateQuery,
        answers=Page[TemplateSummary],
        tag=TAG,
    ),
    Route(
        "GET",
        "/v1/rule-templates/{id}",
        "Get a rule template",
        Scope.RULES_READ,
        get_template,
        query=TenantQuery,
        answers=Template,
        refuses=(404,),
        tag=TAG,
    ),
    Route(
        "POST",
        "/v1/rule-templates/{id}/enable",
        "Make a rule of a template",
        Scope.RULES_WRITE,
        enable_template,
        body=EnableOrder,
        example={"overrides": {"severity": "critical"}},
        answers=RuleAnswer,
        status=201,
        refuses=(404, 409),
        tag=TAG,
        description="409 where the tenant has it already, and over the plan's quota.",
    ),
)
