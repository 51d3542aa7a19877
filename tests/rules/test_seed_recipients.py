"""Recipients in the rule itself, as Shield's document shows them: read, sealed, told, or recorded as not told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
import pytest

from streamproc.alerting.notify import Decision, notify
from streamproc.alerting.people import PeopleBook
from streamproc.alerting.recipients import ChannelBook, named
from streamproc.channels.http import Http
from streamproc.channels.registry import Transports
from streamproc.config.changes import Action, check_documents, plan
from streamproc.config.documents import Document
from streamproc.config.keyring import Keyring
from streamproc.config.record import ConfigRecord, encode
from streamproc.config.sealing import HIDDEN, hidden, open_sealed
from streamproc.config.snapshot import ConfigEntry, Snapshot
from streamproc.model.policy import Policy
from streamproc.model.rule import Rule
from streamproc.model.webhook import WebhookSettings
from streamproc.rules import parse_rule
from streamproc.rules.lint import lint
from tests.alerting.making import Record, alert, hook, slack
from tests.channels.receiver import answer, http, notification, receiving

from .making import problems, rule

KEYS = Keyring([b"k" * 32])
URL = "https://api.company.com/shield-alerts"
RULE = """{"name": "Bypass Activity", "thresholdTime": "1", "thresholdType": "hours",
           "conditions": [{"type": "bypassed", "values": ["true"]}], %s}"""

SHIELD: dict[str, tuple[str, dict[str, Any]]] = {
    "email": (
        """"notificationTypes": ["email"], "emailRecipients": ["security@company.com", "soc@company.com"]""",
        {"email_recipients": ("security@company.com", "soc@company.com")},
    ),
    "slack": (
        """"notificationTypes": ["slack"], "slackChannels": ["channel-uuid-1", "channel-uuid-2"]""",
        {"slack_channels": ("channel-uuid-1", "channel-uuid-2")},
    ),
    "teams": (
        """"notificationTypes": ["teams"], "teamsChannels": ["channel-uuid-1"]""",
        {"teams_channels": ("channel-uuid-1",)},
    ),
    "webhook": (
        """"notificationTypes": ["webhook"], "webhookUrls": ["https://api.company.com/shield-alerts"]""",
        {},
    ),
}


def shield(type: str) -> dict[str, Any]:
    """Shield's example of a type, in a rule of its document."""
    return dict(json.loads(RULE % SHIELD[type][0]))


def parsed(**fields: Any) -> Rule:
    return parse_rule(rule({"action": "a"}, id="r1", **fields))


def record(doc: Mapping[str, Any], tenant: str = "acme", revision: int = 1) -> Record:
    return Record("rule", "r1", dict(doc), tenant, revision)


def told(
    doc: Mapping[str, Any], *records: Record, tenant: str = "acme", owner: str = "acme"
) -> tuple[list[str], list[str]]:
    """(the channels that are told, by ref; what is missing)."""
    mine = record({**doc, "tenant_id": owner}, owner)
    book = ChannelBook().fold([*records, mine])
    found, missing = named(parse_rule(mine.document()), tenant, book)
    assert all(book.get(tenant, channel.ref) is channel for channel in found), "delivery finds what notify named"
    return [str(channel.ref) for channel in found], [str(ref) for ref in missing]


@pytest.mark.parametrize("type", SHIELD)
def test_shields_examples_load_as_they_stand(type: str) -> None:
    found = parse_rule(shield(type), default_tenant="acme")
    assert found.notification_types == (type,)
    want = SHIELD[type][1]
    assert {name: getattr(found, name) for name in want} == want
    assert [url.get_secret_value() for url in found.webhook_urls] == ([URL] if type == "webhook" else [])
    own = {"notification_types": [type], **{name: list(value) for name, value in want.items()}}
    if type == "webhook":
        own["webhook_urls"] = [URL]
    plain = {name: value for name, value in shield(type).items() if name[:5] in ("name", "thres", "condi")}
    assert parse_rule(plain | own, default_tenant="acme") == found, "snake_case says the same"


