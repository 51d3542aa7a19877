"""E-mail against a mail server that accepts, refuses, hangs and lies; and what the messages say."""

from __future__ import annotations

import random
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from streamproc.alerting.addressing import addressed
from streamproc.alerting.message import Message
from streamproc.alerting.outbox import Outbox, Terms
from streamproc.alerting.outbox_entry import decode
from streamproc.alerting.people import PeopleBook
from streamproc.alerting.render_email import email
from streamproc.channels import http as http_module
from streamproc.channels.email import EmailTransport, made
from streamproc.channels.outcome import Outcome
from streamproc.channels.secrets import Environment, SettingError
from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.channels_mail import EmailChannel, MailTemplate
from streamproc.model.delivery import DeliveryState, OutcomeKind, Reason
from streamproc.model.document import DocumentError, parsed
from streamproc.model.notification import Notification, Purpose
from streamproc.model.progress import NONE_YET, Progress
from tests.channels.mail_server import certified, mailbox
from tests.channels.receiver import ALERT, http, notification, receiving
from tests.channels.test_address import Names

ANN, BOB, EVE = "ann@acme.example.com", "bob@acme.example.com", "eve@acme.example.com"


async def attempt(
    channel: ChannelSettings,
    told: Notification | None = None,
    environment: dict[str, str] | None = None,
    **options: Any,
) -> Outcome:
    async with http(**options) as client:
        return await EmailTransport(client, Environment(environment or {})).send(told or notification(), channel)


async def test_a_message_arrives() -> None:
    async with mailbox() as box:
        outcome = await attempt(box.channel(recipients=[ANN, BOB]))
    assert (outcome.kind, outcome.reason, outcome.status) == ("delivered", "ok", 250)
    assert outcome.excerpt == "2.0.0 kept as 42"
    assert outcome.progress == Progress((ANN, BOB), ())
    [(to, message)] = box.got
    assert to == [ANN, BOB]
    assert message["From"] == "Streamproc <alerts@acme.example.com>"
    assert message["To"] == f"{ANN}, {BOB}"
    assert message["Subject"] == "Re: [High] Excessive Failed Logins"
    assert message["Message-ID"] == f"<{notification().delivery_id}@acme.example.com>"
    assert message["References"] == message["In-Reply-To"] == f"<{ALERT['id']}@acme.example.com>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Importance"] == "high"
    assert message["Date"] == "Tue, 10 Feb 2026 14:32:15 +0000"
    assert message.get_content_type() == "multipart/alternative"
    text, html = message.iter_parts()
    assert text.get_content().replace("\r\n", "\n") == email(Message(ALERT, Purpose.UPDATED, 2)).text
    assert html.get_content().replace("\r\n", "\n") == email(Message(ALERT, Purpose.UPDATED, 2)).html
    assert max(map(len, box.raw[0].split(b"\r\n"))) <= 998
    assert box.raw[0].isascii()


async def test_all_about_an_alert_is_one_thread() -> None:
    first, last = (
        notification(Purpose.TRIGGERED),
        replace(notification(Purpose.RESOLVED), revision=4, delivery_id="dlv_2"),
    )
    async with mailbox() as box:
        for told in (first, last):
            await attempt(box.channel(), told)
    one, two = (message for _, message in box.got)
    assert one["Message-ID"] != two["Message-ID"]
    assert one["References"] == two["References"]
    assert two["Subject"] == "Re: " + one["Subject"]


async def test_a_retry_is_the_same_message() -> None:
    async with mailbox() as box:
        channel = box.channel()
        for _ in range(2):
            await attempt(channel)
    one, two = (message for _, message in box.got)
    assert {**dict(one), "Content-Type": ""} == {**dict(two), "Content-Type": ""}


