"""Alibaba Cloud ActionTrail events → events."""

import pytest

from streamproc.model.event import EventError, Reason
from tests.sources.samples import ACTIONTRAIL, changed, decoded


def test_the_whole_event():
    assert decoded("actiontrail", ACTIONTRAIL).doc == {
        "id": "3AD717A2-DC29-4C03-9F0E-2E9C8271D477",
        "tenant_id": "151266687691",
        "action": "Ram:AttachPolicyToUser",
        "outcome": "denied",
        "outcome_raw": "Forbidden.RAM",
        "event_time": "2026-02-10T14:32:15.000Z",
        "source": "actiontrail",
        "actor": {
            "id": "274180646548",
            "type": "ram-user",
            "name": "Alice",
            "ip": "198.51.100.7",
            "user_agent": "AliyunConsole",
        },
        "resource": {"type": "ACS::RAM::User", "id": "carol"},
        "resources": [
            {"type": "ACS::RAM::User", "id": "carol"},
            {"type": "ACS::RAM::Policy", "id": "AdministratorAccess"},
        ],
        "metadata": {
            "region": "cn-hangzhou",
            "event_type": "ApiCall",
            "event_category": "Management",
            "event_rw": "Write",
            "event_source": "ram.aliyuncs.com",
            "request_id": "3AD717A2",
            "error_code": "Forbidden.RAM",
            "error_message": "User not authorized to operate on the specified resource.",
            "access_key_id": "LTAIEXAMPLE",
            "actor_account_id": "151266687691",
            "mfa": True,
        },
        "raw": ACTIONTRAIL,
    }


@pytest.mark.parametrize(
    ("code", "message", "outcome"),
    [
        (None, None, "success"),
        ("", "", "success"),
        ("NoPermission", "x", "denied"),
        ("Forbidden", "x", "denied"),
        ("AccessDenied", "x", "denied"),
        ("InvalidInstanceId.NotFound", "x", "failure"),
        ("ForbiddenLike", "x", "failure"),
        (None, "something went wrong", "failure"),
    ],
)
def test_outcomes(code, message, outcome):
    doc = decoded("actiontrail", changed(ACTIONTRAIL, errorCode=code, errorMessage=message)).doc
    assert (doc["outcome"], doc.get("outcome_raw")) == (outcome, code or None)


def test_what_stands_in_for_what():
    record = changed(ACTIONTRAIL, serviceName=..., recipientAccountId=..., referencedResources=...)
    record |= {"resourceName": "i-1", "resourceType": "ACS::ECS::Instance", "sourceIpAddress": "Internal"}
    del record["userIdentity"]["sessionContext"]
    event = decoded("actiontrail", record)
    assert (event.tenant, event.action) == ("151266687691", "ram:AttachPolicyToUser")
    assert event.doc["resource"] == {"type": "ACS::ECS::Instance", "id": "i-1"}
    assert "ip" not in event.doc["actor"]
    assert "mfa" not in event.doc["metadata"]


@pytest.mark.parametrize("fields", [{"eventName": 1}, {"eventTime": None}, {"userIdentity": "root"}])
def test_what_cannot_be_read_is_unmapped(fields):
    with pytest.raises(EventError) as caught:
        decoded("actiontrail", changed(ACTIONTRAIL, **fields))
    assert caught.value.reason == Reason.UNMAPPED
