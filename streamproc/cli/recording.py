"""What commands that change or do something leave behind: entries of the audit log, and events that rules can watch."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from streamproc.cli.failures import UnrecordedError
from streamproc.cli.output import note
from streamproc.cli.session import author
from streamproc.config.audited import entries_of
from streamproc.config.changes import Action, Change
from streamproc.kafka.audit_topic import AuditError, AuditTopic, new_id
from streamproc.kafka.config_writer import ConfigWriter
from streamproc.model.audit import AuditActor, AuditEntry, audit_entry
from streamproc.model.rule import EVERY_TENANT
from streamproc.settings import Settings

WITHOUT_EVENT = ("create",)
"""What commands do that is in the log and no event. A new installation's first `config apply` makes thousands of
documents; as events of today they would be the first thing that each tenant's new rules and baselines see. Who hides
something changes or deletes what is there."""

Record = Callable[[Sequence[AuditEntry]], Awaitable[None]]


async def change(
    settings: Settings, changes: Sequence[Change], told: Callable[[], None], action: str | None = None
) -> None:
    """Make changes of the configuration; returns when Kafka has acknowledged them, and then their entries.

    `told` is called between the two (also where nothing changes): what is done is said, whatever becomes of the
    entries. `action`: what the log calls it, in place of create, update or delete. Raises UnrecordedError.
    """
    if all(one.action is Action.UNCHANGED for one in changes):
        told()
        return
    async with recording(settings) as record, ConfigWriter(settings) as writer:
        await writer.apply(changes)
        try:
            told()
        finally:  # also where nobody reads what we print any more
            await record(entries_of(changes, actor(), at=_now(), new_id=new_id, action=action))


@asynccontextmanager
async def recording(settings: Settings) -> AsyncIterator[Record]:
    """Opened before the act, so that it does not begin where it cannot be entered; what it gives enters it after.

    What it gives raises UnrecordedError, having printed the entries, so that they are not lost.
    """
    async with AuditTopic(settings, without_event=WITHOUT_EVENT) as audit:

        async def record(entries: Sequence[AuditEntry]) -> None:
            try:
                await audit.write(entries)
            except AuditError as error:
                for one in entries:
                    note(one.model_dump_json())
                raise UnrecordedError(
                    f"It is done, but Kafka did not acknowledge all {len(entries)} entries of the audit log about it "
                    f"({error}). Keep those printed above: repeating the command enters nothing where nothing changes."
                ) from None

        yield record


def entry(
    kind: str,
    tenant: str,
    target: str,
    action: str,
    fields: Iterable[tuple[str, Any, Any]] = (),
    request_id: str = "",
) -> AuditEntry:
    """An entry about one thing, by the account that runs the command."""
    return audit_entry(
        actor(), kind, tenant, target, action, id=new_id(), at=_now(), fields=fields, request_id=request_id
    )


def actor() -> AuditActor:
    """The account that runs the command: an operator, as it may write to Kafka."""
    who = author()
    return AuditActor(key_id=who, name=who, tenant_id=EVERY_TENANT)


def _now() -> int:
    return time.time_ns() // 1_000_000
