"""Who could be told: the channels that a rule names, as its tenant has configured them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from streamproc.model.channel import parse_channel, parse_webhook
from streamproc.model.channel_settings import ChannelRef, ChannelSettings
from streamproc.model.rule import EVERY_TENANT
from streamproc.model.rule_recipients import RuleWebhook, names_webhooks, rule_webhooks


class NotifyingRule(Protocol):
    """What notify needs to know of a rule; `model.rule.Rule` has it. `mode` is `live` or `shadow`."""

    @property
    def id(self) -> str: ...
    @property
    def tenant_id(self) -> str: ...
    @property
    def told_types(self) -> Sequence[str]: ...
    @property
    def slack_channels(self) -> Sequence[str]: ...
    @property
    def teams_channels(self) -> Sequence[str]: ...
    @property
    def webhook_urls(self) -> Sequence[object]: ...
    @property
    def channels(self) -> Sequence[str]: ...
    @property
    def webhook_ids(self) -> Sequence[str]: ...
    @property
    def cooldown_min(self) -> float: ...
    @property
    def cooldown_factor(self) -> float: ...
    @property
    def cooldown_max_min(self) -> float: ...
    @property
    def policy(self) -> str: ...
    @property
    def email_recipients(self) -> Sequence[str]: ...
    @property
    def enabled(self) -> bool: ...
    @property
    def mode(self) -> str: ...


class Record(Protocol):
    """A config record, as far as channels need it; `config.record.ConfigRecord` has it."""

    @property
    def kind(self) -> str: ...
    @property
    def tenant(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def revision(self) -> int: ...
    def document(self) -> dict[str, Any]: ...


Kept = TypeVar("Kept", bound=Record)

_RULE = "rule"
_PARSERS = {"channel": parse_channel, "webhook": parse_webhook}
KINDS = (*_PARSERS, _RULE)
"""The config kinds that a book is made of: rules may have addresses of their own."""


@dataclass(frozen=True, slots=True)
class ChannelBook:
    """Every configured channel. `problems` names the records that cannot be used, with what is wrong in them."""

    by_ref: Mapping[tuple[str, ChannelRef], ChannelSettings] = field(default_factory=dict)
    by_type: Mapping[tuple[str, str], tuple[ChannelSettings, ...]] = field(default_factory=dict)
    problems: Mapping[tuple[str, ChannelRef], ValueError] = field(default_factory=dict)
    revisions: Mapping[tuple[str, ChannelRef], int] = field(default_factory=dict)
    by_rule: Mapping[tuple[str, ChannelRef], tuple[RuleWebhook, ...]] = field(default_factory=dict)
    """By owner and `rule/<id>`: the channels made of the rule's `webhook_urls`, which are in `by_ref` too."""

    def fold(self, records: Iterable[Kept], clear: Callable[[Kept], Mapping[str, Any]] | None = None) -> ChannelBook:
        """The book of exactly these records (other kinds are ignored); what has not changed is not parsed again.

        `clear` gives a record's document with its secrets in the clear, or raises ValueError; by default the
        document as it is.
        """
        by_ref: dict[tuple[str, ChannelRef], ChannelSettings] = {}
        by_type: dict[tuple[str, str], list[ChannelSettings]] = {}
        problems: dict[tuple[str, ChannelRef], ValueError] = {}
        revisions: dict[tuple[str, ChannelRef], int] = {}
        by_rule: dict[tuple[str, ChannelRef], tuple[RuleWebhook, ...]] = {}
        for record in records:
            if record.kind not in KINDS:
                continue
            key = (record.tenant, ChannelRef(record.kind, record.id))
            revisions[key] = record.revision
            if record.kind == _RULE:
                try:
                    made = by_rule[key] = self._of_record(record, key, clear)
                    by_ref.update(((record.tenant, channel.ref), channel) for channel in made)
                except ValueError as error:
                    problems[key] = error
                continue
            if self.revisions.get(key) == record.revision and key in self.by_ref:
                by_ref[key] = self.by_ref[key]
            else:
                try:
                    by_ref[key] = _PARSERS[record.kind](clear(record) if clear else record.document())
                except ValueError as error:
                    problems[key] = error
                    continue
            if record.kind == "channel":
                by_type.setdefault((record.tenant, by_ref[key].type), []).append(by_ref[key])
        sorted_by_type = {key: tuple(sorted(found, key=lambda channel: channel.id)) for key, found in by_type.items()}
        return ChannelBook(by_ref, sorted_by_type, problems, revisions, by_rule)

    def _of_record(
        self, record: Kept, key: tuple[str, ChannelRef], clear: Callable[[Kept], Mapping[str, Any]] | None
    ) -> tuple[RuleWebhook, ...]:
        """The channels that a rule's record makes. Raises ValueError."""
        if self.revisions.get(key) == record.revision and key in self.by_rule:
            return self.by_rule[key]
        if not names_webhooks(record.document()):
            return ()
        return rule_webhooks(clear(record) if clear else record.document())

    def get(self, tenant: str, ref: ChannelRef) -> ChannelSettings | None:
        """The channel, or None when it is not configured (or cannot be used)."""
        found = self.by_ref.get((tenant, ref))
        if found is None and ref.config == RuleWebhook.CONFIG:
            found = self.by_ref.get((EVERY_TENANT, ref))  # its rule is for every tenant
        return found

    def of_rule(self, rule: NotifyingRule) -> Sequence[ChannelSettings]:
        """The channels made of the rule's own `webhook_urls`."""
        return self.by_rule.get((rule.tenant_id, ChannelRef(_RULE, rule.id)), ())

    def of_type(self, tenant: str, type: str) -> Sequence[ChannelSettings]:
        """The tenant's channels of a type, by id."""
        return self.by_type.get((tenant, type), ())


