"""From documents that people wrote to the changes they make to what is configured. Nothing is written here.

A document that means what is configured already changes nothing, however it is spelled, so applying twice is
applying once. Each change is the next revision.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from streamproc.config.documents import Document
from streamproc.config.keyring import Keyring, SealError
from streamproc.config.kinds import KINDS, identify
from streamproc.config.record import ConfigRecord, RecordError, encode, record_key
from streamproc.config.sealing import HIDDEN, SECRETS, hidden, open_sealed, seal
from streamproc.config.snapshot import Snapshot
from streamproc.model.document import DocumentError, snake

UNPRUNED = frozenset({"key"})
"""Kinds that are not made from files, and so are not missed in them."""


class Action(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    UNCHANGED = "unchanged"


class DocumentsError(ValueError):
    """Documents that cannot be applied; each problem is one line that says where and what."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(problems[0] + (f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A checked document: what should be configured."""

    kind: str
    tenant: str
    id: str
    spec: Mapping[str, Any]
    meaning: Any
    """What its kind's `parse` made of it."""

    @property
    def key(self) -> str:
        return record_key(self.tenant, self.kind, self.id)


@dataclass(frozen=True, slots=True)
class Change:
    """What applying does to one thing. `after` is the record to write, None for a deletion.

    `secrets`: the secret fields of an update that differ, which sealed values do not tell.
    """

    action: Action
    before: ConfigRecord | None
    after: ConfigRecord | None
    secrets: tuple[str, ...] = ()

    @property
    def record(self) -> ConfigRecord:
        record = self.after or self.before
        assert record is not None
        return record

    @property
    def fields(self) -> tuple[tuple[str, Any, Any], ...]:
        """(path, before, after) of what differs, without secrets; a changed secret shows as `(sealed)` twice."""
        if self.action is Action.UNCHANGED:
            return ()
        old = hidden(self.before.kind, self.before.spec) if self.before is not None else {}
        new = hidden(self.after.kind, self.after.spec) if self.after is not None else {}
        found = tuple(_differences(old, new, ""))
        told = {path.partition(".")[0] for path, _, _ in found}
        return found + tuple((name, HIDDEN, HIDDEN) for name in self.secrets if name not in told)


def check_documents(
    documents: Iterable[Document],
    keyring: Keyring,
    *,
    kind: str | None = None,
    tenant: str | None = None,
    only: Collection[str] = KINDS.keys(),
) -> list[Wanted]:
    """Check documents; `kind` and `tenant` hold for those that do not say. Raises DocumentsError with all problems."""
    wanted: dict[str, tuple[Wanted, Document]] = {}
    problems: list[str] = []
    for document in documents:
        try:
            one = check_document(document.content, keyring, kind, tenant)
        except DocumentError as error:
            problems += [f"{document.at(problem.path)}: {problem}" for problem in error.problems]
            continue
        except (SealError, RecordError) as error:
            problems.append(f"{document.at()}: {error}")
            continue
        if one.kind not in only:
            problems.append(f"{document.at('kind')}: kind: {one.kind!r} is not {' or '.join(only)}")
        elif one.key in wanted:
            problems.append(f"{document.at()}: {one.key} is in {wanted[one.key][1].at()} already")
        else:
            wanted[one.key] = (one, document)
    if problems:
        raise DocumentsError(problems)
    return [one for one, _ in wanted.values()]


def plan(
    snapshot: Snapshot,
    wanted: Sequence[Wanted],
    keyring: Keyring,
    *,
    now: str,
    by: str,
    prune: bool = False,
    kinds: Collection[str] = KINDS.keys() - UNPRUNED,
) -> list[Change]:
    """The changes that make `wanted` what is configured, in its order, then the deletions of `prune`.

    Pruning deletes what is configured for the tenants that `wanted` names and not in it, of `kinds` and of the kinds
    that `wanted` has. `now` is ISO 8601. Raises SealError when a secret cannot be sealed.
    """
    changes = [_change(snapshot, one, keyring, now, by) for one in wanted]
    if prune:
        keys = {one.key for one in wanted}
        for tenant in sorted({one.tenant for one in wanted}):
            for kind in sorted({*kinds, *(one.kind for one in wanted)}):
                changes += [
                    Change(Action.DELETE, record, None)
                    for record in snapshot.records(kind, tenant)
                    if record.key not in keys
                ]
    return changes


def check_document(content: Mapping[str, Any], keyring: Keyring, kind: str | None, tenant: str | None) -> Wanted:
    """One document as written, checked. Raises DocumentError, SealError, or RecordError when it is too large."""
    kind, tenant, id, spec = identify(content, kind=kind, tenant=tenant)
    # an exported document has its secrets sealed; they are checked, and compared, in the clear
    record = ConfigRecord(kind, tenant, id, 1, spec, "", "")
    encode(record)
    clear = open_sealed(record, keyring)
    meaning = KINDS[kind].parse(clear)
    return Wanted(kind, tenant, id, {name: clear[name] for name in spec}, meaning)


def _change(snapshot: Snapshot, one: Wanted, keyring: Keyring, now: str, by: str) -> Change:
    before = snapshot.record(one.kind, one.tenant, one.id)
    if before is not None and _same(before, one, keyring):
        return Change(Action.UNCHANGED, before, before)
    spec = seal(one.kind, one.key, one.spec, keyring)
    revision = 1 if before is None else before.revision + 1
    after = ConfigRecord(one.kind, one.tenant, one.id, revision, spec, now, by)
    if before is None:
        return Change(Action.CREATE, None, after)
    return Change(Action.UPDATE, before, after, tuple(_other_secrets(before, one, keyring)))


def _other_secrets(before: ConfigRecord, one: Wanted, keyring: Keyring) -> Iterator[str]:
    secret = SECRETS.get(one.kind, frozenset())
    try:
        old = {snake(name): value for name, value in open_sealed(before, keyring).items()}
    except SealError:
        old = {}  # what cannot be read is replaced
    for name, value in one.spec.items():
        if snake(name) in secret and _sorted({"": old.get(snake(name))}) != _sorted({"": value}):
            yield name


def _same(before: ConfigRecord, one: Wanted, keyring: Keyring) -> bool:
    try:
        clear = open_sealed(before, keyring)
        # a parser may keep an order that has no meaning in a document, such as that of fields
        if _sorted({name: clear[name] for name in before.spec}) == _sorted(one.spec):
            return True
        return bool(KINDS[one.kind].parse(clear) == one.meaning)
    except (SealError, DocumentError):
        return False  # what cannot be read is replaced


def _sorted(spec: Mapping[str, Any]) -> bytes:
    return orjson.dumps(spec, option=orjson.OPT_SORT_KEYS)


def _differences(old: Any, new: Any, path: str) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in dict.fromkeys((*old, *new)):
            below = f"{path}.{name}" if path else str(name)
            yield from _differences(old.get(name), new.get(name), below)
    elif old != new:
        yield path, old, new
