"""The config topic folded into one immutable value, which every decision of a batch is made against.

`fold` is pure and never raises: a record that cannot be read or compiled makes that thing inactive and is listed in
`problems`. It compiles only rules that changed, and rebuilds the index of only their tenants.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from streamproc.config.kinds import KINDS, InvalidDocument
from streamproc.config.record import ConfigRecord, RecordError, decode, record_key, split_key
from streamproc.rules import CompiledRule, RuleIndex, compile_rule, parse_rule

RULE = "rule"


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
    """Copies of what a snapshot holds, changed record by record; only what changes is copied."""

    def __init__(self, base: Snapshot) -> None:
        self._base = base
        self._records = dict(base._records)
        self._compiled = dict(base._compiled)
        self._problems = dict(base._problems)
        self._copied: set[str] = set()
        self._owners: set[str] = set()

    def take(self, entry: ConfigEntry) -> None:
        name = (entry.key or b"").decode(errors="replace")
        self._problems.pop(name, None)
        try:
            tenant, kind, id = split_key(entry.key)
        except RecordError as error:
            if entry.value is not None:
                self._problems[name] = ConfigProblem(name, "", "", "", entry.offset, str(error))
            return
        records = self._of_kind(kind)
        if entry.value is None:
            records.pop(name, None)
            self._drop_rule(kind, tenant, id)
            return
        try:
            record = decode(entry.key, entry.value)
        except RecordError as error:
            records.pop(name, None)
            self._inactive(entry, name, kind, tenant, id, str(error))
            return
        records[name] = record
        if kind not in KINDS:
            self._inactive(entry, name, kind, tenant, id, f"kind {kind!r} is not one that this release knows")
        elif kind == RULE:
            try:
                self._compile(record)
            except Exception as error:  # whatever is wrong with one rule, the others stay in force
                message = str(error) if isinstance(error, InvalidDocument) else repr(error)
                self._inactive(entry, name, kind, tenant, id, message)

    def _inactive(self, entry: ConfigEntry, name: str, kind: str, tenant: str, id: str, message: str) -> None:
        self._drop_rule(kind, tenant, id)
        self._problems[name] = ConfigProblem(name, kind, tenant, id, entry.offset, " ".join(message.split()))

    def snapshot(self, offset: int) -> Snapshot:
        rules = self._base.rules
        for owner in sorted(self._owners):
            compiled = self._compiled[owner].values()
            rules = rules.with_tenant(owner, [rule for rule in compiled if rule.rule.enabled])
        return replace(
            self._base,
            offset=offset,
            rules=rules,
            _records=self._records,
            _compiled={owner: rules for owner, rules in self._compiled.items() if rules},
            _problems=self._problems,
        )

    def _of_kind(self, kind: str) -> dict[str, ConfigRecord]:
        label = f"kind {kind}"
        if label not in self._copied:
            self._copied.add(label)
            self._records[kind] = dict(self._records.get(kind, {}))
        records = self._records[kind]
        assert isinstance(records, dict)
        return records

    def _of_owner(self, owner: str) -> dict[str, CompiledRule]:
        if owner not in self._owners:
            self._owners.add(owner)
            self._compiled[owner] = dict(self._compiled.get(owner, {}))
        rules = self._compiled[owner]
        assert isinstance(rules, dict)
        return rules

    def _compile(self, record: ConfigRecord) -> None:
        rule = parse_rule(record.document())
        self._of_owner(record.tenant)[record.id] = compile_rule(rule, record.revision)

    def _drop_rule(self, kind: str, tenant: str, id: str) -> None:
        if kind == RULE and id in self._compiled.get(tenant, {}):
            self._of_owner(tenant).pop(id)