def by_names(names: Iterable[str], tenant: str, book: ChannelBook) -> tuple[list[ChannelSettings], list[ChannelRef]]:
    """As `named`, of a list of names such as an action group's."""
    found: dict[ChannelRef, ChannelSettings] = {}
    missing: dict[ChannelRef, None] = {}
    for name in names:
        channels = _by_name(name, tenant, book)
        found.update((channel.ref, channel) for channel in channels)
        if not channels:
            missing[ChannelRef("channel", name)] = None
    return list(found.values()), list(missing)


def named(rule: NotifyingRule, tenant: str, book: ChannelBook) -> tuple[list[ChannelSettings], list[ChannelRef]]:
    """(the channels that a rule names, each once; names that mean no configured channel).

    A name in `channels` is a channel's id; else a type, and means all of the tenant's channels of that type; else a
    webhook's id. What the rule names itself (`model.rule_recipients`) comes after those. The tenant is the alert's: a
    rule for all tenants is told through each tenant's own channels.
    """
    found: dict[ChannelRef, ChannelSettings] = {}
    missing: list[ChannelRef] = []
    for name, channels in _meant(rule, tenant, book):
        if not channels and name not in missing:
            missing.append(name)
        found.update((channel.ref, channel) for channel in channels)
    return list(found.values()), missing


def _meant(
    rule: NotifyingRule, tenant: str, book: ChannelBook
) -> Iterator[tuple[ChannelRef, Sequence[ChannelSettings]]]:
    for name in rule.channels:
        yield ChannelRef("channel", name), _by_name(name, tenant, book)
    for name in rule.webhook_ids:
        ref = ChannelRef("webhook", name)
        webhook = book.get(tenant, ref)
        yield ref, () if webhook is None else (webhook,)
    yield from _own(rule, tenant, book)


def _by_name(name: str, tenant: str, book: ChannelBook) -> Sequence[ChannelSettings]:
    one = book.get(tenant, ChannelRef("channel", name))
    if one is None and not book.of_type(tenant, name):
        one = book.get(tenant, ChannelRef("webhook", name))
    return book.of_type(tenant, name) if one is None else (one,)


def _own(rule: NotifyingRule, tenant: str, book: ChannelBook) -> Iterator[tuple[ChannelRef, Sequence[ChannelSettings]]]:
    """The recipients in the rule itself, by type; a type without any means the tenant's channels of that type."""
    ids = {"slack": rule.slack_channels, "teams": rule.teams_channels}
    for type in rule.told_types:
        if type == "webhook" and rule.webhook_urls:
            yield ChannelRef(RuleWebhook.CONFIG, rule.id), book.of_rule(rule)
        elif ids.get(type):
            for id in ids[type]:
                ref = ChannelRef("channel", id)
                one = book.get(tenant, ref) or book.get(tenant, ChannelRef("webhook", id))
                yield ref, () if one is None else (one,)
        elif type != "webhook" or not rule.webhook_ids:
            yield ChannelRef("channel", type), book.of_type(tenant, type)


def subscribed(channel: ChannelSettings, event_types: Iterable[str]) -> bool:
    """Whether the channel's `events` filter takes a notification that goes by any of these names."""
    return not channel.events or any(event in channel.events for event in event_types)
