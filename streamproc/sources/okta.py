"""Okta System Log events → events.

Field names are those of LogEvent in Okta's documentation of the System Log API.
"""

from typing import Any, Final

from streamproc.sources.native import (
    address,
    country,
    inner,
    location,
    objects,
    optional_object,
    picked,
    present,
    required,
    text,
    with_resources,
)

_OUTCOMES: Final = {
    "SUCCESS": "success",
    "ALLOW": "success",
    "FAILURE": "failure",
    "ABANDONED": "failure",
    "UNANSWERED": "failure",
    "RATE_LIMIT": "failure",
    "DENY": "denied",
}
"""``outcome.result`` → ours; SKIPPED, CHALLENGE, DEFERRED, SCHEDULED and UNKNOWN say neither."""


def to_event(record: dict[str, Any]) -> dict[str, Any]:
    """The event of one LogEvent.

    - id: ``uuid`` · tenant: none, as no LogEvent names its organisation
    - action: ``eventType``, Okta's own: ``user.session.start``
    - event_time: ``published``
    - actor: ``actor``; actor.email: ``alternateId`` where it is written as an address is. actor.ip:
      ``client.ipAddress``; actor.country: ``client.geographicalContext.country`` where it is a two-letter code;
      actor.location: its ``geolocation``
    - outcome: by ``outcome.result``, which is ``outcome_raw``; unknown without one
    - resource: the first of ``target``; further ones in ``resources``

    Raises EventError ``unmapped`` where ``eventType`` or ``published`` are no text, or ``actor``, ``client`` or
    ``outcome`` no object.
    """
    action = required(record, "eventType", "a LogEvent")
    published = required(record, "published", "a LogEvent")
    client = optional_object(record, "client")
    result = text(optional_object(record, "outcome").get("result"))
    event: dict[str, Any] = {
        "action": action,
        "outcome": "unknown" if result is None else _OUTCOMES.get(result, "unknown"),
        "event_time": published,
        "source": "okta",
        "metadata": _metadata(record, client),
    }
    if text(record.get("uuid")):
        event["id"] = record["uuid"]
    if result is not None:
        event["outcome_raw"] = result
    actor = _actor(optional_object(record, "actor"), client)
    if actor:
        event["actor"] = actor
    with_resources(event, (_named(target) for target in objects(record.get("target"))))
    return event


def _named(thing: Any) -> dict[str, Any]:
    return {
        "type": text(thing.get("type")),
        "id": text(thing.get("id")) or text(thing.get("alternateId")),
        "name": text(thing.get("displayName")) or text(thing.get("alternateId")),
    }


def _actor(actor: Any, client: Any) -> dict[str, Any]:
    alternate = text(actor.get("alternateId"))
    place = inner(client, "geographicalContext")
    coordinates = inner(place, "geolocation")
    return present(
        {
            **_named(actor),
            # Okta's logins are written as e-mail addresses; "system@okta.com" is its own
            "email": alternate if alternate is not None and "@" in alternate else None,
            "ip": address(client.get("ipAddress")),
            "country": country(place.get("country")),
            "location": location(coordinates.get("lat"), coordinates.get("lon")),
            "user_agent": text(inner(client, "userAgent").get("rawUserAgent")),
        }
    )


def _metadata(record: dict[str, Any], client: Any) -> dict[str, Any]:
    return {
        **picked(record, {"displayMessage": "message", "severity": "severity"}),
        **picked(inner(record, "outcome"), {"reason": "reason"}),
        **picked(client, {"zone": "zone", "device": "device"}),
        **picked(inner(client, "geographicalContext"), {"city": "city", "state": "state", "country": "country_name"}),
        **picked(inner(record, "securityContext"), {"asNumber": "as_number", "isp": "isp", "isProxy": "is_proxy"}),
        **picked(
            inner(record, "authenticationContext"),
            {"externalSessionId": "session_id", "credentialType": "credential_type"},
        ),
        **picked(inner(record, "transaction"), {"id": "transaction_id"}),
    }
