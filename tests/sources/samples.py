"""One record of each native format, written to the provider's documentation, with the event that it is."""

from __future__ import annotations

import copy
from typing import Any

import orjson

from streamproc.model.event import Event
from streamproc.sources.decode import Decoder

GITHUB: dict[str, Any] = {
    "@timestamp": 1_770_733_935_123,
    "_document_id": "xJJFlFOhQ6b-5vaAFy9Rjw",
    "action": "repo.add_member",
    "actor": "octocat",
    "actor_id": 583231,
    "actor_ip": "198.51.100.7",
    "actor_is_bot": False,
    "actor_location": {"country_code": "DE"},
    "business": "octo-corp",
    "business_id": 7,
    "created_at": 1_770_733_935_123,
    "external_identity_nameid": "octocat@example.com",
    "operation_type": "modify",
    "org": "octo-org",
    "org_id": 8,
    "programmatic_access_type": "Fine-grained personal access token",
    "repo": "octo-org/rockets",
    "repo_id": 9,
    "user": "hubot",
    "user_agent": "Mozilla/5.0",
    "user_id": 480938,
    "visibility": "private",
}

KUBERNETES: dict[str, Any] = {
    "kind": "Event",
    "apiVersion": "audit.k8s.io/v1",
    "level": "Metadata",
    "auditID": "841d3e6d-90d2-43df-8da4-684738bee3d5",
    "stage": "ResponseComplete",
    "requestURI": "/api/v1/namespaces/prod/pods/web-0/exec?command=sh",
    "verb": "create",
    "user": {"username": "alice", "uid": "u-1", "groups": ["dev", "system:authenticated"]},
    "impersonatedUser": {"username": "admin", "groups": ["system:masters"]},
    "sourceIPs": ["10.9.9.9", "198.51.100.7"],
    "userAgent": "kubectl/v1.31",
    "objectRef": {
        "resource": "pods",
        "namespace": "prod",
        "name": "web-0",
        "apiVersion": "v1",
        "subresource": "exec",
    },
    "responseStatus": {"metadata": {}, "status": "Failure", "reason": "Forbidden", "code": 403},
    "requestReceivedTimestamp": "2026-02-10T14:32:15.123456Z",
    "stageTimestamp": "2026-02-10T14:32:15.234567Z",
    "annotations": {"authorization.k8s.io/decision": "forbid", "authorization.k8s.io/reason": ""},
}

OKTA: dict[str, Any] = {
    "uuid": "dc9fd3c0-598c-11ef-8478-2b7584bf8d5a",
    "published": "2026-02-10T14:32:15.123Z",
    "eventType": "user.session.start",
    "version": "0",
    "severity": "WARN",
    "legacyEventType": "core.user_auth.login_failed",
    "displayMessage": "User login to Okta",
    "actor": {
        "id": "00uttidj01jqL21aM1d6",
        "type": "User",
        "alternateId": "alice@example.com",
        "displayName": "Alice Doe",
        "detailEntry": None,
    },
    "client": {
        "userAgent": {"rawUserAgent": "Mozilla/5.0", "os": "Mac OS X", "browser": "CHROME"},
        "zone": "null",
        "device": "Computer",
        "id": None,
        "ipAddress": "198.51.100.7",
        "geographicalContext": {
            "city": "Berlin",
            "state": "Land Berlin",
            "country": "Germany",
            "postalCode": "10115",
            "geolocation": {"lat": 52.5, "lon": 13.4},
        },
    },
    "outcome": {"result": "FAILURE", "reason": "INVALID_CREDENTIALS"},
    "target": [
        {"id": "0oa1", "type": "AppInstance", "alternateId": "Okta Admin Console", "displayName": "Admin Console"},
        {"id": "pfd1", "type": "AuthenticatorEnrollment", "alternateId": "unknown", "displayName": "Password"},
    ],
    "transaction": {"type": "WEB", "id": "abc", "detail": {}},
    "debugContext": {"debugData": {"requestUri": "/idp/idx/identify"}},
    "authenticationContext": {"authenticationStep": 0, "externalSessionId": "idx1", "credentialType": "PASSWORD"},
    "securityContext": {"asNumber": 64500, "asOrg": "example", "isp": "example", "domain": ".", "isProxy": False},
    "request": {"ipChain": []},
}

