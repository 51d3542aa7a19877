"""Microsoft 365 audit records → events."""

import pytest

from streamproc.model.event import EventError, Reason
from tests.sources.samples import M365, changed, decoded


def test_the_whole_event():
    assert decoded("m365", M365).doc == {
        "id": "80c76bd2-9d81-4c57-a97a-accfc3443dca",
        "tenant_id": "41463f53-8812-40f4-890f-865bf6e35190",
        "action": "Exchange:New-InboxRule",
        "outcome": "success",
        "outcome_raw": "True",
        "event_time": "2026-02-10T14:32:15.000Z",
        "source": "m365",
        "actor": {
            "id": "alice@example.com",
            "type": "Admin",
            "email": "alice@example.com",
            "ip": "2001:db8::7",
            "user_agent": "Mozilla/5.0",
        },
        "resource": {"id": "alice\\rule1"},
        "metadata": {
            "record_type": 1,
            "workload": "Exchange",
            "user_key": "1153977025279851686@example.com",
        },
        "raw": M365,
    }


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("Succeeded", "success"),
        ("Success", "success"),
        ("Failed", "failure"),
        ("False", "failure"),
        ("PartiallySucceeded", "unknown"),
        ("Created", "unknown"),
    ],
)
def test_outcomes(status, outcome):
    doc = decoded("m365", changed(M365, ResultStatus=status)).doc
    assert (doc["outcome"], doc["outcome_raw"]) == (outcome, status)


def test_without_a_status_it_was_done():
    doc = decoded("m365", changed(M365, ResultStatus=...)).doc
    assert (doc["outcome"], "outcome_raw" in doc) == ("success", False)


@pytest.mark.parametrize(
    ("operation", "error", "outcome", "word"),
    [
        ("UserLoggedIn", None, "success", "Succeeded"),
        ("UserLoginFailed", None, "failure", "Succeeded"),
        ("UserLoginFailed", "InvalidUserNameOrPassword", "failure", "InvalidUserNameOrPassword"),
        ("UserLoggedIn", "IdsLocked", "failure", "IdsLocked"),
    ],
)
def test_a_sign_in_succeeded_unless_it_says_why_not(operation, error, outcome, word):
    """ResultStatus is about the HTTP request here."""
    record = M365 | {"RecordType": 15, "Operation": operation, "ResultStatus": "Succeeded", "LogonError": error}
    doc = decoded("m365", record).doc
    assert (doc["outcome"], doc["outcome_raw"]) == (outcome, word)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("198.51.100.7:52404", "198.51.100.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ("::ffff:198.51.100.7", "::ffff:198.51.100.7"),
        ("198.51.100.7:99999", None),
        ("198.51.100.7:", None),
        ("198.51.100.7:٤٤٣", None),
        ("198.51.100.300:80", None),
        ("[198.51.100.7]:80", None),
        ("[2001:db8::7]443", None),
        ("[2001:db8::7]:", None),
        ("[2001:db8::7", None),
        ("example.com:80", None),
        ("<null>", None),
        (None, None),
    ],
)
def test_an_address_without_its_port(text, address):
    assert decoded("m365", changed(M365, ClientIP=text)).doc["actor"].get("ip") == address


def test_other_fields_that_name_the_address():
    record = changed(M365, ClientIP=None) | {"ActorIpAddress": "203.0.113.9"}
    assert decoded("m365", record).doc["actor"]["ip"] == "203.0.113.9"
    assert decoded("m365", record | {"ClientIPAddress": "203.0.113.8"}).doc["actor"]["ip"] == "203.0.113.8"


@pytest.mark.parametrize(("number", "name"), [(0, "Regular"), (4, "System"), (10, "Guest"), (77, "77"), (-1, "-1")])
def test_types_of_user(number, name):
    assert decoded("m365", changed(M365, UserType=number)).doc["actor"]["type"] == name


@pytest.mark.parametrize("zone", ["Z", "+00:00"])
def test_a_time_with_a_zone_keeps_it(zone):
    record = changed(M365, CreationTime=f"2026-02-10T14:32:15{zone}")
    assert decoded("m365", record).doc["event_time"] == "2026-02-10T14:32:15.000Z"


@pytest.mark.parametrize("fields", [{"Operation": None}, {"CreationTime": 5}, {"ResultStatus": 1}])
def test_what_cannot_be_read_is_unmapped(fields):
    with pytest.raises(EventError) as caught:
        decoded("m365", changed(M365, **fields))
    assert caught.value.reason == Reason.UNMAPPED
