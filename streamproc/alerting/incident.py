"""An alert's part in an incident, as the `incidents` topic tells it.

An incident is no record of its own: readers fold its links, by tenant and incident id. Each link says how its alert
stands, and is written again when that changes.
"""

from __future__ import annotations

import orjson

from streamproc.alerting.episode import Episode
from streamproc.model.times import iso

SCHEMA_VERSION = 1


def link_key(incident_id: str, alert_id: str) -> bytes:
    """The key of a link on `incidents`: `inc_…/alt_…`; neither id holds a slash."""
    return f"{incident_id}/{alert_id}".encode()


def links(episode: Episode) -> list[tuple[str, bytes]]:
    """(incident id, link) for each incident of the episode, if they do not tell how it stands already."""
    severity, title = episode.head["severity"], episode.head["title"]
    told = [len(episode.incidents), episode.status, severity, title]
    if told == episode.linked:
        return []
    episode.linked = told
    return [
        (
            incident_id,
            orjson.dumps(
                {
                    "schema_version": SCHEMA_VERSION,
                    "incident_id": incident_id,
                    "alert_id": episode.id,
                    "tenant_id": episode.tenant,
                    "title": title,
                    "severity": severity,
                    "linked_at": iso(at),
                    "linked_by": by,
                    "note": note,
                    "alert_status": episode.status,
                    "rule_id": episode.head["rule"]["id"],
                    "updated_at": iso(episode.updated),
                }
            ),
        )
        for incident_id, at, by, note in episode.incidents
    ]