@pytest.mark.parametrize(
    ("answers", "kind", "reason", "status"),
    [
        ({"sender": "421 4.3.2 closing"}, "retry", "server_error", 421),
        ({"sender": "451 4.3.0 later"}, "retry", "server_error", 451),
        ({"sender": "553 5.1.8 no such sender"}, "permanent", "provider_error", 553),
        ({"refuse": {ANN: "450 4.2.0 greylisted"}}, "retry", "server_error", 450),
        ({"refuse": {ANN: "421 4.7.0 too many"}}, "retry", "server_error", 421),
        ({"refuse": {ANN: "550 5.1.1 no such user"}}, "permanent", "provider_error", 550),
        ({"data": "452 4.3.1 disk full"}, "retry", "server_error", 452),
        ({"data": "421 4.3.2 closing"}, "retry", "server_error", 421),
        ({"data": "550 5.7.1 looks like spam"}, "permanent", "provider_error", 550),
        ({"data": "554 5.6.0 no"}, "permanent", "provider_error", 554),
    ],
)
async def test_answers(answers: dict[str, Any], kind: str, reason: str, status: int) -> None:
    async with mailbox(**answers) as box:
        outcome = await attempt(box.channel())
    assert (outcome.kind, outcome.reason, outcome.status) == (kind, reason, status)
    assert str(status) in outcome.detail
    assert not box.got


async def test_who_is_refused_is_named_and_the_others_have_it() -> None:
    async with mailbox(refuse={BOB: "550 5.1.1 no such user"}) as box:
        outcome = await attempt(box.channel(recipients=[ANN, BOB]))
    assert (outcome.kind, outcome.reason) == ("delivered", "ok")
    assert outcome.detail == f"refused: {BOB}: 550 5.1.1 no such user"
    assert outcome.progress == Progress((ANN,), (BOB,))
    assert [to for to, _ in box.got] == [[ANN]]


async def test_only_who_was_refused_for_now_is_tried_again() -> None:
    outbox = Outbox(lambda _: Terms.of(None))
    outbox.add(notification(Purpose.TRIGGERED), 0)
    async with mailbox(refuse={BOB: "450 4.2.0 later", EVE: "550 5.1.1 unknown"}) as box:
        channel = box.channel(recipients=[ANN, BOB, EVE])
        [entry] = outbox.due(0)
        outcome = await attempt(channel, entry.notification)
        assert (outcome.kind, outcome.status) == ("retry", 450)
        assert BOB in outcome.detail
        assert EVE in outcome.detail
        effects = outbox.finished(entry.id, outcome, 0, random.Random(1))
        [stored] = effects.puts.values()
        assert decode(stored).notification.progress == Progress((ANN,), (EVE,))  # type: ignore[union-attr]
        restored, _ = Outbox.restored(effects.puts.items(), lambda _: Terms.of(None), 10_000)
        box.refuse = {ANN: "550 must not be asked", EVE: "550 must not be asked"}
        [entry] = restored.due(10_000)
        outcome = await attempt(channel, entry.notification)
        effects = restored.finished(entry.id, outcome, 10_000, random.Random(1))
    assert outcome.kind == "delivered"
    assert [delivery.state for delivery in effects.records] == [DeliveryState.DELIVERED]
    assert [to for to, _ in box.got] == [[ANN], [BOB]]
    assert box.got[0][1]["Message-ID"] == box.got[1][1]["Message-ID"]


async def test_when_the_last_one_left_is_refused_for_good_the_others_still_have_it() -> None:
    told = replace(notification(), progress=Progress((ANN,), ()))
    async with mailbox(refuse={BOB: "550 5.1.1 unknown"}) as box:
        outcome = await attempt(box.channel(recipients=[ANN, BOB]), told)
    assert outcome.kind == "delivered"
    assert BOB in outcome.detail


async def test_nobody_takes_it() -> None:
    async with mailbox(refuse={ANN: "550 unknown", BOB: "551 moved"}) as box:
        outcome = await attempt(box.channel(recipients=[ANN, BOB]))
    assert (outcome.kind, outcome.status) == ("permanent", 550)
    assert outcome.progress == Progress((), (ANN, BOB))


async def test_the_resolve_is_sent_though_retries_for_one_recipient_ran_out() -> None:
    outbox = Outbox(lambda _: replace(Terms.of(None)))
    outbox.add(notification(Purpose.TRIGGERED), 0)
    [entry] = outbox.due(0)
    partly = Outcome(OutcomeKind.PERMANENT, Reason.PROVIDER_ERROR, progress=Progress((ANN,), (BOB,)))
    outbox.finished(entry.id, partly, 0, random.Random(1))
    outbox.add(replace(notification(Purpose.RESOLVED), revision=4, delivery_id="dlv_2"), 1)
    assert [entry.id for entry in outbox.due(1)] == ["dlv_2"]


