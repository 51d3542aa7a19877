"""The config topic folded into one immutable value, which every decision of a batch is made against.

`fold` is pure and never raises: a record that cannot be read or compiled makes that thing inactive and is listed in
`problems`. It compiles only rules that changed, or whose tenant's named lists did, and rebuilds the index of only
their tenants.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from streamproc.config.kinds import KINDS
from streamproc.config.record import ConfigRecord, RecordError, decode, record_key, split_key
from streamproc.model.document import DocumentError
from streamproc.rules import CompiledRule, RuleIndex, compile_rule, parse_rule

RULE = "rule"
LIST = "list"


class ConfigEntry(NamedTuple):
    """A record of the config topic as read from it; no value is a deletion."""

    offset: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """A record that is not in force, and why."""

    key: str
    """As in the topic: `tenant/kind/id` when it is well formed."""
    kind: str
    tenant: str
    id: str
    offset: int
    message: str

    def __str__(self) -> str:
        return f"{self.key}: {self.message} (config offset {self.offset})"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is configured, as of one offset of the config topic. Made by `fold`, from `Snapshot.empty()`."""

    offset: int
    """The offset of the next record to come; 0 when nothing was read."""
    rules: RuleIndex
    """The rules in force."""
    _records: Mapping[str, Mapping[str, ConfigRecord]] = field(repr=False)
    _compiled: Mapping[str, Mapping[str, CompiledRule]] = field(repr=False)
    _problems: Mapping[str, ConfigProblem] = field(repr=False)

    @classmethod
    def empty(cls) -> Snapshot:
        return cls(0, RuleIndex.empty, {}, {}, {})

    @property
    def problems(self) -> tuple[ConfigProblem, ...]:
        """What is not in force, by key."""
        return tuple(self._problems[key] for key in sorted(self._problems))

    def rule(self, owner: str, id: str) -> CompiledRule | None:
        """The rule, also when it is disabled; None when there is none that works."""
        return self._compiled.get(owner, {}).get(id)

    def record(self, kind: str, tenant: str, id: str) -> ConfigRecord | None:
        return self._records.get(kind, {}).get(record_key(tenant, kind, id))

    def records(self, kind: str, tenant: str | None = None) -> Iterator[ConfigRecord]:
        """All records of a kind that can be read (of one tenant), those with a problem too, ordered by key."""
        of_kind = self._records.get(kind, {})
        for key in sorted(of_kind):
            if tenant is None or of_kind[key].tenant == tenant:
                yield of_kind[key]

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of which there is any record."""
        return tuple(sorted(kind for kind, records in self._records.items() if records))

    def problem(self, key: str) -> ConfigProblem | None:
        return self._problems.get(key)

    def fold(self, entries: Iterable[ConfigEntry]) -> Snapshot:
        """The snapshot after these records, which come in the order of their offsets."""
        last: dict[bytes | None, ConfigEntry] = {}
        offset = self.offset
        for entry in entries:
            last[entry.key] = entry
            offset = entry.offset + 1
        if not last:
            return self
        fold = _Fold(self)
        for entry in last.values():
            fold.take(entry)
        return fold.snapshot(offset)


class _Fold:
    """Copies of what a snapshot holds, changed record by record."""

    def __init__(self, base: Snapshot) -> None:
        self._base = base
        self._records = {kind: dict(records) for kind, records in base._records.items()}
        self._problems = dict(base._problems)
        self._rules: dict[str, dict[str, int]] = {}
        """Offsets of the rules that changed, by owner and id."""
        self._relisted: set[str] = set()
        """Owners whose named lists changed, which their compiled rules hold."""

    def take(self, entry: ConfigEntry) -> None:
        name = (entry.key or b"").decode(errors="replace")
        self._problems.pop(name, None)
        try:
            tenant, kind, id = split_key(entry.key)
        except RecordError as error:
            if entry.value is not None:
                self._problems[name] = ConfigProblem(name, "", "", "", entry.offset, str(error))
            return
        records = self._records.setdefault(kind, {})
        records.pop(name, None)
        if entry.value is not None:
            try:
                records[name] = decode(entry.key, entry.value)
                if kind not in KINDS:
                    raise RecordError(f"kind {kind!r} is not one that this release knows")
                if kind == LIST:
                    KINDS[LIST].parse(records[name].spec)
            except (RecordError, DocumentError) as error:
                self._problems[name] = ConfigProblem(name, kind, tenant, id, entry.offset, str(error))
        if kind == RULE:
            self._rules.setdefault(tenant, {})[id] = entry.offset
        elif kind == LIST:
            self._relisted.add(tenant)

    def snapshot(self, offset: int) -> Snapshot:
        compiled = dict(self._base._compiled)
        owners = sorted(self._relisted | self._rules.keys())
        for owner in owners:
            compiled[owner] = self._compiled(owner)
        changed = {owner: [rule for rule in compiled[owner].values() if rule.rule.enabled] for owner in owners}
        return Snapshot(
            offset,
            self._base.rules.with_tenants(changed) if changed else self._base.rules,
            {kind: records for kind, records in self._records.items() if records},
            {owner: rules for owner, rules in compiled.items() if rules},
            self._problems,
        )

    def _compiled(self, owner: str) -> dict[str, CompiledRule]:
        """The owner's rules: those that changed compiled anew, the others as they were unless its lists changed."""
        result = dict(self._base._compiled.get(owner, {}))
        lists = self._lists(owner)
        changed = self._rules.get(owner, {})
        for id, at in changed.items():
            result.pop(id, None)
            key = record_key(owner, RULE, id)
            record = self._records[RULE].get(key)
            if record is None:
                continue
            try:
                result[id] = compile_rule(parse_rule(record.document()), record.revision, lists)
            except Exception as error:  # whatever is wrong with one rule, the others stay in force
                message = str(error) if isinstance(error, DocumentError) else repr(error)
                self._problems[key] = ConfigProblem(key, RULE, owner, id, at, " ".join(message.split()))
        if owner in self._relisted:
            for id in result.keys() - changed.keys():
                result[id] = compile_rule(result[id].rule, result[id].revision, lists)
        return result

    def _lists(self, owner: str) -> dict[str, Any]:
        """Values of the owner's named lists that are in force."""
        return {
            record.id: record.spec["values"]
            for key, record in self._records.get(LIST, {}).items()
            if record.tenant == owner and key not in self._problems
        }
