"""What the delivery process knows of the configuration: rules, people, policies, and channels with their secrets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from streamproc.alerting.people import KINDS as PEOPLE_KINDS
from streamproc.alerting.people import PeopleBook
from streamproc.alerting.recipients import KINDS, ChannelBook, NotifyingRule
from streamproc.alerting.template_book import KIND as TEMPLATE
from streamproc.alerting.template_book import TemplateBook
from streamproc.config.keyring import Keyring
from streamproc.config.record import ConfigRecord
from streamproc.config.sealing import open_sealed
from streamproc.config.snapshot import Snapshot
from streamproc.kafka.tailer import ConfigTailer
from streamproc.model.content_template import ContentTemplate
from streamproc.model.document import DocumentError
from streamproc.model.policy import Policy, parse_policy
from streamproc.model.rule import EVERY_TENANT
from streamproc.model.silence import Silence, parse_silence

log = structlog.get_logger(__name__)


class ConfigLookup:
    """Follows the tailer; always as new as its snapshot. Secrets live in memory only, never in a snapshot."""

    def __init__(self, tailer: ConfigTailer, keyring: Keyring) -> None:
        self._tailer = tailer
        self._keyring = keyring
        self._folded: Snapshot | None = None
        self._book = ChannelBook()
        self._people_of: Snapshot | None = None
        self._people = PeopleBook()
        self._policies_of: Snapshot | None = None
        self._policies: dict[tuple[str, str], Policy] = {}
        self._templates_of: Snapshot | None = None
        self._templates = TemplateBook()
        self._silences_of: Snapshot | None = None
        self._silences: dict[str, list[Silence]] = {}

    @property
    def revision(self) -> int:
        """The config offset."""
        return self._tailer.snapshot.offset

    @property
    def channels(self) -> ChannelBook:
        """Every configured channel."""
        snapshot = self._tailer.snapshot
        if snapshot is not self._folded:
            records = [record for kind in KINDS for record in snapshot.records(kind)]
            before = set(self._book.problems)
            self._book = self._book.fold(records, self._clear)
            self._folded = snapshot
            for key, problem in self._book.problems.items():
                if key not in before:
                    log.error("channel.unusable", tenant=key[0], channel=str(key[1]), error=str(problem))
        return self._book

    @property
    def people(self) -> PeopleBook:
        """Every user and user group."""
        snapshot = self._tailer.snapshot
        if snapshot is not self._people_of:
            before = set(self._people.problems)
            records = [record for kind in PEOPLE_KINDS for record in snapshot.records(kind)]
            self._people = self._people.fold(records)
            self._people_of = snapshot
            for key, problem in self._people.problems.items():
                if key not in before:
                    log.error("person.unusable", tenant=key[0], kind=key[1], id=key[2], error=str(problem))
        return self._people

    @property
    def policies(self) -> Mapping[tuple[str, str], Policy]:
        """Every policy that can be used, by tenant and id."""
        snapshot = self._tailer.snapshot
        if snapshot is not self._policies_of:
            self._policies = {}
            for record in snapshot.records("policy"):
                try:
                    self._policies[record.tenant, record.id] = parse_policy(record.document())
                except DocumentError as error:
                    log.warning("policy.unusable", tenant=record.tenant, id=record.id, error=str(error))
            self._policies_of = snapshot
        return self._policies

    def template(self, tenant: str, id: str) -> ContentTemplate | None:
        """The tenant's content template, if it can be used."""
        snapshot = self._tailer.snapshot
        if snapshot is not self._templates_of:
            before = set(self._templates.problems)
            self._templates = self._templates.fold(snapshot.records(TEMPLATE))
            self._templates_of = snapshot
            for key, problem in self._templates.problems.items():
                if key not in before:
                    log.error("template.unusable", tenant=key[0], id=key[1], error=str(problem))
        return self._templates.get(tenant, id)

    def rule(self, owner: str, rule_id: str) -> NotifyingRule | None:
        """The rule as configured now, also when it is disabled; None when it is gone or cannot be read."""
        compiled = self._tailer.snapshot.rule(owner, rule_id)
        return None if compiled is None else compiled.rule

    def silences(self, tenant: str) -> Sequence[Silence]:
        """The tenant's own, and those of operators for everybody; a new snapshot is looked through once."""
        snapshot = self._tailer.snapshot
        if snapshot is not self._silences_of:
            self._silences = {}
            for record in snapshot.records("silence"):
                try:
                    silence = parse_silence(record.document())
                except DocumentError as error:
                    log.warning("silence.unusable", tenant=record.tenant, id=record.id, error=str(error))
                    continue
                self._silences.setdefault(record.tenant, []).append(silence)
            self._silences_of = snapshot
        own = self._silences.get(tenant, ())
        everybodys = self._silences.get(EVERY_TENANT, ())
        return [*own, *everybodys] if everybodys else own

    def _clear(self, record: ConfigRecord) -> Mapping[str, Any]:
        return open_sealed(record, self._keyring)
