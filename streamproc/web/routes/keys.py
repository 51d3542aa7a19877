"""API keys: made, listed, changed, rotated with overlap, revoked. Their text is answered once, when they are made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import AwareDatetime, BaseModel, Field

from streamproc.config.record import ConfigRecord
from streamproc.model.key import PERSON, SESSION, Key, Scope, parse_key
from streamproc.model.rule import EVERY_TENANT
from streamproc.web import configuring
from streamproc.web.keys import KIND, key_spec, new_key
from streamproc.web.paging import Page, PageQuery, TenantQuery, decode_cursor, encode_cursor
from streamproc.web.problem import ApiError
from streamproc.web.route import Answer, Call, Route

MAX_OVERLAP = 30 * 24 * 3600

Name = Field(min_length=1, max_length=64, description="For people: what or who uses it.")
Scopes = Field(min_length=1, max_length=len(Scope))


class CreateKey(BaseModel):
    """A key to make."""

    name: str = Name
    scopes: list[Scope] = Scopes
    expires_at: AwareDatetime | None = Field(default=None, description="From then on it opens nothing; null: never.")
    tenant_id: str | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        description="Whose; operators name one, or `*` for another operator.",
    )


class ChangeKey(BaseModel):
    """What of a key can be changed."""

    name: str | None = Field(default=None, min_length=1, max_length=64)
    scopes: list[Scope] | None = Field(default=None, min_length=1, max_length=len(Scope))
    expires_at: AwareDatetime | None = None


class RotateKey(BaseModel):
    """How long the old text opens too."""

    overlap_seconds: int = Field(default=24 * 3600, ge=0, le=MAX_OVERLAP)


class KeyAnswer(BaseModel):
    """A key without its text."""

    id: str
    tenant_id: str
    name: str
    scopes: list[Scope]
    last4: list[str] = Field(description="The end of each text that opens it, the newest first.")
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    revision: int
    updated_at: str
    updated_by: str


class NewKeyAnswer(KeyAnswer):
    """A key with its text, which is not shown again."""

    token: str = Field(description="Show it as `Authorization: Bearer …`.")
    old_until: str | None = Field(default=None, description="Until then the text before opens too.")


async def listed(call: Call[PageQuery, None]) -> Answer:
    """Also those that are revoked or have expired."""
    tenant = call.tenant_filter(call.query.tenant_id)
    after = str(decode_cursor(call.query.cursor)) if call.query.cursor is not None else ""
    found = [one for one in call.site.tailer.snapshot.records(KIND, tenant) if one.key > after]
    shown, rest = found[: call.query.limit], found[call.query.limit :]
    return Page[KeyAnswer](
        items=[_answer(record) for record in shown], next_cursor=encode_cursor(shown[-1].key) if rest else None
    )


async def create(call: Call[Any, CreateKey]) -> Answer:
    """The answer holds the key's text, this once."""
    body, now = call.body, datetime.now(UTC)
    if body.expires_at is not None and body.expires_at <= now:
        raise ApiError(422, "expires_at: is past", errors=[("expires_at", "is past")])
    _check_name(body.name)
    tenant = call.tenant(body.tenant_id)
    made = new_key(call.site.keyring)
    spec = key_spec(made, body.name, [scope.value for scope in dict.fromkeys(body.scopes)], body.expires_at, now=now)
    record = await configuring.put(call, KIND, tenant, made.id, spec, must_exist=False)
    return NewKeyAnswer(**_answer(record).model_dump(), token=made.token)


async def read(call: Call[TenantQuery, None]) -> Answer:
    """One key, without its text."""
    return _answer(_found(call))


async def change(call: Call[TenantQuery, ChangeKey]) -> Answer:
    """Its name, scopes and end; fields that are left out stay, `expires_at` null takes the end away."""
    record = _found(call)
    _check_text(record)
    sent = call.body.model_fields_set
    spec = dict(record.spec)
    if call.body.name is not None:
        _check_name(call.body.name)
        spec["name"] = call.body.name
    if call.body.scopes is not None:
        spec["scopes"] = [scope.value for scope in dict.fromkeys(call.body.scopes)]
    if "expires_at" in sent:
        spec.pop("expires_at", None)
        if call.body.expires_at is not None:
            spec["expires_at"] = call.body.expires_at.isoformat()
    return _answer(await _put(call, record, spec, None))


