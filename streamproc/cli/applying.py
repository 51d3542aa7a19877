"""What `config apply`, `config diff` and `rules apply` share."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

from streamproc.cli.failures import InputError
from streamproc.cli.output import note, print_json
from streamproc.cli.recording import change
from streamproc.cli.session import ask, author, read_snapshot
from streamproc.config.changes import UNPRUNED, Action, Change, DocumentsError, check_documents, plan
from streamproc.config.documents import read_documents
from streamproc.config.keyring import load_keyring
from streamproc.config.kinds import KINDS
from streamproc.config.quota import check_quota
from streamproc.model.times import iso
from streamproc.settings import Settings, load_settings

_DONE = {Action.CREATE: "created", Action.UPDATE: "updated", Action.DELETE: "deleted"}
_WOULD = {Action.CREATE: "create", Action.UPDATE: "update", Action.DELETE: "delete"}


def plan_documents(
    files: Sequence[Path],
    *,
    tenant: str | None,
    prune: bool,
    kind: str | None = None,
    only: Collection[str] = KINDS.keys(),
) -> list[Change]:
    """The changes that applying the files would make."""
    settings = load_settings()
    return ask(_plan(settings, files, tenant, prune, kind, only))


def apply_documents(
    files: Sequence[Path],
    *,
    tenant: str | None,
    prune: bool,
    told: Callable[[Sequence[Change]], None],
    kind: str | None = None,
    only: Collection[str] = KINDS.keys(),
) -> None:
    """Make the changes; `told` is called with them when Kafka has acknowledged all of them."""
    settings = load_settings()

    async def apply() -> None:
        changes = await _plan(settings, files, tenant, prune, kind, only)
        await change(settings, changes, lambda: told(changes))

    ask(apply())


async def _plan(
    settings: Settings,
    files: Sequence[Path],
    tenant: str | None,
    prune: bool,
    kind: str | None,
    only: Collection[str],
) -> list[Change]:
    keyring = load_keyring(settings)
    try:
        wanted = check_documents(read_documents(files), keyring, kind=kind, tenant=tenant, only=only)
    except DocumentsError as error:
        if len(error.problems) > 1:
            for problem in error.problems[1:]:
                note(problem)
            raise InputError(
                f"{error.problems[0]}; {len(error.problems)} problems in all, nothing was changed"
            ) from None
        raise
    if prune and not wanted:
        raise InputError("--prune: the files have no document, so it is not known what to compare with")
    snapshot = await read_snapshot(settings)
    changes = plan(
        snapshot,
        wanted,
        keyring,
        now=iso(time.time_ns() // 1_000_000),
        by=author(),
        prune=prune,
        kinds=set(only) - UNPRUNED,
    )
    check_quota(snapshot, changes)
    return changes


def print_changes(changes: Sequence[Change], as_json: bool, planned: bool = False) -> None:
    """What changed, or would, and how much did not."""
    if as_json:
        print_json([_row(one) for one in changes])
        return
    words = _WOULD if planned else _DONE
    changed = [one for one in changes if one.action is not Action.UNCHANGED]
    for one in changed:
        print(f"{words[one.action]} {one.record.key} (revision {one.record.revision})")
        if planned and one.action is Action.UPDATE:
            for path, before, after in one.fields:
                print(f"    {path}: {before!r} → {after!r}")
    print(f"{len(changed)} {'to change' if planned else 'changed'}, {len(changes) - len(changed)} unchanged")


def _row(one: Change) -> dict[str, Any]:
    record = one.record
    return {
        "action": one.action.value,
        "kind": record.kind,
        "tenant_id": record.tenant,
        "id": record.id,
        "revision": record.revision,
        "fields": [{"path": path, "before": old, "after": new} for path, old, new in one.fields],
    }