async def test_progress_that_leaves_nobody() -> None:
    async with mailbox() as box:
        outcome = await attempt(box.channel(), replace(notification(), progress=Progress((), (ANN,))))
        assert outcome.kind == "permanent"
        outcome = await attempt(box.channel(), replace(notification(), progress=Progress((ANN,), ())))
        assert outcome.kind == "delivered"
    assert not box.got


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
async def test_tls_and_login(mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, authority = certified(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    async with mailbox(tls=context, implicit=mode == "implicit", login=True) as box:
        channel = box.channel(tls=mode, username="me", password="${MAIL_PW}")
        outcome = await attempt(channel, environment={"MAIL_PW": "s3cret-pw"})
        assert (outcome.kind, outcome.reason, outcome.detail) == ("delivered", "ok", "")
        outcome = await attempt(channel, environment={"MAIL_PW": "wrong-password"})
        assert (outcome.kind, outcome.reason, outcome.status) == ("permanent", "settings", 535)
        assert "wrong-password" not in repr(outcome)
        with pytest.raises(SettingError, match="MAIL_PW is not set"):
            await attempt(channel)
    assert box.encrypted == [True] if mode == "starttls" else len(box.got) == 1


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
async def test_a_certificate_that_nobody_vouches_for(mode: str, tmp_path: Path) -> None:
    context, _ = certified(tmp_path)
    async with mailbox(tls=context, implicit=mode == "implicit") as box:
        outcome = await attempt(box.channel(tls=mode))
    assert (outcome.kind, outcome.reason) == ("retry", "tls")
    assert not box.got


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
async def test_a_certificate_for_another_host(mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, authority = certified(tmp_path, "127.0.0.2")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    async with mailbox(tls=context, implicit=mode == "implicit") as box:
        outcome = await attempt(box.channel(tls=mode))
    assert (outcome.kind, outcome.reason) == ("retry", "tls")
    assert not box.got


async def test_a_server_without_starttls_gets_nothing() -> None:
    async with mailbox() as box:
        outcome = await attempt(box.channel(tls="starttls"))
    assert (outcome.kind, outcome.reason) == ("permanent", "settings")
    assert outcome.detail == "tls: the mail server does not offer STARTTLS"
    assert not box.got


async def test_a_server_without_login_gets_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, authority = certified(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    async with mailbox(tls=context) as box:
        outcome = await attempt(box.channel(tls="starttls", username="me", password="s3cret-pw"))
    assert (outcome.kind, outcome.reason) == ("permanent", "settings")
    assert not box.got


async def test_a_server_that_hangs() -> None:
    async with mailbox(hang=True) as box:
        outcome = await attempt(box.channel(), total_seconds=0.3)
    assert (outcome.kind, outcome.reason) == ("retry", "timeout")
    assert 250 <= outcome.latency_ms < 3000


async def test_a_server_that_says_nothing() -> None:
    async with receiving(None) as silent:
        outcome = await attempt(_channel(silent.port), total_seconds=0.3)
    assert (outcome.kind, outcome.reason) == ("retry", "timeout")


def _channel(port: int, **settings: Any) -> ChannelSettings:
    doc = {"id": "m", "tenant_id": "acme", "host": "127.0.0.1", "port": port, "tls": "none", "sender": ANN}
    return parsed(EmailChannel, {**doc, "recipients": [ANN], **settings})


async def test_nobody_listens() -> None:
    async with receiving() as gone:
        pass
    outcome = await attempt(_channel(gone.port))
    assert (outcome.kind, outcome.reason) == ("retry", "connection")


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 no\r\n\r\n", b"\x00\xff\xfe\r\n", b"", b"220-never ends"])
async def test_what_is_not_smtp(greeting: bytes) -> None:
    import asyncio

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        outcome = await attempt(_channel(server.sockets[0].getsockname()[1]), total_seconds=1)
    assert outcome.kind == "retry"
    assert outcome.reason in ("protocol", "connection")


@pytest.mark.parametrize("greeting", [b"421 4.3.2 busy\r\n", b"554 5.7.1 you are listed\r\n"])
async def test_a_server_that_does_not_greet(greeting: bytes) -> None:
    import asyncio

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        outcome = await attempt(_channel(server.sockets[0].getsockname()[1]), total_seconds=1)
    assert (outcome.kind, outcome.status) == (("retry", 421) if greeting.startswith(b"421") else ("permanent", 554))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "::1", "0.0.0.0"])
async def test_private_addresses_are_forbidden_by_default(host: str) -> None:
    async with mailbox() as box:
        outcome = await attempt(box.channel(host=host), allowed_networks=())
    assert (outcome.kind, outcome.reason) == ("permanent", "forbidden_address")
    assert "ALLOWED_NETWORKS" in outcome.detail
    assert not box.got


async def test_a_name_for_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "Resolver", lambda: Names("10.0.0.1", "127.0.0.1"))
    async with mailbox() as box:
        channel = box.channel(host="mail.example.com")
        assert (await attempt(channel, allowed_networks=())).reason == "forbidden_address"
        assert not box.got
        assert (await attempt(channel)).kind == "delivered"  # the one of the two that is allowed


async def test_a_recipient_in_the_notification_is_the_only_one() -> None:
    async with mailbox() as box:
        told = replace(notification(), recipient=f"address/{EVE}")
        channel = addressed(box.channel(), told.recipient, PeopleBook())
        assert channel is not None
        await attempt(channel, told)
    assert [to for to, _ in box.got] == [[EVE]]
    assert box.got[0][1]["To"] == EVE


async def test_an_address_outside_ascii_where_the_server_takes_none() -> None:
    async with mailbox() as box:
        outcome = await attempt(box.channel(recipients=["jürgen@acme.example.com"]))
    assert (outcome.kind, outcome.reason) == ("permanent", "settings")


DOC = {"id": "m", "tenant_id": "acme", "host": "mail.acme.example.com", "sender": ANN, "recipients": [BOB]}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"host": "a b"}, "host: 'a b' is not a host name or an IP address"),
        ({"host": "http://x"}, "host: 'http://x' is not a host name or an IP address"),
        ({"port": 0}, "port: 0 is not at least 1"),
        ({"tls": "ssl"}, "tls: 'ssl' is not 'starttls', 'implicit' or 'none'"),
        ({"template": "long"}, "template: 'long' is not 'default', 'minimal' or 'detailed'"),
        ({"username": "me"}, "username: give username and password, or neither"),
        (
            {"username": "me", "password": "pw", "tls": "none"},
            "password: would be sent unencrypted; set tls to starttls or implicit",
        ),
    ],
)
def test_settings_written_wrongly(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parsed(EmailChannel, {**DOC, **change})
    assert str(caught.value) == problem


@pytest.mark.parametrize("bad", ["ann", "a b@c.example.com", "ann@", "ann@x.example.com\r\nBcc: eve@x.example.com"])
@pytest.mark.parametrize("name", ["sender", "recipients"])
def test_addresses_written_wrongly(name: str, bad: str) -> None:
    with pytest.raises(DocumentError, match=f"^{name}.*is not an e-mail address"):
        parsed(EmailChannel, {**DOC, name: bad})


def test_the_password_appears_nowhere() -> None:
    channel = parsed(EmailChannel, {**DOC, "username": "me", "password": "s3cr3t-pw"})
    assert "s3cr3t-pw" not in repr(channel)
    with pytest.raises(DocumentError) as caught:
        parsed(EmailChannel, {**DOC, "password": ["s3cr3t-pw"]})
    assert "s3cr3t-pw" not in str(caught.value)


# what it says


def test_the_text() -> None:
    mail = email(Message({**ALERT, "runbook": "https://wiki.example/a?b=1&c"}, Purpose.TRIGGERED, 1))
    assert mail.subject == "[High] Excessive Failed Logins"
    assert mail.text.splitlines() == [
        "🚨 Alert Triggered: Excessive Failed Logins",
        "",
        "Alert: Excessive Failed Logins",
        "Severity: High",
        "Triggered: 2026-02-10 14:32:15 UTC",
        "",
        "Details:",
        "- Action: user.login",
        "- Outcome: failure",
        "- Count: 5 in 5 minutes",
        "- Actor: user_alice",
        "- actor.ip: 203.0.113.7",
        "- Reason: 5 events in 300 s for actor.ip 203.0.113.7",
        "- Triggers: 3",
        "- Tenant: acme",
        "",
        "1 more trigger was silent since the last notification.",
        "",
        "Runbook: https://wiki.example/a?b=1&c",
    ]
    assert '<a href="https://wiki.example/a?b=1&amp;c">Runbook</a>' in mail.html


def test_the_lengths() -> None:
    short, usual, long = (
        email(Message(ALERT, Purpose.TRIGGERED, 0), template).text
        for template in reversed((MailTemplate.DETAILED, MailTemplate.DEFAULT, MailTemplate.MINIMAL))
    )
    assert "Reason:" in short
    assert "Outcome" not in short
    assert "Outcome" in usual
    assert '"country": "DE"' not in usual
    assert long.startswith(usual.rstrip("\n"))
    assert '"country": "DE"' in long


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


OURS = {
    ("html", ()),
    ("head", ()),
    ("meta", ("charset",)),
    ("body", ("style",)),
    ("div", ("style",)),
    ("table", ("style",)),
    ("tr", ()),
    ("td", ("style",)),
    ("p", ("style",)),
    ("a", ("href",)),
    ("pre", ("style",)),
}
hostile = st.text(max_size=400) | st.sampled_from(
    ["<script>alert(1)</script>", '"><img src=x onerror=y>', "x\r\nBcc: eve@x.example", "&lt;b&gt;", "</pre><a href=z>"]
)


@given(
    title=hostile,
    reason=hostile,
    value=hostile,
    runbook=hostile,
    note=hostile,
    severity=hostile,
    template=st.sampled_from(list(MailTemplate)),
    purpose=st.sampled_from(list(Purpose)),
)
def test_nothing_that_an_event_says_is_markup_or_a_header(
    title: str,
    reason: str,
    value: str,
    runbook: str,
    note: str,
    severity: str,
    template: MailTemplate,
    purpose: Purpose,
) -> None:
    import orjson

    record = {
        **ALERT,
        "title": title,
        "reason": reason,
        "severity": severity,
        "group": {value: value},
        "event": {"action": value, "actor": {"id": value}},
        "runbook": runbook,
        "notes": [{"text": note}],
    }
    mail = email(Message(record, purpose, 1), template)
    page = Tags()
    page.feed(mail.html)
    assert set(page.tags) <= OURS
    channel = parsed(EmailChannel, {**DOC, "template": template})
    try:
        told = notification(purpose, record=orjson.loads(orjson.dumps(record)))
    except (TypeError, orjson.JSONEncodeError):
        return  # a lone surrogate stands in no record
    message = made(told, channel, Message.of(told)).as_bytes()
    head = message.partition(b"\r\n\r\n")[0].decode()
    names = [line.partition(":")[0].lower() for line in head.split("\r\n") if not line.startswith((" ", "\t"))]
    assert "bcc" not in names
    assert len(names) == len(set(names))


def test_a_huge_alert_makes_a_bounded_message() -> None:
    record = {**ALERT, "event": {"action": "x" * 10**6, "actor": {"id": "<" * 10**6}}, "title": "y" * 10**6}
    for template in MailTemplate:
        assert len(email(Message(record, Purpose.TRIGGERED, 0), template).html) < 200_000


def test_progress_leaves_who_is_neither_reached_nor_refused() -> None:
    assert NONE_YET.left([ANN, BOB]) == [ANN, BOB]
    assert NONE_YET.after([ANN], [BOB]).left([EVE, BOB, ANN]) == [EVE]


async def test_the_servers_words_hold_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context, authority = certified(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    async with mailbox(tls=context, login=True, data="550 you said s3cret-pw") as box:
        outcome = await attempt(box.channel(tls="starttls", username="me", password="s3cret-pw"))
    assert outcome.excerpt == "550 you said ***"
    assert "s3cret-pw" not in repr(outcome)