ACTIONTRAIL: dict[str, Any] = {
    "eventId": "3AD717A2-DC29-4C03-9F0E-2E9C8271D477",
    "eventVersion": 1,
    "eventCategory": "Management",
    "eventRW": "Write",
    "eventType": "ApiCall",
    "eventTime": "2026-02-10T14:32:15Z",
    "eventName": "AttachPolicyToUser",
    "eventSource": "ram.aliyuncs.com",
    "serviceName": "Ram",
    "acsRegion": "cn-hangzhou",
    "apiVersion": "2015-05-01",
    "requestId": "3AD717A2",
    "recipientAccountId": "151266687691",
    "sourceIpAddress": "198.51.100.7",
    "userAgent": "AliyunConsole",
    "errorCode": "Forbidden.RAM",
    "errorMessage": "User not authorized to operate on the specified resource.",
    "requestParameters": {"UserName": "carol", "PolicyName": "AdministratorAccess"},
    "referencedResources": {"ACS::RAM::User": ["carol"], "ACS::RAM::Policy": ["AdministratorAccess"]},
    "userIdentity": {
        "type": "ram-user",
        "principalId": "274180646548",
        "accountId": "151266687691",
        "userName": "Alice",
        "accessKeyId": "LTAIEXAMPLE",
        "sessionContext": {"attributes": {"creationDate": "2026-02-10T14:00:00Z", "mfaAuthenticated": "true"}},
    },
}

GCP: dict[str, Any] = {
    "logName": "projects/my-project/logs/cloudaudit.googleapis.com%2Factivity",
    "insertId": "sb2lxqd2pqg",
    "timestamp": "2026-02-10T14:32:15.123456789Z",
    "receiveTimestamp": "2026-02-10T14:32:16.1Z",
    "severity": "ERROR",
    "resource": {"type": "project", "labels": {"project_id": "my-project"}},
    "protoPayload": {
        "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
        "status": {"code": 7, "message": "The caller does not have permission"},
        "authenticationInfo": {
            "principalEmail": "ci@my-project.iam.gserviceaccount.com",
            "principalSubject": "serviceAccount:ci@my-project.iam.gserviceaccount.com",
            "serviceAccountKeyName": "//iam.googleapis.com/projects/my-project/serviceAccounts/ci/keys/1",
        },
        "requestMetadata": {"callerIp": "2001:db8::7", "callerSuppliedUserAgent": "gcloud/500"},
        "serviceName": "cloudresourcemanager.googleapis.com",
        "methodName": "SetIamPolicy",
        "authorizationInfo": [
            {"resource": "projects/my-project", "permission": "resourcemanager.projects.setIamPolicy", "granted": False}
        ],
        "resourceName": "projects/my-project",
    },
}

M365: dict[str, Any] = {
    "Id": "80c76bd2-9d81-4c57-a97a-accfc3443dca",
    "RecordType": 1,
    "CreationTime": "2026-02-10T14:32:15",
    "Operation": "New-InboxRule",
    "OrganizationId": "41463f53-8812-40f4-890f-865bf6e35190",
    "UserType": 2,
    "UserKey": "1153977025279851686@example.com",
    "Workload": "Exchange",
    "ResultStatus": "True",
    "ObjectId": "alice\\rule1",
    "UserId": "alice@example.com",
    "ClientIP": "[2001:db8::7]:52404",
    "Parameters": [{"Name": "ForwardTo", "Value": "mallory@example.net"}],
    "ExtendedProperties": [{"Name": "UserAgent", "Value": "Mozilla/5.0"}],
}

SAMPLES = {
    "github": GITHUB,
    "kubernetes": KUBERNETES,
    "okta": OKTA,
    "actiontrail": ACTIONTRAIL,
    "gcp": GCP,
    "m365": M365,
}


def decoded(format: str, record: Any, tenant: str | None = None) -> Event:
    """The one event of a record."""
    [event] = Decoder("native", format, tenant).decode(orjson.dumps(record), 0, 7, None)
    return event


def changed(record: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A copy with other values at paths written ``outer__inner``; ... removes the field."""
    copied = copy.deepcopy(record)
    for path, value in fields.items():
        holder = copied
        *outer, last = path.split("__")
        for name in outer:
            holder = holder[name]
        if value is ...:
            del holder[last]
        else:
            holder[last] = value
    return copied
