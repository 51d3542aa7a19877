"""Records of the Microsoft 365 unified audit log → events.

Field names are those of the common schema and the service-specific schemas in the documentation of the Office 365
Management Activity API, whose content blobs are lists of such records.
"""

import re
from typing import Any, Final

from streamproc.model.event import EventError, Reason
from streamproc.sources.native import (
    address_without_port,
    objects,
    picked,
    present,
    required,
    text,
    with_resources,
)
from streamproc.sources.shorten import shorten

_OUTCOMES: Final = {
    "succeeded": "success",
    "success": "success",
    "true": "success",
    "failed": "failure",
    "failure": "failure",
    "false": "failure",
}
"""``ResultStatus`` in small letters → ours; PartiallySucceeded says neither, and Exchange's cmdlets say True or
False."""
_LOGON: Final = 15
"""RecordType of sign-ins, whose ResultStatus is about the HTTP request and not about the sign-in."""
_FAILED_LOGON: Final = "UserLoginFailed"
_USER_TYPES: Final = (
    "Regular",
    "Reserved",
    "Admin",
    "DcAdmin",
    "System",
    "Application",
    "ServicePrincipal",
    "CustomPolicy",
    "SystemPolicy",
    "PartnerTechnician",
    "Guest",
)
"""``UserType``, by number."""
_METADATA: Final = {
    "RecordType": "record_type",
    "Workload": "workload",
    "UserKey": "user_key",
    "LogonError": "logon_error",
    "ErrorNumber": "error_number",
    "ApplicationId": "application_id",
    "ClientAppId": "client_app_id",
    "SiteUrl": "site_url",
    "MailboxOwnerUPN": "mailbox_owner",
    "TeamName": "team",
}
_A_RECORD: Final = "an audit record"
_ZONED: Final = re.compile(r"(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})$")


def to_event(record: dict[str, Any]) -> dict[str, Any]:
    """The event of one audit record.

    - id: ``Id`` · tenant: ``OrganizationId``
    - action: ``Workload``, a colon, ``Operation``: ``Exchange:New-InboxRule``; the operation alone without a workload
    - event_time: ``CreationTime``, which is UTC and written without a zone
    - actor.id: ``UserId``, else ``UserKey``; actor.type: the name of ``UserType``; actor.ip: the first of
      ``ClientIP``, ``ClientIPAddress`` and ``ActorIpAddress`` that is an address, without its port
    - outcome: by ``ResultStatus``; unknown for a word that says neither; success without one, as the log records what
      was done. Of a sign-in, failure where ``LogonError`` says why or the operation is UserLoginFailed
    - resource: ``ObjectId``, its type ``ItemType``

    Raises EventError ``unmapped`` where ``Operation`` or ``CreationTime`` are no text.
    """
    operation = required(record, "Operation", _A_RECORD)
    time = required(record, "CreationTime", _A_RECORD)
    workload = text(record.get("Workload"))
    event: dict[str, Any] = {
        "tenant_id": text(record.get("OrganizationId")),
        "action": operation if workload is None else f"{workload}:{operation}",
        "event_time": time if _ZONED.search(time) else f"{time}Z",
        "source": "m365",
        "metadata": picked(record, _METADATA),
    }
    if text(record.get("Id")):
        event["id"] = record["Id"]
    event["outcome"], word = _outcome(record, operation)
    if word is not None:
        event["outcome_raw"] = word
    actor = _actor(record)
    if actor:
        event["actor"] = actor
    named = {
        "type": text(record.get("ItemType")),
        "id": text(record.get("ObjectId")),
        "name": text(record.get("SourceFileName")),
    }
    with_resources(event, [named])
    return event


def _outcome(record: dict[str, Any], operation: str) -> tuple[str, str | None]:
    """The outcome and the service's own word for it."""
    said = record.get("ResultStatus")
    if said is not None and type(said) not in (str, bool):
        raise EventError(Reason.UNMAPPED, f"ResultStatus: {shorten(said)} is not text")
    word = text(str(said)) if said is not None else None
    if record.get("RecordType") == _LOGON or operation == _FAILED_LOGON:
        reason = text(record.get("LogonError"))
        if reason is not None or operation == _FAILED_LOGON:
            return "failure", reason or word
    if word is None:
        return "success", None
    return _OUTCOMES.get(word.lower(), "unknown"), word


def _actor(record: dict[str, Any]) -> dict[str, Any]:
    user, kind = text(record.get("UserId")), record.get("UserType")
    if type(kind) is int:
        kind = _USER_TYPES[kind] if 0 <= kind < len(_USER_TYPES) else str(kind)
    addresses = (address_without_port(record.get(f)) for f in ("ClientIP", "ClientIPAddress", "ActorIpAddress"))
    extended = objects(record.get("ExtendedProperties"))
    agents = (text(one.get("Value")) for one in extended if one.get("Name") == "UserAgent")
    return present(
        {
            "id": user or text(record.get("UserKey")),
            "type": text(kind),
            "email": user if user is not None and "@" in user else None,
            "ip": next((found for found in addresses if found is not None), None),
            "user_agent": text(record.get("UserAgent")) or next((agent for agent in agents if agent is not None), None),
        }
    )
