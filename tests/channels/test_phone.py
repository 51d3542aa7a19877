"""Text messages and calls: what providers get, who is tried again, and Aliyun's signature by its own package."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs
from xml.etree import ElementTree

import hypothesis.strategies as st
import orjson
import pytest
from hypothesis import given

from streamproc.alerting import render_phone
from streamproc.alerting.addressing import addressed
from streamproc.alerting.message import Message
from streamproc.alerting.people import PeopleBook
from streamproc.channels import fanout
from streamproc.channels.aliyun import AccessKey, authorization
from streamproc.channels.outcome import Outcome
from streamproc.channels.registry import Transports
from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.channels_phone import SmsChannel
from streamproc.model.document import DocumentError, parsed
from streamproc.model.notification import Notification, Purpose
from streamproc.model.progress import Progress
from streamproc.model.user import parse_user
from tests.channels.providers import (
    ALIYUN_OK,
    TOKEN,
    TWILIO_OK,
    sms_aliyun,
    sms_twilio,
    voice_aliyun,
    voice_twilio,
)
from tests.channels.receiver import ALERT, Request, answer, http, notification, receiving

ONE, TWO, THREE = "+4915112345678", "+14155550123", "+8613800138000"

ORACLE = "Aliyun's own package is not installed; it is too slow to resolve for the lock file"


def oracle() -> Any:
    """Aliyun's own signing."""
    return pytest.importorskip("alibabacloud_openapi_util.client", reason=ORACLE).Client


async def attempt(channel: ChannelSettings, told: Notification | None = None, **options: Any) -> Outcome:
    async with http(clock=lambda: 1_770_733_940.25, **options) as client:
        return await Transports(client, {}).send(told or notification(), channel)


def form(request: Request) -> dict[str, str]:
    return {name: value for name, [value] in parse_qs(request.body.decode(), strict_parsing=True).items()}


async def test_a_text_message_by_twilio() -> None:
    async with receiving(TWILIO_OK) as receiver:
        outcome = await attempt(sms_twilio(receiver.url))
    assert (outcome.kind, outcome.status, outcome.progress) == ("delivered", 201, Progress((ONE,), ()))
    [request] = receiver.requests
    assert request.line.startswith("POST /services/T00/B00/xyzzy/2010-04-01/Accounts/AC123/Messages.json ")
    assert request.headers["authorization"] == "Basic " + base64.b64encode(f"AC123:{TOKEN}".encode()).decode()
    assert form(request) == {
        "To": ONE,
        "From": "+15005550006",
        "Body": "[High] Alert Triggered: Excessive Failed Logins. 5 events in 300 s for actor.ip 203.0.113.7",
    }


async def test_a_messaging_service_as_the_sender() -> None:
    service = "MG" + "0" * 32
    async with receiving(TWILIO_OK) as receiver:
        await attempt(sms_twilio(receiver.url, sender=service))
    sent = form(receiver.requests[0])
    assert sent["MessagingServiceSid"] == service
    assert "From" not in sent


async def test_a_call_by_twilio() -> None:
    async with receiving(TWILIO_OK) as receiver:
        await attempt(voice_twilio(receiver.url, language="de-DE"))
    [request] = receiver.requests
    assert "/Accounts/AC123/Calls.json " in request.line
    said = ElementTree.fromstring(form(request)["Twiml"].encode())
    assert [part.tag for part in said] == ["Say", "Pause", "Say"]
    assert said[0].attrib == {"language": "de-DE"}
    assert said[0].text == said[2].text == "Alert Triggered: Excessive Failed Logins. Severity: High."


@pytest.mark.parametrize(
    ("status", "code", "kind", "reason"),
    [
        (400, 21610, "permanent", "provider_error"),
        (400, 21211, "permanent", "provider_error"),
        (400, 21614, "permanent", "provider_error"),
        (401, 20003, "permanent", "client_error"),
        (400, 21611, "retry", "rate_limited"),
        (429, 20429, "retry", "rate_limited"),
        (503, 20503, "retry", "server_error"),
    ],
)
async def test_twilios_codes(status: int, code: int, kind: str, reason: str) -> None:
    async with receiving(answer(status, orjson.dumps({"code": code, "message": "no", "status": status}))) as receiver:
        outcome = await attempt(sms_twilio(receiver.url))
    assert (outcome.kind, outcome.reason, outcome.detail) == (kind, reason, f"Twilio error {code}")


async def test_the_token_is_masked() -> None:
    async with receiving(answer(401, f"bad token {TOKEN}")) as receiver:
        channel = sms_twilio(receiver.url)
        outcome = await attempt(channel)
    assert outcome.excerpt == "bad token ***"
    assert TOKEN not in repr(channel)


