"""Changing what is configured, over HTTP: checked as `streamproc config apply` does, sealed, written, and seen.

A change is answered when Kafka has acknowledged it and this process reads it itself, so that whoever changes a thing
sees it changed. Each change has an entry in the audit log, and is an event of its tenant.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import structlog
from pydantic import BaseModel

from streamproc.config.changes import Action, Change, Wanted, check_document, plan
from streamproc.config.keyring import SealError
from streamproc.config.kinds import KINDS
from streamproc.config.quota import check_quota
from streamproc.config.record import ConfigRecord, RecordError, record_key
from streamproc.config.sealing import SECRETS, hidden, open_sealed
from streamproc.model.document import DocumentError, Problem, snake_cased
from streamproc.model.times import iso
from streamproc.web.auditing import record_changes
from streamproc.web.masking import carried_off, merged, with_secrets
from streamproc.web.problem import ApiError
from streamproc.web.route import Call

log = structlog.get_logger(__name__)

SEEN_S = 10.0
"""A change that this process has not read by then is answered with 503, though it may be in force."""
ANSWERED = ("revision", "updated_at", "updated_by", "kind", "id", "tenant_id", "tenantId")
"""What answers say of a thing beside its document; sent back, it changes nothing (`revision` is compared)."""


async def put(
    call: Call[Any, Any],
    kind: str,
    tenant: str,
    id: str,
    spec: Mapping[str, Any],
    *,
    must_exist: bool | None = None,
    action: str | None = None,
) -> ConfigRecord:
    """Make `spec` (a document without kind, tenant and id) what is configured; what means the same changes nothing.

    `must_exist`: True answers 404 where there is none, False 409 where there is one. `If-Match`, or a `revision` in
    the document, is held against the revision there (412, 409). Sealed fields that are left out or masked are kept.
    `action`: what the audit log calls it, in place of create or update. Raises ApiError (also 409 over the plan's
    quota, 503 when Kafka does not acknowledge) and DocumentError.
    """
    (record,) = await put_many(call, kind, tenant, [(id, spec)], must_exist=must_exist, action=action)
    return record


async def put_many(
    call: Call[Any, Any],
    kind: str,
    tenant: str,
    documents: Sequence[tuple[str, Mapping[str, Any]]],
    *,
    must_exist: bool | None = None,
    action: str | None = None,
    dry_run: bool = False,
) -> list[ConfigRecord]:
    """As `put`, of several (id, spec): all or, when one is wrong, none; `dry_run` checks and writes nothing."""
    site = call.site
    async with site.changing:
        snapshot = site.tailer.snapshot
        wanted: list[Wanted] = []
        for place, (id, spec) in enumerate(documents):
            if place % 100 == 99:
                await asyncio.sleep(0)  # checking a long list must not hold up everybody else
            before = snapshot.record(kind, tenant, id)
            if must_exist is True and before is None:
                raise not_there(kind, id)
            if must_exist is False and before is not None:
                raise ApiError(409, f"there is a {kind} {id} already", errors=[("id", f"{id!r} is taken")])
            _check_revision(call, spec, before)
            wanted.append(_checked(call, kind, tenant, id, spec, before))
        changes = plan(snapshot, wanted, site.keyring, now=_now(), by=author(call))
        check_quota(snapshot, changes)
        if not dry_run:
            await _apply(call, changes, action)
    return [change.record for change in changes]


async def delete(call: Call[Any, Any], kind: str, tenant: str, id: str, *, action: str | None = None) -> None:
    """Delete a thing; `action`: what the audit log calls it, in place of delete.

    Raises ApiError: 404 when there is none, 412 when `If-Match` names another revision.
    """
    async with call.site.changing:
        before = call.site.tailer.snapshot.record(kind, tenant, id)
        if before is None:
            raise not_there(kind, id)
        _check_revision(call, {}, before)
        await _apply(call, [Change(Action.DELETE, before, None)], action)


def problems_of(call: Call[Any, Any], kind: str, tenant: str, id: str, spec: Mapping[str, Any]) -> list[Problem]:
    """What `put` would refuse of a document, whatever its revision; nothing is written."""
    snapshot, keyring = call.site.tailer.snapshot, call.site.keyring
    try:
        wanted = _checked(call, kind, tenant, id, spec, snapshot.record(kind, tenant, id))
        plan(snapshot, [wanted], keyring, now=_now(), by=author(call))
    except DocumentError as error:
        return list(error.problems)
    except (RecordError, SealError) as error:
        return [Problem("", str(error))]
    return []


def find(call: Call[Any, Any], kind: str, tenant: str, id: str) -> ConfigRecord:
    """The thing as configured. Raises ApiError 404."""
    record = call.site.tailer.snapshot.record(kind, tenant, id)
    if record is None:
        raise not_there(kind, id)
    return record


def not_there(kind: str, id: str) -> ApiError:
    """What is answered for a thing that is not there, or is somebody else's."""
    return ApiError(404, f"there is no {kind.replace('_', ' ')} {id!r:.80}")


