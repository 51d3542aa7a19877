"""A *command*: what a person, the API or the delivery process asks of one alert."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What can be asked; `alerting.refusal.ALLOWED` says from which status each is allowed."""

    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    REOPEN = "reopen"
    ESCALATE = "escalate"
    """Link the alert to an incident: `incident_id`."""
    ASSIGN = "assign"
    """To `assignee`, or to nobody."""
    COMMENT = "comment"
    """Keep `note` with the alert."""
    SNOOZE = "snooze"
    """Suppress it `until` then."""
    SUPPRESS = "suppress"
    """Asked by notify while a silence or an inhibition holds: `reason`."""
    UNSUPPRESS = "unsuppress"
    """Make it open again: what `reason` names no longer holds; without a reason, whatever held."""


@dataclass(frozen=True, slots=True)
class Command:
    """`at` is when it was asked, ms since the epoch; `revision` is the alert's revision that the asker saw.

    `id` is chosen by the asker and unique; the key applies it once. `fingerprint` finds the key. `until` is ms since
    the epoch. `reason` is `silence` or `inhibited`, and after a colon which one: `silence:maintenance`.
    `alerting.commanding.make_command` makes a sound one from an alert's record.
    """

    id: str
    alert_id: str
    fingerprint: bytes
    action: Action
    by: str
    at: int
    revision: int | None = None
    note: str | None = None
    resolution: str | None = None
    incident_id: str | None = None
    assignee: str | None = None
    until: int | None = None
    reason: str | None = None
