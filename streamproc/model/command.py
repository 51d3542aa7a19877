"""A *command*: what a person, the API or the delivery process asks of one alert."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Action(StrEnum):
    """What can be asked; DESIGN's status table says from which status each is allowed."""

    ACKNOWLEDGE = "acknowledge"
    RESOLVE = "resolve"
    REOPEN = "reopen"


@dataclass(frozen=True, slots=True)
class Command:
    """`at` is when it was asked, ms since the epoch; `revision` is the alert's revision that the asker saw.

    `id` is chosen by the asker and unique; the key applies it once. `fingerprint` finds the key.
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