def patched(call: Call[Any, Any], record: ConfigRecord, patch: Mapping[str, Any]) -> dict[str, Any]:
    """The record's spec with a document merged into it; maps are merged, null takes a field away."""
    try:
        model = type(KINDS[record.kind].parse(open_sealed(record, call.site.keyring)))
    except (DocumentError, ValueError):
        model = type(None)  # what cannot be read may be mended
    if issubclass(model, BaseModel):
        return _without_nulls(record.kind, merged(snake_cased(model, record.spec), snake_cased(model, patch)))
    return _without_nulls(record.kind, merged(record.spec, patch))


def shown(record: ConfigRecord) -> dict[str, Any]:
    """The record as answers show it: its document with secrets masked, its revision, who changed it last and when."""
    return {
        **hidden(record.kind, record.spec),
        "id": record.id,
        "tenant_id": record.tenant,
        "revision": record.revision,
        "updated_at": record.updated_at,
        "updated_by": record.updated_by,
    }


def etag(record: ConfigRecord) -> dict[str, str]:
    """The header by which a client can say which revision it means to change."""
    return {"ETag": f'"{record.revision}"'}


def fresh_id(kind: str) -> str:
    """An id for a document that names none."""
    return f"{kind}_{secrets.token_hex(8)}"


def author(call: Call[Any, Any]) -> str:
    """Who a change is by, as records keep it."""
    return f"{call.principal.name} ({call.principal.key_id})"


def _without_nulls(kind: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    secret = SECRETS.get(kind, frozenset())  # null of a secret field says to take it away, which `put` does
    return {name: value for name, value in spec.items() if value is not None or name in secret}


def _checked(
    call: Call[Any, Any], kind: str, tenant: str, id: str, spec: Mapping[str, Any], before: ConfigRecord | None
) -> Wanted:
    for name in ("id", "tenant_id", "tenantId", "kind"):
        expected = {"id": id, "kind": kind}.get(name, tenant)
        if name in spec and spec[name] not in (expected, None):
            raise DocumentError((Problem(name, f"{spec[name]!r:.80} is not {expected!r}, which the request names"),))
    document = {name: value for name, value in spec.items() if name not in ANSWERED}
    document = with_secrets(kind, document, None if before is None else before.spec)
    wanted = check_document({**document, "id": id}, call.site.keyring, kind, tenant)
    if isinstance(wanted.meaning, BaseModel):
        wanted = replace(wanted, spec=snake_cased(type(wanted.meaning), wanted.spec))
    if before is not None:
        with suppress(SealError):  # what cannot be opened cannot be sent anywhere
            problems = carried_off(kind, spec, open_sealed(before, call.site.keyring), wanted.spec)
            if problems:
                raise DocumentError(tuple(problems))
    return wanted


def _check_revision(call: Call[Any, Any], spec: Mapping[str, Any], before: ConfigRecord | None) -> None:
    held = 0 if before is None else before.revision
    expected = call.request.headers.get("If-Match", "").strip().removeprefix("W/").strip('"')
    if expected and (str(held) != expected if expected != "*" else before is None):
        raise ApiError(412, f"If-Match: {expected!r:.40} is not the revision there, which is {held}")
    given = spec.get("revision")
    if given is not None and before is not None and given != held:
        raise ApiError(
            409,
            f"revision: {given!r:.40} has been changed since, it is {held} now; read it again",
            errors=[("revision", f"is {held} now")],
        )


async def _apply(call: Call[Any, Any], changes: Iterable[Change], action: str | None = None) -> None:
    site = call.site
    changed = [change for change in changes if change.action is not Action.UNCHANGED]
    offset = await site.writer.apply(changed)
    if offset is None:
        return
    await record_changes(call, changed, action)
    try:
        async with asyncio.timeout(SEEN_S):
            await site.tailer.wait_for(offset)
    except TimeoutError:
        keys = ", ".join(record_key(c.record.tenant, c.record.kind, c.record.id) for c in changed[:3])
        log.warning("api.change_not_seen", keys=keys)
        raise ApiError(503, "the change is written, and not in force here yet; read it again soon") from None


def _now() -> str:
    return iso(time.time_ns() // 1_000_000)
