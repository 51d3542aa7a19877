"""GitHub audit log entries → events.

Field names are those of "Audit log events for your organization" and "… for your enterprise" in GitHub's documentation.
The stream (one entry a line) and the REST API (a list) write the same entries; entries of git's own events lack some
fields.
"""

from typing import Any, Final

from streamproc.model.event import EventError, Reason
from streamproc.sources.native import (
    address,
    country,
    id_text,
    inner,
    picked,
    present,
    required,
    text,
    with_resources,
)
from streamproc.sources.shorten import shorten

_METADATA: Final = {
    "operation_type": "operation_type",
    "business": "business",
    "org": "org",
    "repo": "repo",
    "team": "team",
    "user": "user",
    "visibility": "visibility",
    "previous_visibility": "previous_visibility",
    "permission": "permission",
    "old_permission": "old_permission",
    "programmatic_access_type": "programmatic_access_type",
    "token_id": "token_id",
    "hashed_token": "hashed_token",
    "transport_protocol_name": "transport_protocol",
    "request_id": "request_id",
    "external_identity_nameid": "external_identity",
    "conclusion": "conclusion",
    "status_code": "status_code",
}
_RESOURCES: Final = (("repo", "repo_id"), ("team", None), ("user", "user_id"), ("org", "org_id"))
"""Field that names a resource, which is also its type → where its number is, in order of precedence."""

_A_RECORD: Final = "an audit log entry"
_REFUSALS: Final = {
    "user.failed_login": "failure",
    "protected_branch.rejected_ref_update": "denied",
}
"""Actions that say themselves that nothing was done."""


def to_event(record: dict[str, Any]) -> dict[str, Any]:
    """The event of one audit log entry.

    - id: ``_document_id`` · tenant: ``org``, else ``business`` (absent when there is neither)
    - action: ``action``, GitHub's own ``category.operation``: ``repo.destroy``
    - event_time: ``@timestamp``, else ``created_at``, both in ms since 1970
    - actor.id: ``actor``, the login, else ``actor_id``; actor.ip: ``actor_ip`` where it is an address; actor.country:
      ``actor_location.country_code``
    - outcome: by ``status_code`` where the entry is of an API request (401 and 403 denied, else from 400 failure);
      failure or denied for the few actions that are attempts that came to nothing; else success, as the log records
      what was done
    - resource: the first of ``repo``, ``team``, ``user``, ``org`` that is there; further ones in ``resources``

    Raises EventError ``unmapped`` where ``action`` is no text or both times are no number or text.
    """
    action = required(record, "action", _A_RECORD)
    time = record.get("@timestamp")
    if time is None:
        time = record.get("created_at")
    if type(time) not in (int, float, str):
        raise EventError(Reason.UNMAPPED, f"@timestamp: {shorten(time)} is not the time that {_A_RECORD} has here")
    event: dict[str, Any] = {
        "tenant_id": text(record.get("org")) or text(record.get("business")),
        "action": action,
        "event_time": time,
        "source": "github",
        "metadata": picked(record, _METADATA),
    }
    if text(record.get("_document_id")):
        event["id"] = record["_document_id"]
    event["outcome"], word = _outcome(record, action)
    if word is not None:
        event["outcome_raw"] = word
    bot = record.get("actor_is_bot")
    actor = present(
        {
            "id": text(record.get("actor")) or id_text(record.get("actor_id")),
            "type": ("bot" if bot else "user") if type(bot) is bool else None,
            "ip": address(record.get("actor_ip")),
            "country": country(inner(record, "actor_location").get("country_code")),
            "user_agent": text(record.get("user_agent")),
        }
    )
    if actor:
        event["actor"] = actor
    with_resources(event, _resources(record))
    return event


def _outcome(record: dict[str, Any], action: str) -> tuple[str, str | None]:
    """The outcome and GitHub's own word for it."""
    status = record.get("status_code")
    if type(status) is int:
        return ("denied" if status in (401, 403) else "failure" if status >= 400 else "success"), str(status)
    return _REFUSALS.get(action, "success"), None


def _resources(record: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for field, number in _RESOURCES:
        name = text(record.get(field))
        if name is not None:
            found.append({"type": field, "id": name})
        elif number is not None and (digits := id_text(record.get(number))) is not None:
            found.append({"type": field, "id": digits})
    return found
