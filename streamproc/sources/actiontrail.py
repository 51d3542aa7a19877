"""Alibaba Cloud ActionTrail events → events.

Field names are those of "Management event structure" in the ActionTrail documentation. OSS gets them as lists, Simple
Log Service one by one, and LookupEvents answers them under ``Events``.
"""

from typing import Any, Final

from streamproc.sources.native import (
    address,
    id_text,
    inner,
    optional_object,
    picked,
    present,
    required,
    text,
    texts,
    with_resources,
)

_DENIED: Final = frozenset(
    {"AccessDenied", "Forbidden", "NoPermission", "NotAuthorized", "Unauthorized", "UnauthorizedOperation"}
)
"""What comes before the first dot of error codes that mean "you may not": ``Forbidden.RAM``."""

_METADATA: Final = {
    "acsRegion": "region",
    "eventType": "event_type",
    "eventCategory": "event_category",
    "eventRW": "event_rw",
    "eventSource": "event_source",
    "requestId": "request_id",
    "errorCode": "error_code",
    "errorMessage": "error_message",
    "vpcId": "vpc_id",
}
_A_RECORD: Final = "an ActionTrail event"


def to_event(record: dict[str, Any]) -> dict[str, Any]:
    """The event of one ActionTrail event.

    - id: ``eventId`` · tenant: ``recipientAccountId``, else ``userIdentity.accountId`` (absent when there is neither)
    - action: ``serviceName``, else ``eventSource`` without ``.aliyuncs.com``, a colon, ``eventName``:
      ``Ram:AttachPolicyToUser``
    - actor: ``userIdentity``; actor.id: principalId, else userName, else accountId. actor.ip only where
      ``sourceIpAddress`` is an address (it may be a service's name)
    - outcome: denied for an ``errorCode`` that means a refusal, failure for any other or an ``errorMessage`` alone,
      else success; the code is ``outcome_raw``
    - resource: the first of ``referencedResources``, else ``resourceName``; further ones in ``resources``

    Raises EventError ``unmapped`` where ``eventName`` or ``eventTime``, or both ``serviceName`` and ``eventSource``,
    are no text, or ``userIdentity`` no object.
    """
    name = required(record, "eventName", _A_RECORD)
    service = text(record.get("serviceName"))
    if service is None:
        service = required(record, "eventSource", _A_RECORD).removesuffix(".aliyuncs.com")
    identity = optional_object(record, "userIdentity")
    event: dict[str, Any] = {
        "tenant_id": id_text(record.get("recipientAccountId")) or id_text(identity.get("accountId")),
        "action": f"{service}:{name}",
        "event_time": required(record, "eventTime", _A_RECORD),
        "source": "actiontrail",
        "metadata": _metadata(record, identity),
    }
    if text(record.get("eventId")):
        event["id"] = record["eventId"]
    event["outcome"], word = _outcome(record)
    if word is not None:
        event["outcome_raw"] = word
    actor = _actor(record, identity)
    if actor:
        event["actor"] = actor
    with_resources(event, _resources(record))
    return event


def _outcome(record: dict[str, Any]) -> tuple[str, str | None]:
    """The outcome and the service's own word for it. Where there was no error, some write an empty code."""
    code = text(record.get("errorCode"))
    if code is not None:
        return ("denied" if code.partition(".")[0] in _DENIED else "failure"), code
    return ("failure" if text(record.get("errorMessage")) else "success"), None


def _actor(record: dict[str, Any], identity: Any) -> dict[str, Any]:
    candidates = (id_text(identity.get(field)) for field in ("principalId", "userName", "accountId"))
    return present(
        {
            "id": next((candidate for candidate in candidates if candidate is not None), None),
            "type": text(identity.get("type")),
            "name": text(identity.get("userName")),
            "ip": address(record.get("sourceIpAddress")),
            "user_agent": text(record.get("userAgent")),
        }
    )


def _resources(record: dict[str, Any]) -> list[dict[str, Any]]:
    listed = inner(record, "referencedResources")
    found = [{"type": kind, "id": name} for kind, names in listed.items() for name in texts(names)]
    name = text(record.get("resourceName"))
    if found or name is None:
        return found
    return [{"type": text(record.get("resourceType")), "id": name}]


def _metadata(record: dict[str, Any], identity: Any) -> dict[str, Any]:
    mfa = inner(identity, "sessionContext", "attributes").get("mfaAuthenticated")
    checked = inner(record, "additionalEventData").get("isMFAChecked")
    said = mfa if type(mfa) is str else checked
    return present(
        {
            **picked(record, _METADATA),
            **picked(identity, {"accessKeyId": "access_key_id", "accountId": "actor_account_id"}),
            "mfa": {"true": True, "false": False}.get(said) if type(said) is str else None,
        }
    )