async def rotate(call: Call[TenantQuery, RotateKey]) -> Answer:
    """A new text for the same key; the one before opens it too until `overlap_seconds` have passed."""
    record = _found(call)
    _check_text(record)
    key = parse_key(record.document())
    now = datetime.now(UTC)
    if not key.opens_at(now):
        raise ApiError(409, "the key is revoked or has expired; create another")
    until = now + timedelta(seconds=call.body.overlap_seconds)
    made = new_key(call.site.keyring, record.id)
    hashes = key.rotated(made.hash, until, now)
    spec = {**record.spec, "hashes": hashes}
    after = await _put(call, record, spec, "rotate")
    return NewKeyAnswer(
        **_answer(after).model_dump(), token=made.token, old_until=until.isoformat() if len(hashes) > 1 else None
    )


async def revoke(call: Call[TenantQuery, None]) -> Answer:
    """It opens nothing from now on, nor do sessions that were opened with it; it stays in the list."""
    record = _found(call)
    if record.spec.get("revoked_at") is not None:
        return _answer(record)
    return _answer(await _put(call, record, {**record.spec, "revoked_at": datetime.now(UTC).isoformat()}, "revoke"))


async def remove(call: Call[TenantQuery, None]) -> Answer:
    """Revoke a key and forget it."""
    record = _found(call)
    await configuring.delete(call, KIND, record.tenant, record.id)
    return None


def _found(call: Call[Any, Any]) -> ConfigRecord:
    named = call.query.tenant_id
    if call.principal.operator and named is None:
        named = EVERY_TENANT
    return configuring.find(call, KIND, call.tenant(named), call.path["id"])


def _check_name(name: str) -> None:
    """Names of people whom an identity provider knows are not for keys: history would say that they did it."""
    if name.startswith(PERSON):
        raise ApiError(422, f"name: begins with {PERSON}", errors=[("name", f"begins with {PERSON}")])


def _check_text(record: ConfigRecord) -> None:
    """A session's key has no text, and must not get one: what is done with it is done in a person's name."""
    if record.id.startswith(SESSION):
        raise ApiError(409, "the key is of a session; it can only be revoked")


async def _put(call: Call[Any, Any], before: ConfigRecord, spec: dict[str, Any], action: str | None) -> ConfigRecord:
    return await configuring.put(
        call, KIND, before.tenant, before.id, {**spec, "revision": before.revision}, must_exist=True, action=action
    )


def _answer(record: ConfigRecord) -> KeyAnswer:
    key: Key = parse_key(record.document())
    now = datetime.now(UTC)
    return KeyAnswer(
        id=key.id,
        tenant_id=key.tenant_id,
        name=key.name,
        scopes=list(key.scopes),
        last4=[one.last4 for one in key.hashes if one.opens_at(now)],
        created_at=key.created_at.isoformat(),
        expires_at=key.expires_at.isoformat() if key.expires_at else None,
        revoked_at=key.revoked_at.isoformat() if key.revoked_at else None,
        revision=record.revision,
        updated_at=record.updated_at,
        updated_by=record.updated_by,
    )


_ADMIN = Scope.ADMIN
ROUTES = (
    Route("GET", "/v1/keys", "List keys", _ADMIN, listed, query=PageQuery, answers=Page[KeyAnswer], tag="keys"),
    Route(
        "POST", "/v1/keys", "Create a key", _ADMIN, create, body=CreateKey, answers=NewKeyAnswer, status=201,
        tag="keys", example={"name": "collector", "scopes": ["events:write"]},
    ),
    Route("GET", "/v1/keys/{id}", "Read a key", _ADMIN, read, query=TenantQuery, answers=KeyAnswer, tag="keys"),
    Route(
        "PATCH", "/v1/keys/{id}", "Change a key", _ADMIN, change, query=TenantQuery, body=ChangeKey, answers=KeyAnswer,
        refuses=(409, 412), tag="keys",
    ),
    Route(
        "DELETE", "/v1/keys/{id}", "Delete a key", _ADMIN, remove, query=TenantQuery, refuses=(409, 412), tag="keys"
    ),
    Route(
        "POST", "/v1/keys/{id}/rotate", "Rotate a key", _ADMIN, rotate, query=TenantQuery, body=RotateKey,
        answers=NewKeyAnswer, refuses=(409, 412), tag="keys",
    ),
    Route(
        "POST", "/v1/keys/{id}/revoke", "Revoke a key", _ADMIN, revoke, query=TenantQuery, answers=KeyAnswer,
        refuses=(409, 412), tag="keys",
    ),
)  # fmt: skip
