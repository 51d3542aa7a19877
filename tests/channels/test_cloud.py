"""Event buses and functions: signatures by botocore and by Alibaba Cloud's packages, and failures under status 200."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

import hypothesis.strategies as st
import orjson
import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given

from streamproc.alerting.render_cloud import MAX_ENTRY_BYTES, aws_entry, cloud_event
from streamproc.channels import sigv4
from streamproc.channels.outcome import Outcome
from streamproc.channels.registry import Transports
from streamproc.model.channel import parse_channel
from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.document import DocumentError
from streamproc.model.notification import Purpose
from tests.channels.providers import ALIYUN_BUS_OK, AWS_OK, TOKEN, bus, function
from tests.channels.receiver import ALERT, Request, answer, http, notification, receiving

NOW = 1_770_733_940.25

ORACLE = "Aliyun's own package is not installed; it is too slow to resolve for the lock file"


def oracle() -> Any:
    """Aliyun's own signing."""
    return pytest.importorskip("alibabacloud_openapi_util.client", reason=ORACLE).Client


async def attempt(channel: ChannelSettings, **options: Any) -> Outcome:
    async with http(clock=lambda: NOW, **options) as client:
        return await Transports(client, {}).send(notification(), channel)


def by_botocore(
    url: str, headers: dict[str, str], body: bytes, credentials: sigv4.Credentials, region: str, service: str
) -> str:
    """The Authorization header that botocore makes for the same request at the same time."""

    class Frozen(auth.SigV4Auth):
        def add_auth(self, request: AWSRequest) -> None:
            request.context["timestamp"] = f"{datetime.fromtimestamp(NOW, UTC):%Y%m%dT%H%M%SZ}"
            self._modify_request_before_signing(request)
            canonical = self.canonical_request(request)
            signature = self.signature(self.string_to_sign(request, canonical), request)
            self._inject_signature_to_request(request, signature)

    request = AWSRequest("POST", url, headers=headers, data=body)
    # botocore takes the date from the context, and removes a date that the request already has
    Frozen(BotoCredentials(credentials.id, credentials.secret, credentials.token), service, region).add_auth(request)
    return str(request.headers["Authorization"])


@given(
    path=st.sampled_from(["/", "", "/a/b", "/a%20b"]),
    body=st.binary(max_size=60),
    extra=st.dictionaries(
        st.from_regex(r"X-[A-Za-z]{2,8}", fullmatch=True), st.text("abc XYZ;:=", max_size=9), max_size=3
    ),
    token=st.none() | st.text("abcDEF123/+=", min_size=1, max_size=20),
)
def test_the_signature_is_botocores(path: str, body: bytes, extra: dict[str, str], token: str | None) -> None:
    if len({name.lower() for name in extra}) != len(extra):
        return
    url = f"https://events.eu-west-1.amazonaws.com{path}"
    credentials = sigv4.Credentials("AKID", "s3cret", token)
    ours = sigv4.signed(credentials, url, extra, body, "eu-west-1", "events", NOW)
    assert ours["Authorization"] == by_botocore(url, extra, body, credentials, "eu-west-1", "events")


async def test_put_events_of_aws() -> None:
    async with receiving(AWS_OK) as receiver:
        outcome = await attempt(bus(receiver.url, bus="alerts", session_token="t0ken-for-a-while"))
    assert (outcome.kind, outcome.reason) == ("delivered", "ok")
    [request] = receiver.requests
    [entry] = request.json["Entries"]
    assert request.headers["x-amz-target"] == "AWSEvents.PutEvents"
    assert request.headers["x-amz-security-token"] == "t0ken-for-a-while"
    assert (entry["Source"], entry["DetailType"], entry["EventBusName"]) == ("streamproc", "alert.triggered", "alerts")
    assert entry["Time"] == 1_770_733_935
    detail = orjson.loads(entry["Detail"])
    assert detail["data"]["id"] == ALERT["id"]
    assert detail["data"]["silent_count"] == 2
    credentials = sigv4.Credentials("AKID1234", TOKEN, "t0ken-for-a-while")
    sent = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "AWSEvents.PutEvents"}
    expected = by_botocore(receiver.url, sent, request.body, credentials, "eu-west-1", "events")
    assert request.headers["authorization"] == expected


async def test_put_events_of_aliyun() -> None:
    async with receiving(ALIYUN_BUS_OK) as receiver:
        outcome = await attempt(bus(receiver.url, "aliyun", bus="alerts"))
    assert outcome.kind == "delivered"
    [request] = receiver.requests
    [event] = request.json
    assert (event["specversion"], event["type"], event["id"]) == ("1.0", "alert.triggered", notification().delivery_id)
    assert event["aliyuneventbusname"] == "alerts"

    class Arrived:
        method, pathname, _ = request.line.split(" ")
        headers = request.headers
        query: dict[str, str] = {}

    assert Arrived.pathname.endswith("/openapi/putEvents")
    oracle_bus = pytest.importorskip("alibabacloud_eventbridge_util.client", reason=ORACLE).Client
    signature = oracle_bus.get_signature(oracle_bus.get_string_to_sign(Arrived), TOKEN)
    assert request.headers["authorization"] == f"acs:AKID1234:{signature}"


