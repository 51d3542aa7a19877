"""Google Cloud audit log entries → events.

Field names are those of LogEntry and AuditLog in the documentation of Cloud Logging and Cloud Audit Logs. Entries come
one by one through Pub/Sub, and as ``entries`` from the API that lists them.
"""

from typing import Any, Final
from urllib.parse import unquote

from streamproc.model.event import EventError, Reason
from streamproc.sources.native import (
    address,
    id_text,
    inner,
    objects,
    optional_object,
    picked,
    present,
    required,
    text,
    with_resources,
)
from streamproc.sources.shorten import shorten

_A_RECORD: Final = "a log entry"
_A_PAYLOAD: Final = "an audit log"
_CODES: Final = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
"""The names of ``google.rpc.Code``, by number."""
_DENIED: Final = frozenset({"PERMISSION_DENIED", "UNAUTHENTICATED"})
_FAILURES: Final = frozenset({"google.login.LoginService.loginFailure"})
"""Methods that are themselves the report of a failure; their status is left out."""
_MAX_PERMISSIONS: Final = 20


def to_event(record: dict[str, Any]) -> dict[str, Any]:
    """The event of one log entry with an audit log in it.

    - id: ``insertId``, ``@``, ``timestamp``, which only together say that two entries are one · tenant: the project,
      folder, organisation or billing account that ``logName`` names, without the word for which it is
    - action: ``protoPayload.serviceName`` without ``.googleapis.com``, a colon, ``methodName``:
      ``cloudresourcemanager:SetIamPolicy``, ``iam:google.iam.admin.v1.CreateServiceAccountKey``
    - event_time: ``timestamp``, else ``receiveTimestamp``
    - actor.id: ``authenticationInfo.principalEmail``, else ``principalSubject``; actor.type: what comes before the
      subject's colon. actor.ip: ``requestMetadata.callerIp`` where it is an address (it may be ``private``)
    - outcome: by ``status.code``: none or 0 success, PERMISSION_DENIED and UNAUTHENTICATED denied, any other failure.
      ``outcome_raw``: the name of the code
    - resource: type ``resource.type``, id ``protoPayload.resourceName``

    Raises EventError ``unmapped`` where ``protoPayload`` is no object (the entry is of no audit log), its
    ``serviceName`` or ``methodName`` or both times are no text, or one of its parts no object.
    """
    payload = record.get("protoPayload")
    if type(payload) is not dict:
        raise EventError(Reason.UNMAPPED, f"protoPayload: {shorten(payload)} is not an audit log")
    service = required(payload, "serviceName", _A_PAYLOAD).removesuffix(".googleapis.com")
    method = required(payload, "methodName", _A_PAYLOAD)
    times = text(record.get("timestamp")) or text(record.get("receiveTimestamp"))
    time = times or required(record, "timestamp", _A_RECORD)
    kind, owner, log = _log(record)
    event: dict[str, Any] = {
        "tenant_id": owner,
        "action": f"{service}:{method}",
        "event_time": time,
        "source": "gcp",
        "metadata": {**present({"log": log, "owner_type": kind}), **_metadata(record, payload)},
    }
    if text(record.get("insertId")):
        event["id"] = f"{record['insertId']}@{time}"
    event["outcome"], event["outcome_raw"] = _outcome(payload, method)
    actor = _actor(payload)
    if actor:
        event["actor"] = actor
    named = {"type": text(inner(record, "resource").get("type")), "id": text(payload.get("resourceName"))}
    with_resources(event, [named])
    return event


def _log(record: dict[str, Any]) -> tuple[str | None, str | None, str | None]:
    """Of ``projects/p/logs/cloudaudit.googleapis.com%2Factivity``: ``projects``, ``p`` and ``activity``."""
    name = text(record.get("logName"))
    if name is None:
        return None, None, None
    kind, _, rest = name.partition("/")
    owner, _, log = rest.partition("/logs/")
    return kind, text(owner), unquote(log).rpartition("/")[2]


def _outcome(payload: dict[str, Any], method: str) -> tuple[str, str]:
    """The outcome and Google's own word for it."""
    code = optional_object(payload, "status").get("code")
    if method in _FAILURES and not code:
        return "failure", method.rpartition(".")[2]
    if code is None:
        return "success", _CODES[0]  # fields that have their default value are not written
    if type(code) is not int:
        return "unknown", text(code) or shorten(code)
    word = _CODES[code] if 0 <= code < len(_CODES) else str(code)
    return ("success" if code == 0 else "denied" if word in _DENIED else "failure"), word


def _actor(payload: dict[str, Any]) -> dict[str, Any]:
    who = optional_object(payload, "authenticationInfo")
    request = optional_object(payload, "requestMetadata")
    email, subject = text(who.get("principalEmail")), text(who.get("principalSubject"))
    kind, colon, rest = (subject or "").partition(":")
    return present(
        {
            "id": email or subject,
            "type": kind if colon and not rest.startswith("//") else None,  # not of principal://iam…
            "email": email if email is not None and "@" in email else None,
            "ip": address(request.get("callerIp")),
            "user_agent": text(request.get("callerSuppliedUserAgent")),
        }
    )


def _metadata(record: dict[str, Any], payload: dict[str, Any]) -> dict[str, Any]:
    asked = objects(payload.get("authorizationInfo"))[:_MAX_PERMISSIONS]
    labels = inner(record, "resource", "labels")
    return present(
        {
            **picked(record, {"insertId": "insert_id", "severity": "severity"}),
            **picked(labels, {"project_id": "project_id", "location": "location", "zone": "zone"}),
            **picked(inner(payload, "status"), {"code": "status_code", "message": "status_message"}),
            **picked(inner(payload, "authenticationInfo"), {"serviceAccountKeyName": "service_account_key"}),
            "permissions": [name for one in asked if (name := text(one.get("permission")))],
            "operation_id": id_text(inner(record, "operation").get("id")),
        }
    )
