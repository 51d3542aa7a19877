"""AWS CloudTrail records → events.

Field names are those of the record format that AWS documents in the CloudTrail user guide ("CloudTrail record
contents"). A record is one API call, console sign-in or service event.
"""

from typing import Any, Final

from streamproc.model.event import EventError, Reason
from streamproc.sources.address import is_address
from streamproc.sources.cloudtrail_resources import resources_of
from streamproc.sources.shorten import shorten

_DENIED: Final = frozenset(
    {
        "AuthorizationError",
        "AuthorizationErrorException",
        "Forbidden",
        "ForbiddenException",
        "NotAuthorized",
        "NotAuthorizedException",
        "Unauthorized",
        "UnauthorizedAccess",
        "UnauthorizedException",
        "UnauthorizedOperation",
    }
)
"""Error codes that mean "you may not", beside everything that starts with AccessDenied."""

_METADATA: Final = {
    "awsRegion": "region",
    "eventType": "event_type",
    "eventCategory": "event_category",
    "readOnly": "read_only",
    "recipientAccountId": "account_id",
    "errorCode": "error_code",
}


def to_event(record: dict[str, Any]) -> dict[str, Any]:
    """The event of one CloudTrail record.

    - id: ``eventID`` · tenant: ``recipientAccountId``, else ``userIdentity.accountId`` (absent when there is
      neither)
    - action: ``eventSource`` without ``.amazonaws.com``, a colon, ``eventName``: ``iam:CreateAccessKey``
    - actor.id: the first of arn, principalId, invokedBy, accountId; actor.ip only where ``sourceIPAddress``
      is an address (often it is a service's name, which stays under ``raw``)
    - outcome: denied for an error code that means a refusal; failure for any other error code or message, or
      a sign-in whose response says Failure; else success
    - resource: the first of ``resources``, else what the request parameters name; further ones in
      ``resources``

    Raises EventError ``unmapped`` where eventSource, eventName or eventTime are no text, or userIdentity no
    object.
    """
    event_source = _required(record, "eventSource")
    event_name = _required(record, "eventName")
    identity = record.get("userIdentity")
    if identity is None:
        identity = {}
    elif type(identity) is not dict:
        raise EventError(Reason.UNMAPPED, f"userIdentity: {shorten(identity)} is not an object")
    event: dict[str, Any] = {
        "tenant_id": record.get("recipientAccountId") or identity.get("accountId"),
        "action": f"{event_source.removesuffix('.amazonaws.com')}:{event_name}",
        "event_time": _required(record, "eventTime"),
        "source": "cloudtrail",
    }
    if record.get("eventID") is not None:
        event["id"] = record["eventID"]
    event["outcome"], word = _outcome(record, event_name)
    if word is not None:
        event["outcome_raw"] = word
    actor = _actor(record, identity)
    if actor:
        event["actor"] = actor
    resources = resources_of(record, event_source)
    if resources:
        event["resource"] = resources[0]
    if len(resources) > 1:
        event["resources"] = resources
    metadata = {ours: record[theirs] for theirs, ours in _METADATA.items() if record.get(theirs) is not None}
    mfa = _mfa(record, identity)
    if mfa is not None:
        metadata["mfa"] = mfa
    if _text(identity.get("accessKeyId")):
        metadata["access_key_id"] = identity["accessKeyId"]
    event["metadata"] = metadata
    return event


def _required(record: dict[str, Any], field: str) -> str:
    value = record.get(field)
    if type(value) is not str or not value:
        raise EventError(
            Reason.UNMAPPED, f"{field}: {shorten(value)} is not the text that a CloudTrail record has here"
        )
    return value


def _outcome(record: dict[str, Any], event_name: str) -> tuple[str, str | None]:
    """The outcome and CloudTrail's own word for it."""
    code = _text(record.get("errorCode"))
    if code is not None:
        bare = code.removeprefix("Client.").removeprefix("Server.")
        return ("denied" if bare in _DENIED or bare.startswith("AccessDenied") else "failure"), code
    response = record.get("responseElements")
    word = _text(response.get(event_name)) if type(response) is dict else None
    if word == "Failure":  # sign-in events answer {"ConsoleLogin": "Failure"}
        return "failure", word
    if record.get("errorMessage"):
        return "failure", word
    return "success", word if word == "Success" else None


def _actor(record: dict[str, Any], identity: dict[str, Any]) -> dict[str, Any]:
    candidates = (_text(identity.get(field)) for field in ("arn", "principalId", "invokedBy", "accountId"))
    address = _text(record.get("sourceIPAddress"))
    fields = {
        "id": next((candidate for candidate in candidates if candidate is not None), None),
        "type": _text(identity.get("type")),
        "name": _name(identity),
        "ip": address if address is not None and is_address(address) else None,
        "user_agent": _text(record.get("userAgent")),
    }
    return {field: value for field, value in fields.items() if value is not None}


def _name(identity: dict[str, Any]) -> str | None:
    """The user's name; of an assumed role, the name of the role."""
    issuer: Any = identity
    for field in ("sessionContext", "sessionIssuer"):
        issuer = issuer.get(field) if type(issuer) is dict else None
    role = _text(issuer.get("userName")) if type(issuer) is dict else None
    return _text(identity.get("userName")) or role


def _mfa(record: dict[str, Any], identity: dict[str, Any]) -> bool | None:
    """Whether a second factor was used, where the record tells: at sign-in, or in the session's
    attributes."""
    extra = record.get("additionalEventData")
    if type(extra) is dict and extra.get("MFAUsed") in ("Yes", "No"):
        return bool(extra["MFAUsed"] == "Yes")
    attributes: Any = identity
    for field in ("sessionContext", "attributes"):
        attributes = attributes.get(field) if type(attributes) is dict else None
    said = attributes.get("mfaAuthenticated") if type(attributes) is dict else None
    return {"true": True, "false": False}.get(said) if type(said) is str else None


def _text(value: Any) -> str | None:
    return value if type(value) is str and value else None