def test_shields_slack_channels_are_told() -> None:
    channels = (slack("channel-uuid-1"), hook("channel-uuid-2", url="https://hooks.slack.com/services/T/B/x"))
    assert told(shield("slack"), *channels) == (["channel/channel-uuid-1", "webhook/channel-uuid-2"], [])
    assert told(shield("slack"), slack("channel-uuid-1")) == (["channel/channel-uuid-1"], ["channel/channel-uuid-2"])
    assert told(shield("slack"), slack("other"))[0] == [], "the ids say which, not the type"


def test_shields_webhook_is_told() -> None:
    [ref], missing = told(shield("webhook"))
    assert missing == []
    assert ref.startswith("rule_url/r1:")
    assert told(shield("webhook") | {"notificationTypes": []}) == ([ref], []), "its id is the same each time"


@pytest.mark.parametrize("type", ["email", "teams"])
def test_what_cannot_be_told_yet_is_named(type: str) -> None:
    found, missing = told(shield(type))
    assert (found, missing) == ([], ["channel/email" if type == "email" else "channel/channel-uuid-1"])


@pytest.mark.parametrize(
    ("fields", "found", "missing"),
    [
        ({}, [], []),
        ({"notificationTypes": ["slack"]}, ["channel/slack"], []),
        ({"notificationTypes": ["pagerduty", "pagerduty"]}, [], ["channel/pagerduty"]),
        ({"notificationTypes": ["webhook"], "webhookIds": ["hook"]}, ["webhook/hook"], []),
        ({"notificationTypes": ["webhook"]}, [], ["channel/webhook"]),
        ({"notificationTypes": ["slack"], "channels": ["slack"]}, ["channel/slack"], []),
        ({"notificationTypes": ["slack"], "emailRecipients": ["a@b.example"]}, ["channel/slack"], []),
        ({"emailRecipients": ["a@b.example"], "slackChannels": ["slack"]}, ["channel/slack"], ["channel/email"]),
        ({"emailRecipients": ["a@b.example"], "channels": ["email"]}, [], ["channel/email"]),
    ],
)
def test_types_and_recipients(fields: dict[str, Any], found: list[str], missing: list[str]) -> None:
    assert told(rule({"action": "a"}, id="r1") | fields, slack(), hook()) == (found, missing)


def test_an_address_is_a_webhook_of_the_standard_format_and_unsigned() -> None:
    doc = rule({"action": "a"}, webhookUrls=[URL, URL, "https://hooks.slack.com/services/T/B/x", "${SOC_URL}"])
    book = ChannelBook().fold([record(doc)])
    first, second, third = (channel for channel in book.by_ref.values() if isinstance(channel, WebhookSettings))
    assert (first.transport, first.all_secrets, str(first.format)) == ("webhook", (), "standard")
    assert (second.transport, third.url.get_secret_value()) == ("slack", "${SOC_URL}")
    fewer = ChannelBook().fold([record(doc | {"webhookUrls": ["${SOC_URL}"]})])
    assert list(fewer.by_ref) == [("acme", third.ref)], "an id stays though other addresses go"


def test_a_rule_for_every_tenant_tells_its_own_addresses_whoever_is_meant() -> None:
    [ref], _ = told(shield("webhook"), tenant="other", owner="*")
    assert ref.startswith("rule_url/r1:")
    mine = ChannelBook().fold([record(shield("webhook"))])
    assert mine.get("other", next(iter(mine.by_ref))[1]) is None, "a tenant's own are for no other"


def test_a_rule_is_read_again_only_when_it_changed() -> None:
    opened: list[int] = []

    def clear(one: Record) -> Mapping[str, Any]:
        opened.append(one.revision)
        return one.document()

    doc = rule({"action": "a"}, webhook_urls=[URL])
    other = replace(record(rule({"action": "a"})), id="r2")
    book = ChannelBook().fold([record(doc), other], clear).fold([record(doc), other], clear)
    assert len(book.by_ref) == 1
    book = book.fold([record(doc | {"webhook_urls": [URL, URL + "2"]}, revision=2)], clear)
    assert (len(book.by_ref), opened) == (2, [1, 2])
    assert not book.fold([record(rule({"action": "a"}), revision=3)], clear).by_ref