@pytest.mark.parametrize("provider", ["aws", "aliyun"])
@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        ("ThrottlingException", "retry", "rate_limited"),
        ("InternalFailure", "retry", "provider_error"),
        ("MalformedDetail", "permanent", "provider_error"),
        ("NotAuthorizedForDetailType", "permanent", "provider_error"),
    ],
)
async def test_an_entry_that_failed_under_status_200(provider: str, code: str, kind: str, reason: str) -> None:
    name = "Entries" if provider == "aws" else "EntryList"
    body = {"FailedEntryCount": 1, name: [{"ErrorCode": code, "ErrorMessage": "no"}]}
    async with receiving(answer(200, orjson.dumps(body))) as receiver:
        outcome = await attempt(bus(receiver.url, provider))
    assert (outcome.kind, outcome.reason, outcome.detail) == (kind, reason, code)


@pytest.mark.parametrize(
    ("status", "body", "kind", "reason"),
    [
        (400, {"__type": "com.amazon#ThrottlingException"}, "retry", "rate_limited"),
        (400, {"__type": "ResourceNotFoundException"}, "permanent", "client_error"),
        (403, {"__type": "ExpiredTokenException"}, "permanent", "client_error"),
        (500, {"__type": "InternalException"}, "retry", "server_error"),
    ],
)
async def test_a_request_that_is_refused(status: int, body: dict[str, Any], kind: str, reason: str) -> None:
    async with receiving(answer(status, orjson.dumps(body))) as receiver:
        outcome = await attempt(bus(receiver.url))
    assert (outcome.kind, outcome.reason) == (kind, reason)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "ok",
        "[1]",
        '{"FailedEntryCount": 0}',
        '{"FailedEntryCount": 0, "Entries": [{}]}',
        '{"FailedEntryCount": 1, "Entries": [{"EventId": "e"}]}',
        '{"Entries": 5}',
    ],
)
async def test_what_is_not_eventbridges_answer(body: str) -> None:
    async with receiving(answer(200, body)) as receiver:
        outcome = await attempt(bus(receiver.url))
    assert (outcome.kind, outcome.reason) == ("retry", "bad_answer")


async def test_a_function() -> None:
    async with receiving(answer(200, "done")) as receiver:
        outcome = await attempt(function(receiver.url + "?b=2&a=1"))
    assert outcome.kind == "delivered"
    [request] = receiver.requests
    assert request.json["type"] == "alert.triggered"
    assert request.headers["authorization"] == _expected(request)


def _expected(request: Request) -> str:
    class Arrived:
        method, _, __ = request.line.split(" ")
        pathname = "/services/T00/B00/xyzzy"
        query = {"a": "1", "b": "2"}
        headers = {n: v for n, v in request.headers.items() if n in ("host", "content-type") or n.startswith("x-acs-")}

    digest = hashlib.sha256(request.body).hexdigest()
    return str(oracle().get_authorization(Arrived, "ACS3-HMAC-SHA256", digest, "AKID1234", TOKEN))


async def test_a_function_without_authentication() -> None:
    async with receiving(answer(204)) as receiver:
        outcome = await attempt(function(receiver.url, access_key_id=None, access_key_secret=None))
    assert outcome.kind == "delivered"
    assert "authorization" not in receiver.requests[0].headers


async def test_a_function_that_failed_under_status_200() -> None:
    body = '{"errorMessage": "division by zero", "errorType": "ZeroDivisionError"}'
    async with receiving(answer(200, body)) as receiver:
        outcome = await attempt(function(receiver.url))
    assert (outcome.kind, outcome.reason) == ("retry", "provider_error")
    assert outcome.detail == "the function failed: ZeroDivisionError"


async def test_secrets_are_masked() -> None:
    for make in (bus, function):
        async with receiving(answer(403, f"no: {TOKEN}")) as receiver:
            channel = make(receiver.url)
            outcome = await attempt(channel)
        assert outcome.excerpt == "no: ***"
        assert TOKEN not in repr(channel)


def test_an_alert_too_large_for_a_bus_loses_its_details() -> None:
    huge = notification(record={**ALERT, "event": {"action": '"' * 300_000}})
    entry = aws_entry(huge, "streamproc", "default")
    assert len(orjson.dumps(entry)) < 262_144
    detail = orjson.loads(entry["Detail"])
    assert detail["data"]["truncated"] == ["context", "event"]
    assert detail["data"]["title"] == ALERT["title"]
    assert len(orjson.dumps(cloud_event(huge, "streamproc", "default"))) < MAX_ENTRY_BYTES


def test_the_message_center_needs_nothing() -> None:
    channel = parse_channel({"id": "message_center"}, default_tenant="acme")
    assert channel.transport == "message_center"


async def test_the_message_center_has_what_is_delivered_to_it() -> None:
    outcome = await attempt(parse_channel({"id": "inbox", "type": "message_center"}, default_tenant="acme"))
    assert (outcome.kind, outcome.reason) == ("delivered", "ok")


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (
            lambda: bus("https://x.example", source="aws.ec2"),
            "source: begins with aws., which is kept for AWS's own services",
        ),
        (
            lambda: function("https://x.example", access_key_id=None),
            "access_key_id: give access_key_id and access_key_secret",
        ),
        (lambda: bus("https://x.example", "aliyun", endpoint=None), "endpoint: is required for provider aliyun"),
        (lambda: bus("https://x.example", region="EU west"), "region: 'EU west' does not have the form"),
    ],
)
def test_settings_written_wrongly(make: Any, problem: str) -> None:
    with pytest.raises(DocumentError) as caught:
        make()
    assert problem in str(caught.value)


def test_a_resolved_alert_is_another_type_of_event() -> None:
    assert aws_entry(notification(Purpose.RESOLVED), "s", "b")["DetailType"] == "alert.resolved"
