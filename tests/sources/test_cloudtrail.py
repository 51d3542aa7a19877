"""CloudTrail records → events, on records written for the purpose."""

import copy

import orjson
import pytest

from streamproc.model.event import EventError, Reason
from streamproc.sources.decode import Decoder

RECORD = {
    "eventVersion": "1.09",
    "userIdentity": {
        "type": "AssumedRole",
        "principalId": "AROAEXAMPLE:deploy",
        "arn": "arn:aws:sts::111122223333:assumed-role/Deploy/deploy",
        "accountId": "111122223333",
        "accessKeyId": "ASIAEXAMPLE",
        "sessionContext": {
            "sessionIssuer": {"type": "Role", "userName": "Deploy"},
            "attributes": {"mfaAuthenticated": "false"},
        },
    },
    "eventTime": "2026-02-10T14:32:15Z",
    "eventSource": "iam.amazonaws.com",
    "eventName": "CreateAccessKey",
    "awsRegion": "us-east-1",
    "sourceIPAddress": "198.51.100.7",
    "userAgent": "aws-cli/2.15",
    "requestParameters": {"userName": "carol"},
    "responseElements": None,
    "eventID": "5d1b2f0e-0000-4000-8000-000000000001",
    "readOnly": False,
    "eventType": "AwsApiCall",
    "recipientAccountId": "444455556666",
    "eventCategory": "Management",
}


def decode(record, tenant=None):
    [event] = Decoder("trail", "cloudtrail", tenant).decode(orjson.dumps(record), 0, 7, None)
    return event


def changed(**fields):
    record = copy.deepcopy(RECORD)
    for path, value in fields.items():
        holder = record
        *outer, last = path.split("__")
        for name in outer:
            holder = holder[name]
        if value is ...:
            del holder[last]
        else:
            holder[last] = value
    return record


def test_the_whole_event():
    event = decode(RECORD)
    assert event.doc == {
        "id": "5d1b2f0e-0000-4000-8000-000000000001",
        "tenant_id": "444455556666",
        "action": "iam:CreateAccessKey",
        "outcome": "success",
        "event_time": "2026-02-10T14:32:15.000Z",
        "source": "cloudtrail",
        "actor": {
            "id": "arn:aws:sts::111122223333:assumed-role/Deploy/deploy",
            "type": "AssumedRole",
            "name": "Deploy",
            "ip": "198.51.100.7",
            "user_agent": "aws-cli/2.15",
        },
        "resource": {"type": "AWS::IAM::User", "id": "carol"},
        "metadata": {
            "region": "us-east-1",
            "event_type": "AwsApiCall",
            "event_category": "Management",
            "read_only": False,
            "account_id": "444455556666",
            "access_key_id": "ASIAEXAMPLE",
            "mfa": False,
        },
        "raw": RECORD,
    }
    assert orjson.loads(event.raw) == event.doc
    assert event.time == event.arrival == 1_770_733_935_000


@pytest.mark.parametrize(
    ("fields", "actor"),
    [
        ({}, "arn:aws:sts::111122223333:assumed-role/Deploy/deploy"),
        ({"userIdentity__arn": ...}, "AROAEXAMPLE:deploy"),
        ({"userIdentity": {"type": "AWSService", "invokedBy": "rds.amazonaws.com"}}, "rds.amazonaws.com"),
        ({"userIdentity": {"accountId": "777", "invokedBy": "ec2.amazonaws.com"}}, "ec2.amazonaws.com"),
        ({"userIdentity": {"type": "AWSAccount", "accountId": "777"}}, "777"),
        ({"userIdentity": {"type": "Unknown"}}, None),
        ({"userIdentity": None}, None),
        ({"userIdentity": ...}, None),
    ],
)
def test_the_actor_is_the_first_that_there_is(fields, actor):
    assert decode(changed(**fields)).doc["actor"].get("id") == actor


@pytest.mark.parametrize(
    ("fields", "tenant"),
    [
        ({}, "444455556666"),
        ({"recipientAccountId": ...}, "111122223333"),
        ({"recipientAccountId": None}, "111122223333"),
    ],
)
def test_the_account_is_the_tenant(fields, tenant):
    assert decode(changed(**fields)).tenant == tenant


