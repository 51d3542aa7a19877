"""`/v1/rules/{id}/versions` and `/diff`: who changed what of a rule, and what it was before."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, create_model

from streamproc.config.record import ConfigRecord
from streamproc.web.paging import Page, PageQuery, TenantQuery, decode_cursor, encode_cursor
from streamproc.web.principal import Scope
from streamproc.web.problem import ApiError
from streamproc.web.route import Call, Route
from streamproc.web.rule_documents import differences, document
from streamproc.web.rule_lookup import find_rule
from streamproc.web.versions import Versions

TAG = "rules"


class FieldChange(BaseModel):
    """A field that two versions have otherwise; null where one of them has none."""

    path: str
    before: Any
    after: Any


class VersionAnswer(BaseModel):
    """One revision of a rule."""

    revision: int
    updated_at: str
    updated_by: str
    current: bool
    changes: list[FieldChange] | None = Field(
        description="What it changed of the one before; null where that is not kept."
    )
    rule: dict[str, Any]


_BETWEEN: dict[str, Any] = {  # `from` cannot be written as a field
    "from": (int | None, Field(default=None, ge=1, description="Default: the one before `to`.")),
    "to": (int | None, Field(default=None, ge=1, description="Default: the present one.")),
}
DiffQuery = create_model("DiffQuery", __base__=TenantQuery, **_BETWEEN)
"""Which revisions to compare."""


class Diff(BaseModel):
    """What two revisions have otherwise."""

    from_: int = Field(alias="from", serialization_alias="from")
    to: int
    changes: list[FieldChange]


async def list_versions(call: Call[PageQuery, None]) -> Page[VersionAnswer]:
    versions, current = await _versions(call, call.query.tenant_id)
    below = None
    if call.query.cursor is not None:
        below = decode_cursor(call.query.cursor)
        if type(below) is not int:
            raise ApiError(422, "cursor: is not one of ours", errors=[("cursor", "is not one of ours")])
    known = {version.revision: version for version in versions}
    left = [version for version in versions if below is None or version.revision < below]
    page = left[: call.query.limit]
    items = []
    for version in page:
        before = known.get(version.revision - 1)
        items.append(
            VersionAnswer(
                revision=version.revision,
                updated_at=version.updated_at,
                updated_by=version.updated_by,
                current=current is not None and version.revision == current.revision,
                changes=None if before is None else _changes(before, version),
                rule=document(version),
            )
        )
    more = len(left) > len(page)
    return Page(items=items, next_cursor=encode_cursor(page[-1].revision) if more else None)


async def diff_versions(call: Call[Any, None]) -> Diff:
    asked = call.query.model_dump()
    versions, _ = await _versions(call, asked["tenant_id"])
    known = {version.revision: version for version in versions}
    to = versions[0].revision if asked["to"] is None else asked["to"]
    start = max(1, to - 1) if asked["from"] is None else asked["from"]
    for number in (start, to):
        if number not in known:
            raise ApiError(404, f"revision {number} of rule {call.path['id']} is not kept, or was never there")
    return Diff.model_validate({"from": start, "to": to, "changes": _changes(known[start], known[to])})


async def _versions(call: Call[Any, None], tenant: str | None) -> tuple[list[ConfigRecord], ConfigRecord | None]:
    """The versions of the rule that is meant, also when it was deleted, and what is configured now."""
    current: ConfigRecord | None = None
    try:
        current = find_rule(call.site.tailer.snapshot, call.principal, call.path["id"], tenant)
        owner = current.tenant
    except ApiError as error:
        own = tenant if call.principal.operator else call.principal.tenant
        if error.status != 404 or own is None:
            raise
        owner = own
    found = await call.site.part(Versions).of(owner, call.path["id"], current)
    if not found:
        raise ApiError(404, f"there is no rule {call.path['id']!r:.80}")
    return found, current


def _changes(before: ConfigRecord, after: ConfigRecord) -> list[FieldChange]:
    return [FieldChange.model_validate(one) for one in differences(before, after)]


ROUTES = (
    Route(
        "GET",
        "/v1/rules/{id}/versions",
        "List the versions of a rule",
        Scope.RULES_READ,
        list_versions,
        query=PageQuery,
        answers=Page[VersionAnswer],
        refuses=(404,),
        tag=TAG,
        description="The latest first; also those of a rule that was deleted.",
    ),
    Route(
        "GET",
        "/v1/rules/{id}/diff",
        "Compare two versions of a rule",
        Scope.RULES_READ,
        diff_versions,
        query=DiffQuery,
        answers=Diff,
        refuses=(404,),
        tag=TAG,
    ),
)
