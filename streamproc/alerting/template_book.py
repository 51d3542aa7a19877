"""Every content template that is configured, by tenant and id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from streamproc.alerting.content import check
from streamproc.alerting.recipients import Record
from streamproc.model.content_template import ContentTemplate, parse_content_template

KIND = "template"
Key = tuple[str, str]
"""Tenant and id."""


@dataclass(frozen=True, slots=True)
class TemplateBook:
    """`problems` names the records that cannot be used, with what is wrong in them."""

    templates: Mapping[Key, ContentTemplate] = field(default_factory=dict)
    problems: Mapping[Key, ValueError] = field(default_factory=dict)
    revisions: Mapping[Key, int] = field(default_factory=dict)

    def fold(self, records: Iterable[Record]) -> TemplateBook:
        """The book of exactly these records (other kinds are ignored); what has not changed is not parsed again."""
        templates: dict[Key, ContentTemplate] = {}
        problems: dict[Key, ValueError] = {}
        revisions: dict[Key, int] = {}
        for record in records:
            if record.kind != KIND:
                continue
            key = (record.tenant, record.id)
            revisions[key] = record.revision
            same = self.revisions.get(key) == record.revision
            known = self.templates.get(key) if same else None
            try:
                templates[key] = known or _checked(record)
            except ValueError as error:
                problems[key] = error
        return TemplateBook(templates, problems, revisions)

    def get(self, tenant: str, id: str) -> ContentTemplate | None:
        """The tenant's template; None: not configured, or so that it cannot be used."""
        return self.templates.get((tenant, id))


def _checked(record: Record) -> ContentTemplate:
    template = parse_content_template(record.document())
    check(template)
    return template
