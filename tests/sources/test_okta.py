"""Okta System Log events → events."""

import pytest

from streamproc.model.event import EventError, Reason
from tests.sources.samples import OKTA, changed, decoded


def decode(record):
    return decoded("okta", record, "acme")


def test_the_whole_event():
    assert decode(OKTA).doc == {
        "id": "dc9fd3c0-598c-11ef-8478-2b7584bf8d5a",
        "tenant_id": "acme",
        "action": "user.session.start",
        "outcome": "failure",
        "outcome_raw": "FAILURE",
        "event_time": "2026-02-10T14:32:15.123Z",
        "source": "okta",
        "actor": {
            "id": "00uttidj01jqL21aM1d6",
            "type": "User",
            "name": "Alice Doe",
            "email": "alice@example.com",
            "ip": "198.51.100.7",
            "location": {"lat": 52.5, "lon": 13.4},
            "user_agent": "Mozilla/5.0",
        },
        "resource": {"type": "AppInstance", "id": "0oa1", "name": "Admin Console"},
        "resources": [
            {"type": "AppInstance", "id": "0oa1", "name": "Admin Console"},
            {"type": "AuthenticatorEnrollment", "id": "pfd1", "name": "Password"},
        ],
        "metadata": {
            "message": "User login to Okta",
            "severity": "WARN",
            "reason": "INVALID_CREDENTIALS",
            "zone": "null",
            "device": "Computer",
            "city": "Berlin",
            "state": "Land Berlin",
            "country_name": "Germany",
            "as_number": 64500,
            "isp": "example",
            "is_proxy": False,
            "session_id": "idx1",
            "credential_type": "PASSWORD",
            "transaction_id": "abc",
        },
        "raw": OKTA,
    }


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        ("SUCCESS", "success"),
        ("ALLOW", "success"),
        ("FAILURE", "failure"),
        ("DENY", "denied"),
        ("RATE_LIMIT", "failure"),
        ("ABANDONED", "failure"),
        ("UNANSWERED", "failure"),
        ("CHALLENGE", "unknown"),
        ("SKIPPED", "unknown"),
        ("DEFERRED", "unknown"),
        ("UNKNOWN", "unknown"),
        ("a new word", "unknown"),
    ],
)
def test_outcomes(result, outcome):
    doc = decode(changed(OKTA, outcome__result=result)).doc
    assert (doc["outcome"], doc["outcome_raw"]) == (outcome, result)


@pytest.mark.parametrize("outcome", [None, {}, {"result": None}])
def test_without_a_result_the_outcome_is_unknown(outcome):
    doc = decode(changed(OKTA, outcome=outcome)).doc
    assert (doc["outcome"], "outcome_raw" in doc) == ("unknown", False)


@pytest.mark.parametrize(
    ("lat", "lon", "there"),
    [
        (0, 0, True),
        (-90, 180, True),
        (90.0001, 0, False),
        (0, -180.5, False),
        ("52.5", "13.4", False),
        (True, False, False),
        (52.5, None, False),
    ],
)
def test_a_location_is_two_numbers_on_earth(lat, lon, there):
    actor = decode(changed(OKTA, client__geographicalContext__geolocation={"lat": lat, "lon": lon})).doc["actor"]
    assert actor.get("location") == ({"lat": lat, "lon": lon} if there else None)


@pytest.mark.parametrize(("country", "kept"), [("DE", True), ("Germany", False), ("de", False), (None, False)])
def test_a_country_is_a_code(country, kept):
    actor = decode(changed(OKTA, client__geographicalContext__country=country)).doc["actor"]
    assert ("country" in actor) is kept


def test_an_actor_without_an_address():
    record = changed(OKTA, actor__alternateId="system", client__ipAddress="unknown", client__geographicalContext=None)
    assert decode(record).doc["actor"].keys() == {"id", "type", "name", "user_agent"}


@pytest.mark.parametrize(
    "fields", [{"eventType": None}, {"published": 5}, {"actor": "alice"}, {"client": []}, {"outcome": "SUCCESS"}]
)
def test_what_cannot_be_read_is_unmapped(fields):
    with pytest.raises(EventError) as caught:
        decode(changed(OKTA, **fields))
    assert caught.value.reason == Reason.UNMAPPED
