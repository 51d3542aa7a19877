"""Kubernetes audit events → events."""

import orjson
import pytest

from streamproc.model.event import EventError, Reason
from streamproc.sources.decode import Decoder
from tests.sources.samples import KUBERNETES, changed, decoded


def decode(record):
    return decoded("kubernetes", record, "acme")


def test_the_whole_event():
    assert decode(KUBERNETES).doc == {
        "id": "841d3e6d-90d2-43df-8da4-684738bee3d5@2026-02-10T14:32:15.123456Z",
        "tenant_id": "acme",
        "action": "pods/exec:create",
        "outcome": "denied",
        "outcome_raw": "Forbidden",
        "event_time": "2026-02-10T14:32:15.234Z",
        "source": "kubernetes",
        "actor": {
            "id": "alice",
            "type": "User",
            "ip": "198.51.100.7",
            "user_agent": "kubectl/v1.31",
            "groups": ["dev", "system:authenticated"],
        },
        "resource": {"type": "pods/exec", "id": "prod/web-0", "name": "web-0"},
        "metadata": {
            "verb": "create",
            "namespace": "prod",
            "subresource": "exec",
            "level": "Metadata",
            "request_uri": "/api/v1/namespaces/prod/pods/web-0/exec?command=sh",
            "audit_id": "841d3e6d-90d2-43df-8da4-684738bee3d5",
            "status_code": 403,
            "decision": "forbid",
            "impersonated_user": "admin",
            "source_ips": ["10.9.9.9", "198.51.100.7"],
        },
        "raw": KUBERNETES,
    }


@pytest.mark.parametrize(
    ("status", "outcome", "word"),
    [
        ({"code": 201}, "success", "201"),
        ({"code": 101}, "success", "101"),
        ({"code": 401}, "denied", "401"),
        ({"code": 404, "reason": "NotFound"}, "failure", "NotFound"),
        ({"code": 429}, "failure", "429"),
        ({}, "denied", "forbid"),  # what the authoriser said
        (None, "denied", "forbid"),
    ],
)
def test_outcomes(status, outcome, word):
    doc = decode(changed(KUBERNETES, responseStatus=status)).doc
    assert (doc["outcome"], doc.get("outcome_raw")) == (outcome, word)


def test_without_code_and_refusal_the_outcome_is_unknown():
    doc = decode(changed(KUBERNETES, responseStatus=None, annotations=None)).doc
    assert (doc["outcome"], "outcome_raw" in doc) == ("unknown", False)


@pytest.mark.parametrize("stage", ["RequestReceived", "ResponseStarted", "Panic"])
def test_other_stages_are_no_events_and_are_counted(stage):
    decoder = Decoder("audit", "kubernetes", "acme")
    assert decoder.decode(orjson.dumps(changed(KUBERNETES, stage=stage)), 0, 0, None) == []
    assert decoder.skipped == 1


def test_a_list_of_events_keeps_their_places():
    early, bad = changed(KUBERNETES, stage="RequestReceived"), changed(KUBERNETES, verb=None)
    value = orjson.dumps({"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "items": [early, KUBERNETES, bad]})
    decoder = Decoder("audit", "kubernetes", "acme")

    class Record:
        offset, timestamp, headers = 3, 1_770_733_935_123, ()

    Record.value = value
    [event], [(index, error)] = decoder.decode_batch([Record], 0)
    assert (event.place, decoder.skipped, index) == (3 * 4096 + 1, 1, 0)
    assert str(error) == "items[2]: verb: null is not the text that an audit event has here"


def test_a_client_that_chooses_its_audit_id_cannot_hide_behind_it():
    first = decode(changed(KUBERNETES, auditID="mine"))
    second = decode(changed(KUBERNETES, auditID="mine", requestReceivedTimestamp="2026-02-10T14:32:15.123457Z"))
    assert first.id != second.id
    assert len(decode(changed(KUBERNETES, auditID="x" * 10_000)).id) < 512


def test_the_parts_of_one_request_have_one_id():
    assert decode(KUBERNETES).id == decode(changed(KUBERNETES, stageTimestamp="2026-02-10T14:39:00Z")).id


def test_only_the_last_address_is_the_clients():
    doc = decode(changed(KUBERNETES, sourceIPs=["1.2.3.4", "nonsense"])).doc
    assert "ip" not in doc["actor"]
    assert "ip" not in decode(changed(KUBERNETES, sourceIPs=[])).doc["actor"]


def test_a_request_about_no_resource():
    record = changed(KUBERNETES, objectRef=..., requestURI="/metrics?x=1", verb="get")
    doc = decode(record).doc
    assert (doc["action"], doc["resource"]) == ("nonResourceURL:get", {"type": "nonResourceURL", "id": "/metrics"})


def test_a_name_that_the_server_made_up():
    record = changed(KUBERNETES, objectRef={"resource": "pods", "namespace": "prod"})
    assert decode(record).doc["resource"] == {"type": "pods"}
    record["responseObject"] = {"metadata": {"name": "web-x7"}}
    assert decode(record).doc["resource"] == {"type": "pods", "id": "prod/web-x7", "name": "web-x7"}
    record["verb"] = "list"
    assert decode(record).doc["resource"] == {"type": "pods"}


def test_service_accounts():
    record = changed(KUBERNETES, user__username="system:serviceaccount:kube-system:replicaset-controller")
    assert decode(record).doc["actor"]["type"] == "ServiceAccount"


def test_no_record_names_a_tenant():
    with pytest.raises(EventError, match="tenant_id"):
        decoded("kubernetes", KUBERNETES)


@pytest.mark.parametrize(
    "fields",
    [
        {"stage": "Later"},
        {"stage": ...},
        {"auditID": None},
        {"verb": ""},
        {"user": "alice"},
        {"objectRef": []},
        {"stageTimestamp": ..., "requestReceivedTimestamp": ...},
        {"kind": "Event", "stage": None},
    ],
)
def test_what_cannot_be_read_is_unmapped(fields):
    with pytest.raises(EventError) as caught:
        decode(changed(KUBERNETES, **fields))
    assert caught.value.reason == Reason.UNMAPPED