def test_a_fixed_tenant_owns_all_accounts():
    event = decode(RECORD, tenant="acme")
    assert event.tenant == event.doc["tenant_id"] == "acme"
    assert event.doc["metadata"]["account_id"] == "444455556666"
    assert decode(changed(recipientAccountId=..., userIdentity=...), tenant="acme").tenant == "acme"


@pytest.mark.parametrize(
    ("said", "ip"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("rds.amazonaws.com", None),
        ("AWS Internal", None),
        ("253.252.51.07", None),  # a leading zero: no address, and some would read it as octal
        ("198.51.100.7:443", None),
        ("", None),
        (None, None),
        (5, None),
    ],
)
def test_addresses_only_where_they_parse(said, ip):
    event = decode(changed(sourceIPAddress=said))
    assert event.doc["actor"].get("ip") == ip
    assert event.doc["raw"]["sourceIPAddress"] == said


@pytest.mark.parametrize(
    ("fields", "outcome", "word"),
    [
        ({}, "success", None),
        ({"errorCode": "AccessDenied"}, "denied", "AccessDenied"),
        ({"errorCode": "AccessDeniedException"}, "denied", "AccessDeniedException"),
        ({"errorCode": "UnauthorizedOperation"}, "denied", "UnauthorizedOperation"),
        ({"errorCode": "Client.UnauthorizedOperation"}, "denied", "Client.UnauthorizedOperation"),
        ({"errorCode": "NotAuthorizedException"}, "denied", "NotAuthorizedException"),
        ({"errorCode": "NoSuchBucketPolicy", "errorMessage": "none"}, "failure", "NoSuchBucketPolicy"),
        ({"errorCode": "ThrottlingException"}, "failure", "ThrottlingException"),
        ({"errorMessage": "Failed authentication"}, "failure", None),
        ({"eventName": "ConsoleLogin", "responseElements": {"ConsoleLogin": "Failure"}}, "failure", "Failure"),
        ({"eventName": "ConsoleLogin", "responseElements": {"ConsoleLogin": "Success"}}, "success", "Success"),
        ({"eventName": "SwitchRole", "responseElements": {"SwitchRole": "Failure"}}, "failure", "Failure"),
        ({"responseElements": {"ConsoleLogin": "Failure"}}, "success", None),  # not this event's word
        ({"errorCode": None, "errorMessage": None}, "success", None),
    ],
)
def test_outcomes(fields, outcome, word):
    doc = decode(changed(**fields)).doc
    assert (doc["outcome"], doc.get("outcome_raw")) == (outcome, word)


@pytest.mark.parametrize(
    ("fields", "resources"),
    [
        (
            {"resources": [{"accountId": "1", "type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::b"}]},
            [{"type": "AWS::S3::Bucket", "id": "arn:aws:s3:::b"}],
        ),
        (
            {"resources": [{"ARN": "arn:aws:ssm:us-east-1:1:parameter/db"}, {"ARN": "arn:aws:kms:us-east-1:1:key/k"}]},
            [
                {"type": "AWS::SSM::Parameter", "id": "arn:aws:ssm:us-east-1:1:parameter/db"},
                {"type": "AWS::KMS::Key", "id": "arn:aws:kms:us-east-1:1:key/k"},
            ],
        ),
        ({"resources": [{"ARN": "arn:aws:new:us-east-1:1:thing/t"}]}, [{"id": "arn:aws:new:us-east-1:1:thing/t"}]),
        ({"resources": [{"ARN": "arn:aws:s3:::b/key"}]}, [{"type": "AWS::S3::Object", "id": "arn:aws:s3:::b/key"}]),
        ({"resources": [{"ARN": "short"}, None, {}, {"ARN": 5}]}, [{"id": "short"}]),
        ({"resources": []}, [{"type": "AWS::IAM::User", "id": "carol"}]),
        (
            {"requestParameters": {"policyArn": "arn:p", "roleName": "R"}},
            [{"type": "AWS::IAM::Role", "id": "R"}, {"type": "AWS::IAM::Policy", "id": "arn:p"}],
        ),
        (
            {
                "eventSource": "ec2.amazonaws.com",
                "requestParameters": {"instancesSet": {"items": [{"instanceId": "i-1"}, {"instanceId": "i-2"}]}},
            },
            [{"type": "AWS::EC2::Instance", "id": "i-1"}, {"type": "AWS::EC2::Instance", "id": "i-2"}],
        ),
        (
            {"eventSource": "cloudtrail.amazonaws.com", "requestParameters": {"name": "main"}},
            [{"type": "AWS::CloudTrail::Trail", "id": "main"}],
        ),
        (
            {"eventSource": "ec2.amazonaws.com", "requestParameters": {"groupName": "web"}},
            [{"type": "AWS::EC2::SecurityGroup", "id": "web"}],
        ),
        (
            {"eventSource": "ssm.amazonaws.com", "requestParameters": {"instanceIds": ["i-1"]}},
            [{"type": "AWS::EC2::Instance", "id": "i-1"}],
        ),
        ({"requestParameters": None}, []),
        ({"requestParameters": "text"}, []),
        ({"requestParameters": {"userName": 5, "instancesSet": [], "names": {}}}, []),
    ],
)
def test_resources(fields, resources):
    doc = decode(changed(**fields)).doc
    assert doc.get("resource") == (resources[0] if resources else None)
    assert doc.get("resources", resources[:1]) == resources


