"""Changing rules so that nobody's change is lost: who changed what since a revision that somebody still has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from streamproc.config.record import ConfigRecord
from streamproc.config.snapshot import RULE
from streamproc.kafka.client import BrokerUnavailableError
from streamproc.settings import Settings
from streamproc.web.configuring import put
from streamproc.web.problem import ApiError
from streamproc.web.route import Call
from streamproc.web.rule_documents import differences
from streamproc.web.versions import Versions

TRIES = 5
MAX_SAID = 20
"""Versions that a refusal lists."""


class Turns:
    """Changes of rules take turns, so that each is made of what the one before left."""

    def __init__(self, settings: Settings) -> None:
        self.lock = asyncio.Lock()

    async def close(self) -> None:
        """Nothing is held."""


async def change_rule(
    call: Call[Any, Any],
    find: Callable[[], ConfigRecord],
    make: Callable[[ConfigRecord], Mapping[str, Any]],
    revision: int | None,
) -> ConfigRecord:
    """Put what `make` makes of the rule, and make it again should somebody else change the rule meanwhile.

    `revision`: the one that the asker's document was made from. Raises ApiError: 412 and 409 when it, or that of
    `If-Match`, is not the present one; and as `put` does.
    """
    for _ in range(TRIES):
        async with call.site.part(Turns).lock:
            record = find()
            if _refusal(call, record, revision) is None:
                try:
                    spec = {**make(record), "revision": record.revision}
                    return await put(call, RULE, record.tenant, record.id, spec, must_exist=True)
                except ApiError as error:  # somebody else, in another process, came between
                    if error.status not in (409, 412) or find().revision == record.revision:
                        raise
        await check_revision(call, record, revision)
    raise ApiError(409, "the rule is being changed by others all the time; try again", headers={"Retry-After": "1"})


async def check_revision(call: Call[Any, Any], record: ConfigRecord, revision: int | None) -> None:
    """Raise ApiError 412 for an `If-Match` of another revision, 409 for another `revision`; both say what happened."""
    refusal = _refusal(call, record, revision)
    if refusal is not None:
        status, expected = refusal
        raise await _overtaken(call, status, record, expected)


def _refusal(call: Call[Any, Any], record: ConfigRecord, revision: int | None) -> tuple[int, int | None] | None:
    """(status, the revision that was expected) where that is another one; None where the change may be made."""
    expected = _if_match(call)
    if expected is not None and str(record.revision) not in expected:
        return 412, max((int(one) for one in expected if one.isdigit() and one.isascii()), default=None)
    if revision is not None and revision != record.revision:
        return 409, revision
    return None


def _if_match(call: Call[Any, Any]) -> list[str] | None:
    """The revisions that the header names; None where it allows any."""
    written = call.request.headers.get("If-Match", "").strip()
    if written in ("", "*"):
        return None
    return [part.strip().removeprefix("W/").strip('"') for part in written.split(",")]


async def _overtaken(call: Call[Any, Any], status: int, record: ConfigRecord, revision: int | None) -> ApiError:
    changes = await _since(call, record, revision)
    by = "; ".join(_said(one) for one in reversed(changes[:3]))
    was = "what you have" if revision is None else f"revision {revision}, which you have"
    return ApiError(
        status,
        f"the rule is at revision {record.revision}, not {was}: {by}"[:1000],
        errors=[("revision", f"is {record.revision} now")],
        headers={"ETag": f'"{record.revision}"'},
        revision=record.revision,
        changed=changes,
    )


async def _since(call: Call[Any, Any], record: ConfigRecord, revision: int | None) -> list[dict[str, Any]]:
    """What was changed after a revision, the latest first; only the last change where the others are not known."""
    try:
        versions = await call.site.part(Versions).of(record.tenant, record.id, record)
    except BrokerUnavailableError:
        versions = [record]
    known = {version.revision: version for version in versions}
    found: list[dict[str, Any]] = []
    for version in versions:
        if found and (revision is None or version.revision <= revision):
            break
        before = known.get(version.revision - 1)
        found.append(
            {
                "revision": version.revision,
                "at": version.updated_at,
                "by": version.updated_by,
                "changes": None if before is None else differences(before, version),
            }
        )
    return found[:MAX_SAID]


def _said(change: Mapping[str, Any]) -> str:
    fields = [one["path"] for one in change["changes"] or ()]
    what = ", ".join(fields[:5]) + (", …" if len(fields) > 5 else "") if fields else "it"
    return f"{change['by']} changed {what} at {change['at']}"