async def test_a_text_message_by_aliyun() -> None:
    async with receiving(ALIYUN_OK) as receiver:
        outcome = await attempt(sms_aliyun(receiver.url, recipients=[THREE]))
    assert outcome.kind == "delivered"
    [request] = receiver.requests
    sent = form(request)
    assert orjson.loads(sent.pop("TemplateParam")) == {
        "severity": "High",
        "title": "Excessive Failed Logins",
        "status": "updated",
        "time": "2026-02-10 14:32:15 UTC",
        "count": "3",
    }
    assert sent == {
        "PhoneNumbers": "13800138000",
        "SignName": "acme",
        "TemplateCode": "SMS_1",
        "OutId": notification().delivery_id,
    }
    assert request.headers["x-acs-action"] == "SendSms"
    assert request.headers["x-acs-version"] == "2017-05-25"
    assert request.headers["x-acs-date"] == "2026-02-10T14:32:20Z"
    assert request.headers["authorization"] == _expected(request)


async def test_a_call_by_aliyun() -> None:
    async with receiving(ALIYUN_OK) as receiver:
        outcome = await attempt(voice_aliyun(receiver.url, sender="4001112222"))
    assert outcome.kind == "delivered"
    [request] = receiver.requests
    sent = form(request)
    assert (sent["CalledNumber"], sent["CalledShowNumber"], sent["TtsCode"]) == ("4915112345678", "4001112222", "SMS_1")
    assert len(sent["OutId"]) <= 15
    assert request.headers["x-acs-action"] == "SingleCallByTts"
    assert request.headers["authorization"] == _expected(request)


def _expected(request: Request) -> str:
    """The signature of what arrived, as Alibaba Cloud's own package computes it."""

    class Arrived:
        method, path, _ = request.line.split(" ")
        pathname = path
        query: dict[str, str] = {}
        headers = {
            name: value
            for name, value in request.headers.items()
            if name in ("host", "content-type") or name.startswith("x-acs-")
        }

    import hashlib

    digest = hashlib.sha256(request.body).hexdigest()
    assert request.headers["x-acs-content-sha256"] == digest
    return str(oracle().get_authorization(Arrived, "ACS3-HMAC-SHA256", digest, "LTAI5t", TOKEN))


@given(
    query=st.dictionaries(
        st.text("abc-_~", min_size=1),  # the package leaves names as they are
        st.text("abc+%~ é&=/"),
    ),
    body=st.binary(max_size=50),
    extra=st.dictionaries(st.from_regex(r"x-acs-[a-z]{1,8}", fullmatch=True), st.text("abc XYZ;:", max_size=9)),
)
def test_the_signature_is_that_of_aliyuns_package(query: dict[str, str], body: bytes, extra: dict[str, str]) -> None:
    import hashlib
    from urllib.parse import quote, urlencode

    class Made:
        method, pathname = "POST", "/a/b"
        headers = {"host": "x.example", "content-type": "text/plain", **extra}

    Made.query = query  # type: ignore[attr-defined]
    url = "https://x.example/a/b" + (f"?{urlencode(query, quote_via=quote)}" if query else "")
    ours = authorization(AccessKey("id", "secret"), "POST", url, Made.headers, body)
    payload = hashlib.sha256(body).hexdigest()
    assert ours == oracle().get_authorization(Made, "ACS3-HMAC-SHA256", payload, "id", "secret")


@pytest.mark.parametrize(
    ("status", "code", "kind", "reason"),
    [
        (200, "isv.BUSINESS_LIMIT_CONTROL", "retry", "rate_limited"),
        (200, "isv.MOBILE_NUMBER_ILLEGAL", "permanent", "provider_error"),
        (200, "isv.AMOUNT_NOT_ENOUGH", "permanent", "provider_error"),
        (200, "isp.SYSTEM_ERROR", "retry", "provider_error"),
        (400, "Throttling.User", "retry", "rate_limited"),
        (400, "SignatureDoesNotMatch", "permanent", "provider_error"),
        (503, "ServiceUnavailable", "retry", "server_error"),
    ],
)
async def test_aliyuns_codes(status: int, code: str, kind: str, reason: str) -> None:
    async with receiving(answer(status, orjson.dumps({"Code": code, "Message": "no"}))) as receiver:
        outcome = await attempt(sms_aliyun(receiver.url))
    assert (outcome.kind, outcome.reason, outcome.detail) == (kind, reason, code)


@pytest.mark.parametrize("body", ["", "<html>", "[1]", '{"Code": 7}', '{"ok": true}'])
async def test_what_is_not_aliyuns_answer(body: str) -> None:
    async with receiving(answer(200, body)) as receiver:
        outcome = await attempt(sms_aliyun(receiver.url))
    assert (outcome.kind, outcome.reason) == ("retry", "bad_answer")


# several numbers

REFUSED = answer(400, '{"code": 21610}')


async def test_one_who_unsubscribed_does_not_keep_the_others_from_it() -> None:
    async with receiving(TWILIO_OK, REFUSED, TWILIO_OK) as receiver:
        outcome = await attempt(sms_twilio(receiver.url, recipients=[ONE, TWO, THREE]))
    assert outcome.kind == "delivered"
    assert outcome.progress == Progress((ONE, THREE), (TWO,))
    assert outcome.detail == f"refused: {TWO}: Twilio error 21610"
    assert [form(request)["To"] for request in receiver.requests] == [ONE, TWO, THREE]


