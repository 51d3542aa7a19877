"""Endpoints that fail for good are switched off, on repeated failure and not on sporadic success; time is driven."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest

from streamproc.alerting.ailing import FAILING_MS, FORGET_MS, LEAST
from streamproc.alerting.belonging import in_outbox
from streamproc.alerting.endpoint_notice import ACTION, RULE_ID, event_of, notices
from streamproc.alerting.message import Message
from streamproc.alerting.outbox import Outbox
from streamproc.alerting.outbox_entry import Ailing, SwitchedOff, decode
from streamproc.alerting.people import PeopleBook
from streamproc.alerting.recipients import ChannelBook
from streamproc.alerting.render import plain
from streamproc.alerting.retry import Fixed
from streamproc.alerting.terms import Terms, terms_of
from streamproc.model.channel_settings import ChannelRef
from streamproc.model.delivery import Outcome, OutcomeKind, Reason
from streamproc.model.notification import Notification, Purpose
from streamproc.model.records import SCHEMAS
from tests.alerting.making import HOOK, Record, hook, notification, slack
from tests.alerting.test_outbox import BAD, BUSY, GONE, OK, Desk, Still

HOUR = 3_600_000
DAY = 24 * HOUR


class Endpoint(Desk):
    """A desk with one webhook, whose configuration has a revision."""

    def __init__(self) -> None:
        super().__init__(waits=(0,))
        self.revision = 1
        self.number = 0
        self.outbox = Outbox(self.treat)

    def treat(self, _: Notification) -> Terms:
        return Terms(Fixed((0, 1000)), 16, self.revision)

    def restart(self, now: int = 0) -> None:
        self.outbox, effects = Outbox.restored(self.table.items(), self.treat, now)
        self.carry_out(effects)

    def attempt(self, now: int, outcome: Outcome) -> list[SwitchedOff]:
        """A new alert is told; as the runtime does it, an endpoint that is off is not tried."""
        self.number += 1
        one = notification(1, alert_id=f"alt_before_{self.number}", at=now)
        self.add(one, now=now)
        found = []
        for entry in self.outbox.due(now):
            if self.outbox.off(entry.notification):
                outcome = Outcome(OutcomeKind.PERMANENT, Reason.DISABLED)
            effects = self.carry_out(self.outbox.finished(entry.id, outcome, now, Still()))
            found += effects.disabled
        return found


@pytest.mark.parametrize("restarts", [False, True])
def test_five_days_without_a_success_switch_it_off(restarts: bool) -> None:
    endpoint = Endpoint()
    for hour in range(0, 120, 6):
        assert endpoint.attempt(hour * HOUR, BAD) == []
        if restarts:
            endpoint.restart(hour * HOUR)
    [off] = endpoint.attempt(120 * HOUR, BAD)
    assert off == SwitchedOff("acme", HOOK, Reason.ENDPOINT_OFF, at=120 * HOUR, since=0, failures=21)


def test_sporadic_success_keeps_it_on() -> None:
    endpoint = Endpoint()
    for hour in range(0, 30 * 24, 6):
        assert endpoint.attempt(hour * HOUR, OK if hour % 114 == 0 else BAD) == []
    assert any(not key.startswith(b"dlv_") for key in endpoint.table), "failures since the last success are stored"
    endpoint.attempt(31 * DAY, OK)
    assert all(key.startswith(b"dlv_") for key in endpoint.table), "and a success clears them"


def test_few_failures_that_lie_far_apart_do_not_switch_it_off() -> None:
    endpoint = Endpoint()
    found = [endpoint.attempt(day * DAY, BAD) for day in range(0, 7 * LEAST, 7)]
    assert found[:-1] == [[]] * (LEAST - 1)
    assert len(found[-1]) == 1


@pytest.mark.parametrize("reason", [Reason.INTERNAL, Reason.RECIPIENT_GONE, Reason.CHANNEL_GONE, Reason.DISABLED])
def test_failures_that_are_not_the_endpoints_do_not_count(reason: Reason) -> None:
    endpoint = Endpoint()
    for hour in range(0, 240, 6):
        assert endpoint.attempt(hour * HOUR, Outcome(OutcomeKind.PERMANENT, reason)) == []


def test_what_waits_for_it_ends_with_it() -> None:
    endpoint = Endpoint()
    for hour in range(0, 120, 6):
        endpoint.attempt(hour * HOUR, BAD)
    now = FAILING_MS
    endpoint.records.clear()
    trigger, resolve = notification(1, at=now), notification(4, Purpose.RESOLVED, at=now)
    other = notification(1, alert_id="alt_y", at=now)
    endpoint.add(trigger, resolve, other, now=now)
    entries = {entry.id: entry for entry in endpoint.outbox.due(now)}
    later = notification(1, alert_id="alt_z", at=now)
    endpoint.add(later, now=now)
    endpoint.finish(other, BUSY, now)  # would be tried again, but for this
    ends = {r.id: (str(r.state), str(r.reason)) for r in endpoint.records}
    assert ends == {
        other.delivery_id: ("gave_up", "endpoint_off"),
        later.delivery_id: ("gave_up", "endpoint_off"),
    }
    assert trigger.delivery_id in entries, "is under way"
    endpoint.finish(trigger, BUSY, now)
    ends = {r.id: (str(r.state), str(r.reason)) for r in endpoint.records}
    assert ends[trigger.delivery_id] == ("gave_up", "endpoint_off")
    assert ends[resolve.delivery_id] == ("superseded", "trigger_failed")
    assert len(endpoint.outbox) == 0
    assert endpoint.outbox.next_due() is None or not endpoint.due(now)


@pytest.mark.parametrize("restarts", [False, True])
def test_an_address_that_is_gone_is_not_tried_again_until_it_is_configured_anew(restarts: bool) -> None:
    endpoint = Endpoint()
    assert [off.reason for off in endpoint.attempt(0, GONE)] == [Reason.GONE]
    if restarts:
        endpoint.restart(1)
    [again] = endpoint.attempt(DAY, OK)
    assert again.again, "its configuration is still to be changed"
    assert endpoint.records[-1].reason is Reason.DISABLED
    endpoint.revision += 1
    assert endpoint.attempt(2 * DAY, OK) == []
    assert str(endpoint.records[-1].state) == "delivered"


def test_an_endpoint_that_was_switched_on_again_gets_five_more_days() -> None:
    endpoint = Endpoint()
    for hour in range(0, 126, 6):
        endpoint.attempt(hour * HOUR, BAD)
    endpoint.revision += 2
    found = [endpoint.attempt(6 * DAY + hour * HOUR, BAD) for hour in range(0, 121, 6)]
    assert [bool(off) for off in found] == [False] * 20 + [True]


def test_an_address_in_a_rule_goes_by_the_revision_of_its_rule() -> None:
    rule = Record("rule", "r1", {"name": "R", "webhook_urls": ["https://example.com/x"]}, revision=7)
    book = ChannelBook().fold([rule, hook()])
    [channel] = book.by_rule["acme", ChannelRef("rule", "r1")]
    assert terms_of(notification(channel=channel.ref), book).revision == 7
    assert terms_of(notification(channel=HOOK), book).revision == 1
    assert terms_of(notification(channel=ChannelRef("webhook", "none")), book).revision == 0


# telling of it

OFF = SwitchedOff("acme", HOOK, Reason.ENDPOINT_OFF, at=6 * DAY, since=DAY, failures=40)
MAIL: dict[str, Any] = {"type": "email", "host": "mail.example.com", "sender": "a@example.com"}


def told(*records: Record, off: SwitchedOff = OFF, sick: frozenset[str] = frozenset()) -> list[tuple[str, str]]:
    people = PeopleBook().fold(
        [
            Record("user", "alice", {"name": "Alice", "email": "alice@example.com", "roles": ["admin"]}),
            Record("user", "bobby", {"name": "Bob", "email": "bob@example.com", "roles": ["member"]}),
        ]
    )
    book = ChannelBook().fold([hook(), *records])
    found = notices(off, book, people, lambda _, ref: ref.id in sick)
    for one in found:
        SCHEMAS["notification"].model_validate_json(Notification.decode(one.encode()).encode())
    return [(str(one.channel), one.recipient) for one in found]


def test_the_tenant_is_told_by_mail_else_by_what_is_well() -> None:
    mail = Record("channel", "mail", MAIL)
    inbox = Record("channel", "inbox", {"type": "message_center"})
    assert told(slack(), mail) == [("channel/mail", "user/alice")]
    assert told(slack(), Record("channel", "mail", {**MAIL, "recipients": ["ops@example.com"]})) == [
        ("channel/mail", "")
    ]
    assert told(inbox, slack(), mail, sick=frozenset({"mail"})) == [("channel/slack", "")]
    assert told(inbox, slack(enabled=False)) == [("channel/inbox", "")]
    assert told(slack(events=["alert.resolved"])) == []
    assert told() == [], "never by itself"
    assert told(slack(), off=OFF._replace(tenant="globex")) == []


def test_what_is_said_of_it() -> None:
    [one] = notices(OFF, ChannelBook().fold([hook(name="SIEM"), slack()]), PeopleBook(), lambda *_: False)
    alert = orjson.loads(one.alert)
    assert alert["title"] == "Webhook SIEM was switched off"
    assert (alert["severity"], alert["rule"]["id"]) == ("high", RULE_ID)
    text = plain(Message.of(one))
    assert "failed 40 times since 1970-01-02" in text
    later = notices(
        OFF._replace(at=OFF.at + HOUR), ChannelBook().fold([hook(), slack()]), PeopleBook(), lambda *_: False
    )
    assert later[0].delivery_id == one.delivery_id, "once a day"
    next_day = notices(OFF._replace(at=OFF.at + DAY), ChannelBook().fold([hook(), slack()]), PeopleBook(), lambda *_: 0)
    assert next_day[0].delivery_id != one.delivery_id
    event = event_of(OFF)
    assert (event["action"], event["resource"]) == (ACTION, {"type": "webhook", "id": "hook"})
    assert event["id"] == event_of(OFF._replace(at=OFF.at + HOUR))["id"]


def test_an_address_that_every_tenant_shares_is_not_their_matter() -> None:
    rule = replace(Record("rule", "r1", {"name": "R", "webhook_urls": ["https://example.com/x"]}), tenant="*")
    book = ChannelBook().fold([rule, slack()])
    [channel] = book.by_rule["*", ChannelRef("rule", "r1")]
    assert notices(OFF._replace(channel=channel.ref), book, PeopleBook(), lambda *_: False) == []


def test_what_is_stored_of_a_channel_is_its_tenants_and_comes_back() -> None:
    row = Ailing("acme", HOOK, 7, since=1, latest=2, failures=3, off=Reason.GONE)
    assert decode(row.encode()) == row
    assert decode(replace(row, off=None).encode()) == replace(row, off=None)
    other = replace(row, tenant="globex")
    rows = [(one.id.encode(), one.encode()) for one in (row, other)]
    assert in_outbox(rows, "acme") == [row.id.encode()]


def test_rows_do_not_stay_for_ever() -> None:
    endpoint = Endpoint()
    endpoint.attempt(0, BAD)
    endpoint.carry_out(endpoint.outbox.sweep(FORGET_MS - 1))
    assert endpoint.outbox.ailing("acme", HOOK)
    endpoint.carry_out(endpoint.outbox.sweep(FORGET_MS))
    assert not endpoint.outbox.ailing("acme", HOOK)
    assert not [key for key in endpoint.table if key.startswith(b"channel")]
    endpoint.attempt(0, GONE)
    endpoint.carry_out(endpoint.outbox.sweep(FORGET_MS))
    assert endpoint.outbox.ailing("acme", HOOK), "what is off must not be tried again because nobody wrote to it"