class Config:
    """A `Lookup` with one rule."""

    def __init__(self, doc: Mapping[str, Any], *records: Record) -> None:
        mine = record({**doc, "tenant_id": "acme"})
        self._rule = parse_rule(mine.document())
        self.channels = ChannelBook().fold([*records, mine])
        self.people = PeopleBook()
        self.policies: dict[tuple[str, str], Policy] = {}
        self.revision = 1

    def silences(self, tenant: str) -> list[Any]:
        return []

    def rule(self, owner: str, rule_id: str) -> Rule | None:
        return self._rule if (owner, rule_id) == ("acme", "r1") else None


def decided(doc: Mapping[str, Any], *records: Record) -> Decision:
    return notify(alert(1, 1, "alert.triggered"), None, Config(doc, *records), 0)


def reasons(decision: Decision) -> list[tuple[str, str]]:
    return [(str(one.channel), str(one.reason)) for one in decision.suppressed]


def test_nobody_is_left_out_without_a_record() -> None:
    decision = decided(shield("email"))
    assert decision.notifications == ()
    assert reasons(decision) == [("channel/email", "no_channel")]
    decision = decided(shield("teams") | shield("webhook") | {"notificationTypes": ["webhook", "teams"]})
    assert [one.channel.config for one in decision.notifications] == ["rule_url"]
    assert reasons(decision) == [("channel/channel-uuid-1", "no_channel")]
    assert "company.com" not in decision.notifications[0].encode().decode(), "the address is no part of what is sent"


def test_an_address_that_cannot_be_opened_is_recorded() -> None:
    decision = decided(shield("webhook") | {"webhookUrls": [{"$sealed": "v1.box"}]})
    assert [one.channel.config for one in decision.notifications] == ["rule_url"], "delivery says what is wrong"

    def fails(one: Record) -> Mapping[str, Any]:
        raise ValueError("no key opens it")

    config = Config(shield("webhook"))
    config.channels = ChannelBook().fold([record(shield("webhook"))], fails)
    decision = notify(alert(1, 1, "alert.triggered"), None, config, 0)
    assert (decision.notifications, reasons(decision)) == ((), [("rule_url/r1", "no_channel")])
    assert [str(problem) for problem in config.channels.problems.values()] == ["no key opens it"]


async def test_an_address_gets_an_unsigned_post_and_no_private_network_is_reached() -> None:
    """The variable stands in for an https address of this machine, for which there is no certificate."""
    book = ChannelBook().fold([record(rule({"action": "a"}, webhookUrls=["${SOC_URL}"]))])
    [channel] = book.by_ref.values()
    async with receiving(answer(200)) as receiver, http() as client:
        sent = await Transports(client, {"SOC_URL": receiver.url}).send(notification(), channel)
        assert sent.kind == "delivered"
        [request] = receiver.requests
        assert request.headers["webhook-id"] == notification().delivery_id
        assert "webhook-signature" not in request.headers
        async with Http() as guarded:
            refused = await Transports(guarded, {"SOC_URL": receiver.url}).send(notification(), channel)
    assert (str(refused.kind), str(refused.reason), len(receiver.requests)) == ("permanent", "forbidden_address", 1)


def applied(doc: Mapping[str, Any], snapshot: Snapshot) -> tuple[Snapshot, ConfigRecord, Action]:
    [one] = check_documents([Document("f.json", 1, dict(doc), {})], KEYS, kind="rule", tenant="acme")
    [change] = plan(snapshot, [one], KEYS, now="", by="")
    after = snapshot.fold([ConfigEntry(snapshot.offset, change.record.key.encode(), encode(change.record))])
    return after, change.record, change.action