async def test_a_retry_asks_only_who_is_left() -> None:
    async with receiving(TWILIO_OK, answer(429, "", "Retry-After: 7")) as receiver:
        channel = sms_twilio(receiver.url, recipients=[ONE, TWO, THREE])
        outcome = await attempt(channel)
        assert (outcome.kind, outcome.retry_after) == ("retry", 7.0)
        assert outcome.progress == Progress((ONE,), ())
        assert len(receiver.requests) == 2
        receiver.answers = [TWILIO_OK]
        outcome = await attempt(channel, replace(notification(), progress=outcome.progress))
    assert outcome.kind == "delivered"
    assert [form(request)["To"] for request in receiver.requests] == [ONE, TWO, TWO, THREE]


async def test_credentials_that_are_refused_are_not_tried_for_every_number() -> None:
    async with receiving(answer(401, '{"code": 20003}')) as receiver:
        outcome = await attempt(sms_twilio(receiver.url, recipients=[ONE, TWO, THREE]))
    assert outcome.kind == "permanent"
    assert len(receiver.requests) == 1


async def test_everybody_is_refused() -> None:
    async with receiving(REFUSED) as receiver:
        outcome = await attempt(sms_twilio(receiver.url, recipients=[ONE, TWO]))
    assert (outcome.kind, outcome.progress) == ("permanent", Progress((), (ONE, TWO)))


async def test_what_does_not_fit_into_the_time_waits_for_the_next_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([0.0, 31.0, 32.0])
    monkeypatch.setattr(fanout.time, "monotonic", lambda: next(times))

    async def ask(_: str) -> Outcome:
        from streamproc.channels.outcome import OutcomeKind, Reason

        return Outcome(OutcomeKind.DELIVERED, Reason.OK)

    outcome = await fanout.each(notification(), [ONE, TWO, THREE], ask, 30)
    monkeypatch.undo()
    assert (outcome.kind, outcome.reason) == ("retry", "timeout")
    assert outcome.progress == Progress((ONE,), ())


async def test_a_recipient_in_the_notification_is_the_only_one() -> None:
    async with receiving(TWILIO_OK) as receiver:
        user = parse_user({"id": "alice", "tenant_id": "acme", "name": "Alice", "phone": "1-4155550123", "sms": True})
        people = PeopleBook(users={("acme", "alice"): user})
        channel = addressed(sms_twilio(receiver.url), "user/alice", people)
        assert channel is not None
        await attempt(channel, replace(notification(), recipient="user/alice"))
    assert [form(request)["To"] for request in receiver.requests] == ["+14155550123"]


# settings and words

DOC = {"id": "c", "tenant_id": "acme", "provider": "twilio", "account_sid": "AC1", "auth_token": TOKEN, "sender": "x"}


@pytest.mark.parametrize(
    ("written", "number"),
    [("+4915112345678", ONE), ("49-15112345678", ONE), ("86-13800138000", THREE), ("+1 415 555 0123", TWO)],
)
def test_numbers(written: str, number: str) -> None:
    assert parsed(SmsChannel, {**DOC, "recipients": [written]}).recipients == (number,)


@pytest.mark.parametrize("written", ["", "12", "015112345678", "+49", "+999123456789", "call me", "+4915112345678;x"])
def test_what_is_no_number(written: str) -> None:
    with pytest.raises(DocumentError, match="is not a telephone number with its country"):
        parsed(SmsChannel, {**DOC, "recipients": [written]})


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"sender": None}, "sender: is required for provider twilio"),
        ({"provider": "aliyun"}, "access_key_id: is required for provider aliyun"),
        (
            {"provider": "aliyun", "access_key_id": "k", "access_key_secret": TOKEN, "template_code": "T"},
            "sign_name: is required for provider aliyun",
        ),
        ({"provider": "fax"}, "provider: 'fax' is not 'twilio' or 'aliyun'"),
    ],
)
def test_settings_written_wrongly(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parsed(SmsChannel, {**DOC, "recipients": [ONE], **change})
    assert str(caught.value) == problem
    assert TOKEN not in str(caught.value)


@given(title=st.text(max_size=500), reason=st.text(max_size=500), purpose=st.sampled_from(list(Purpose)))
def test_whatever_an_event_says_stays_words(title: str, reason: str, purpose: Purpose) -> None:
    alert = {**ALERT, "title": title + '</Say><Dial>+1900</Dial>"', "reason": reason}
    said = ElementTree.fromstring(render_phone.twiml(render_phone.spoken(Message(alert, purpose)), "en-US").encode())
    assert [part.tag for part in said] == ["Say", "Pause", "Say"]
    text = render_phone.sms(Message(alert, purpose))
    assert len(text) <= render_phone.MAX_SMS
    assert "\n" not in text
    assert all(len(value) <= 40 for value in render_phone.variables(Message(alert, purpose)).values())
