"""Google Cloud audit log entries → events."""

import pytest

from streamproc.model.event import EventError, Reason
from tests.sources.samples import GCP, changed, decoded


def test_the_whole_event():
    assert decoded("gcp", GCP).doc == {
        "id": "sb2lxqd2pqg@2026-02-10T14:32:15.123456789Z",
        "tenant_id": "my-project",
        "action": "cloudresourcemanager:SetIamPolicy",
        "outcome": "denied",
        "outcome_raw": "PERMISSION_DENIED",
        "event_time": "2026-02-10T14:32:15.123Z",
        "source": "gcp",
        "actor": {
            "id": "ci@my-project.iam.gserviceaccount.com",
            "type": "serviceAccount",
            "email": "ci@my-project.iam.gserviceaccount.com",
            "ip": "2001:db8::7",
            "user_agent": "gcloud/500",
        },
        "resource": {"type": "project", "id": "projects/my-project"},
        "metadata": {
            "log": "activity",
            "owner_type": "projects",
            "insert_id": "sb2lxqd2pqg",
            "severity": "ERROR",
            "project_id": "my-project",
            "status_code": 7,
            "status_message": "The caller does not have permission",
            "service_account_key": "//iam.googleapis.com/projects/my-project/serviceAccounts/ci/keys/1",
            "permissions": ["resourcemanager.projects.setIamPolicy"],
        },
        "raw": GCP,
    }


@pytest.mark.parametrize(
    ("status", "outcome", "word"),
    [
        (None, "success", "OK"),
        ({}, "success", "OK"),
        ({"code": 0}, "success", "OK"),
        ({"code": 5, "message": "x"}, "failure", "NOT_FOUND"),
        ({"code": 7}, "denied", "PERMISSION_DENIED"),
        ({"code": 16}, "denied", "UNAUTHENTICATED"),
        ({"code": 99}, "failure", "99"),
        ({"code": -1}, "failure", "-1"),
        ({"code": "odd"}, "unknown", "odd"),
    ],
)
def test_outcomes(status, outcome, word):
    doc = decoded("gcp", changed(GCP, protoPayload__status=status)).doc
    assert (doc["outcome"], doc["outcome_raw"]) == (outcome, word)


def test_a_failed_login_has_no_status():
    record = changed(
        GCP,
        logName="organizations/123/logs/cloudaudit.googleapis.com%2Fdata_access",
        protoPayload__serviceName="login.googleapis.com",
        protoPayload__methodName="google.login.LoginService.loginFailure",
        protoPayload__status=...,
    )
    event = decoded("gcp", record)
    assert (event.tenant, event.action) == ("123", "login:google.login.LoginService.loginFailure")
    assert (event.doc["outcome"], event.doc["outcome_raw"]) == ("failure", "loginFailure")
    assert (event.doc["metadata"]["log"], event.doc["metadata"]["owner_type"]) == ("data_access", "organizations")


@pytest.mark.parametrize("address", ["private", "gce-internal-ip", "", None, "10.0.0.1:5"])
def test_what_is_no_address_is_left_out(address):
    assert "ip" not in decoded("gcp", changed(GCP, protoPayload__requestMetadata__callerIp=address)).doc["actor"]


def test_a_federated_principal():
    subject = "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/subject/s"
    actor = decoded("gcp", changed(GCP, protoPayload__authenticationInfo={"principalSubject": subject})).doc["actor"]
    assert (actor["id"], "type" in actor, "email" in actor) == (subject, False, False)


@pytest.mark.parametrize("name", [None, "x", "projects/", "projects//logs/y"])
def test_an_owner_is_not_guessed(name):
    with pytest.raises(EventError, match="tenant_id"):
        decoded("gcp", changed(GCP, logName=name))


@pytest.mark.parametrize(
    "fields",
    [
        {"protoPayload": ...},
        {"protoPayload": "text"},
        {"protoPayload__methodName": None},
        {"protoPayload__serviceName": 3},
        {"protoPayload__authenticationInfo": []},
        {"protoPayload__status": "OK"},
        {"timestamp": None, "receiveTimestamp": None},
    ],
)
def test_what_cannot_be_read_is_unmapped(fields):
    with pytest.raises(EventError) as caught:
        decoded("gcp", changed(GCP, **fields))
    assert caught.value.reason == Reason.UNMAPPED