def test_addresses_are_secret_wherever_a_rule_is_kept_or_shown() -> None:
    doc = shield("webhook") | {"webhookUrls": [URL, "${SOC_URL}"]}
    snapshot, kept, _ = applied(doc, Snapshot.empty())
    compiled = snapshot.rule("acme", kept.id)
    assert compiled is not None
    assert len(compiled.rule.webhook_urls) == 2
    for shown in (
        encode(kept).decode(),
        repr(compiled.rule),
        str(hidden("rule", kept.spec)),
        repr(parse_rule(kept.document())),
    ):
        assert "shield-alerts" not in shown
    assert hidden("rule", kept.spec)["webhookUrls"] == [HIDDEN, "${SOC_URL}"]
    assert orjson.dumps(open_sealed(kept, KEYS)["webhookUrls"]) == orjson.dumps([URL, "${SOC_URL}"])
    assert applied(doc, snapshot)[2] is Action.UNCHANGED
    assert applied(kept.document() | {"kind": "rule"}, snapshot)[2] is Action.UNCHANGED, "an export applies again"
    assert applied(doc | {"webhookUrls": [URL]}, snapshot)[2] is Action.UPDATE

    book = ChannelBook().fold(snapshot.records("rule"), lambda one: open_sealed(one, KEYS))
    channels = named(compiled.rule, "acme", book)[0]
    assert [channel.url.get_secret_value() for channel in channels if isinstance(channel, WebhookSettings)] == [
        URL,
        "${SOC_URL}",
    ]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"notificationTypes": ["fax"]}, "notification_types[0]: 'fax' is not 'email', 'slack', 'teams', 'webhook'"),
        (
            {"emailRecipients": ["nobody"]},
            "email_recipients[0]: 'nobody' is not an e-mail address: An email",
        ),
        ({"emailRecipients": ["a@b.example", "a@b"]}, "email_recipients[1]: 'a@b' is not an e-mail address: The part"),
        (
            {"emailRecipients": ["a@b.example\nBcc: c@d.example"]},
            "email_recipients[0]: 'a@b.example\\nBcc: c@d.example' is",
        ),
        ({"webhookUrls": ["http://a.example/s3cret"]}, "webhook_urls[0]: the value (hidden) is not an https address"),
        ({"webhookUrls": ["ftp://s3cret"]}, "webhook_urls[0]: the value (hidden) is not an http or https address"),
        ({"webhookUrls": ["https://u:s3cret@a.example/"]}, "webhook_urls[0]: the value (hidden) holds a user name or"),
        ({"webhookUrls": [7]}, "webhook_urls[0]: the value (hidden) is not text"),
        ({"slackChannels": [""]}, "slack_channels[0]: '' is not at least 1 characters long"),
        ({"slackChannels": ["c"] * 101}, "slack_channels: ['c', 'c',"),
        ({"slackChannel": ["c"]}, "slackChannel: is not a known field; did you mean slack_channels?"),
    ],
)
def test_what_is_wrong_with_recipients(fields: dict[str, Any], message: str) -> None:
    [problem] = problems(rule({"action": "a"}, **fields))
    assert problem.startswith(message)
    assert "s3cret" not in problem


def test_a_mail_domain_may_be_a_companys_own() -> None:
    assert parsed(emailRecipients=["soc@mail.corp.internal", "Ann@Example.COM"]).email_recipients == (
        "soc@mail.corp.internal",
        "Ann@example.com",
    )
    assert parsed(emailRecipients="soc@example.com").email_recipients == ("soc@example.com",)
    assert len(parsed(email_recipients=[f"u{n}@example.com" for n in range(1000)]).email_recipients) == 1000


def test_a_critical_rule_with_recipients_tells_somebody() -> None:
    critical = {"severity": "critical", "runbook": "https://wiki.example.com/r"}
    assert [finding.path for finding in lint([parsed(**critical)])] == ["channels"]
    assert lint([parsed(**critical, emailRecipients=["soc@example.com"])]) == []


@pytest.mark.parametrize(
    ("field", "text", "fits"),
    [
        ("name", "", False),
        ("name", "x", True),
        ("name", "ü" * 64, True),
        ("name", "x" * 65, False),
        ("name", "a\tb", False),
        ("description", "", True),
        ("description", "d" * 128, True),
        ("description", "d" * 129, False),
        ("description", "a\nb", False),
    ],
)
def test_shields_field_constraints(field: str, text: str, fits: bool) -> None:
    doc = rule({"action": "a"}) | {field: text}
    if fits:
        assert getattr(parse_rule(doc), field) == text
    else:
        [problem] = problems(doc)
        assert problem.startswith(f"{field}: ")
