"""Users from a CSV file: all of them, or none and what is wrong with each row."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field

from streamproc.config.user_csv import MAX_CHARACTERS, UserCsvError, read_users
from streamproc.web import configuring
from streamproc.web.paging import TenantQuery
from streamproc.web.principal import Scope
from streamproc.web.problem import ApiError
from streamproc.web.route import Answer, Call, Route

USER = "user"


class ImportQuery(TenantQuery):
    """Whose users, and whether to write."""

    dry_run: bool = Field(default=False, description="Check the file only; nothing is written.")


class Imported(BaseModel):
    """What came of the file."""

    users: int
    created: int
    updated: int
    unchanged: int
    dry_run: bool


async def import_users(call: Call[ImportQuery, bytes]) -> Answer:
    """ActionTrail's columns: ID, name, enable, mobile phone, text messages, voice calls, mailbox. Users whom the file
    lacks stay as they are, and so does what CSV has no column for, such as roles. One wrong row and nothing is
    imported: 422 with `errors` whose paths are `line 3`."""
    tenant = call.tenant(call.query.tenant_id)
    snapshot = call.site.tailer.snapshot
    try:
        text = call.body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ApiError(422, f"the file is not UTF-8 at byte {error.start}", errors=[("", "is not UTF-8")]) from None

    def known(id: str) -> Mapping[str, Any] | None:
        record = snapshot.record(USER, tenant, id)
        return None if record is None else record.spec

    try:
        users = await asyncio.to_thread(read_users, text, tenant, known)
    except UserCsvError as error:
        errors = [(f"line {one.line}" if one.line else "", one.message) for one in error.problems]
        raise ApiError(
            422, f"{len(errors)} problems, nothing was imported; {error.problems[0]}", errors=errors
        ) from None
    documents = [(str(one.document["id"]), one.document) for one in users]
    revisions = {id: getattr(snapshot.record(USER, tenant, id), "revision", 0) for id, _ in documents}
    records = await configuring.put_many(call, USER, tenant, documents, dry_run=call.query.dry_run)
    created = sum(revisions[record.id] == 0 for record in records)
    unchanged = sum(record.revision == revisions[record.id] for record in records)
    return Imported(
        users=len(records),
        created=created,
        updated=len(records) - created - unchanged,
        unchanged=unchanged,
        dry_run=call.query.dry_run,
    )


ROUTES = (
    Route(
        "POST", "/v1/users/import", "Import users from CSV", Scope.CONFIG_WRITE, import_users, query=ImportQuery,
        body=bytes, body_type="text/csv", answers=Imported, tag="users", max_bytes=4 * MAX_CHARACTERS,
        example="ID,Name,Enable,Phone,SMS,Voice,Mailbox\ntest01,Kumer,true,86-13800138000,true,true,kumer@example.net",
    ),
)  # fmt: skip