@pytest.mark.parametrize(
    ("fields", "mfa"),
    [
        ({}, False),
        ({"userIdentity__sessionContext__attributes__mfaAuthenticated": "true"}, True),
        ({"additionalEventData": {"MFAUsed": "Yes"}}, True),
        ({"userIdentity__sessionContext": ...}, None),
        ({"userIdentity__sessionContext": {"attributes": {"mfaAuthenticated": ["x"]}}}, None),
    ],
)
def test_second_factor(fields, mfa):
    assert decode(changed(**fields)).doc["metadata"].get("mfa") is mfa


def test_a_record_without_an_id_gets_one_from_its_place():
    assert decode(changed(eventID=...)).id == "trail-0-7"


@pytest.mark.parametrize(
    ("fields", "reason", "message"),
    [
        ({"eventName": ...}, Reason.UNMAPPED, "eventName: null is not"),
        ({"eventSource": 5}, Reason.UNMAPPED, "eventSource: 5 is not"),
        ({"eventTime": ...}, Reason.UNMAPPED, "eventTime: null is not"),
        ({"eventTime": "today"}, Reason.BAD_TIME, 'event_time: "today" is not'),
        ({"userIdentity": "root"}, Reason.UNMAPPED, 'userIdentity: "root" is not an object'),
        ({"recipientAccountId": ..., "userIdentity": ...}, Reason.MISSING_FIELD, "tenant_id: nothing"),
        ({"recipientAccountId": "a/b"}, Reason.BAD_TENANT, 'tenant_id: "a/b"'),
        ({"eventID": {}}, Reason.WRONG_TYPE, "id: an object is not"),
        ({"eventName": "x" * 300}, Reason.TOO_LONG, "action: "),
    ],
)
def test_what_cannot_be_read_is_refused(fields, reason, message):
    with pytest.raises(EventError) as caught:
        decode(changed(**fields))
    assert caught.value.reason is reason
    assert str(caught.value).startswith(message)


def test_limits_hold_for_the_event_with_its_original():
    def of_depth(levels):
        value = 1
        for _ in range(levels - 1):
            value = {"a": value}
        return changed(requestParameters=value)

    assert decode(of_depth(31)).doc["raw"]["requestParameters"]
    with pytest.raises(EventError) as caught:
        decode(of_depth(32))
    assert caught.value.reason is Reason.TOO_DEEP


def test_a_delivered_file_is_as_many_events():
    records = [changed(eventID=f"id-{i}") for i in range(3)]
    found = Decoder("trail", "cloudtrail").decode(orjson.dumps({"Records": records}), 0, 7, None)
    assert [(e.id, e.place - 7 * 4096) for e in found] == [("id-0", 0), ("id-1", 1), ("id-2", 2)]
    assert Decoder("trail", "cloudtrail").decode(b'{"Records":[]}', 0, 7, None) == []


def test_of_a_delivered_file_all_or_none():
    records = [RECORD, changed(eventName=...)]
    with pytest.raises(EventError) as caught:
        Decoder("trail", "cloudtrail").decode(orjson.dumps({"Records": records}), 0, 7, None)
    assert str(caught.value).startswith("Records[1]: eventName: ")


def test_by_header_on_a_topic_of_canonical_events():
    headers = [("source-format", b"cloudtrail"), ("source-tenant", b"acme")]
    [event] = Decoder("events").decode(orjson.dumps(RECORD), 0, 0, 1, headers)
    assert (event.action, event.tenant) == ("iam:CreateAccessKey", "acme")
