"""Which channels a rule's names mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from streamproc.alerting.recipients import ChannelBook, NotifyingRule, named
from streamproc.config.record import ConfigRecord
from streamproc.config.snapshot import Snapshot
from streamproc.rules import parse_rule
from tests.alerting.making import Record, Rule, hook, slack

RECORDS = (
    slack(),
    slack("slack-b"),
    slack("team-a"),
    hook(),
    hook("siem"),
    Record("channel", "post", {"type": "webhook", "url": "https://x.example/"}),
    replace(slack("slack"), tenant="other"),
    Record("rule", "r1", {}),
)


@pytest.mark.parametrize(
    ("channels", "webhook_ids", "found", "missing"),
    [
        (("slack",), (), ["channel/slack"], []),
        (("team-a", "slack-b"), (), ["channel/team-a", "channel/slack-b"], []),
        (("webhook",), (), ["channel/post"], []),
        (("siem",), (), ["webhook/siem"], []),
        ((), ("siem", "hook"), ["webhook/siem", "webhook/hook"], []),
        (("siem",), ("siem",), ["webhook/siem"], []),
        (("slack", "slack"), (), ["channel/slack"], []),
        (("email", "slack", "email"), ("nope",), ["channel/slack"], ["channel/email", "webhook/nope"]),
        ((), ("slack",), [], ["webhook/slack"]),
    ],
)
def test_names(channels: tuple[str, ...], webhook_ids: tuple[str, ...], found: list[str], missing: list[str]) -> None:
    book = ChannelBook().fold(RECORDS)
    have, lack = named(Rule(channels, webhook_ids), "acme", book)
    assert ([str(channel.ref) for channel in have], [str(ref) for ref in lack]) == (found, missing)


def test_a_type_means_all_channels_of_that_type_when_none_has_that_id() -> None:
    book = ChannelBook().fold((slack("b"), slack("a"), hook()))
    have, _ = named(Rule(("slack",), ()), "acme", book)
    assert [channel.id for channel in have] == ["a", "b"]


def test_tenants_do_not_share_channels() -> None:
    book = ChannelBook().fold(RECORDS)
    have, lack = named(Rule(("slack", "team-a"), ("hook",)), "other", book)
    assert [(channel.tenant_id, channel.id) for channel in have] == [("other", "slack")]
    assert [str(ref) for ref in lack] == ["channel/team-a", "webhook/hook"]


def test_only_what_changed_is_parsed_again() -> None:
    parsed: list[str] = []

    def clear(record: Record) -> Mapping[str, Any]:
        parsed.append(record.id)
        return record.document()

    book = ChannelBook().fold((hook("a"), hook("b")), clear)
    book = book.fold((hook("a"), replace(hook("b", name="new"), revision=2), hook("c")), clear)
    assert parsed == ["a", "b", "b", "c"]
    assert [channel.name for channel in book.by_ref.values()] == ["", "new", ""]
    assert len(book.fold((), clear).by_ref) == 0


def test_a_record_that_cannot_be_used_is_named_and_the_others_stay() -> None:
    def clear(record: Record) -> Mapping[str, Any]:
        if record.id == "sealed":
            raise ValueError("no key opens it")
        return record.document()

    book = ChannelBook().fold((hook("bad", url="nope"), hook("sealed"), hook("good")), clear)
    assert [ref.id for _, ref in book.by_ref] == ["good"]
    assert {ref.id: str(error) for (_, ref), error in book.problems.items()} == {
        "bad": "url: the value (hidden) is not an http or https address",
        "sealed": "no key opens it",
    }
    # it is looked at again each time, as it may be a key that was missing
    assert {ref.id for _, ref in book.fold((hook("sealed"),)).by_ref} == {"sealed"}


def test_real_rules_and_records_fit() -> None:
    rule: NotifyingRule = parse_rule(
        {"name": "r", "tenant_id": "acme", "type": "pattern", "condition": {"action": "x"}, "webhookIds": ["hook"]}
    )
    record = ConfigRecord("webhook", "acme", "hook", 1, {"url": "https://x.example/"}, "", "")
    book = ChannelBook().fold([record])
    assert [channel.id for channel in named(rule, "acme", book)[0]] == ["hook"]
    assert (rule.cooldown_min, rule.enabled, rule.mode) == (5, True, "live")
    assert list(Snapshot.empty().records("webhook")) == []
