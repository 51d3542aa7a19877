"""The life of an alert: open, updated by further triggers, acknowledged, escalated, suppressed, resolved, reopened.

Pure: every function takes the episode (or None), what happened and when, and changes the episode. Whether and
when a record is sent is decided here too (`due_at`), so that the live worker and the backtest agree.
"""

from __future__ import annotations

import re
from typing import Any

from streamproc.alerting.episode import (
    ACKNOWLEDGED,
    ESCALATED,
    MAX_COMMANDS,
    MAX_NOTES,
    MAX_SAMPLES,
    MAX_SAMPLES_BYTES,
    OPEN,
    RESOLVED,
    SUPPRESSED,
    Episode,
    fitted,
)
from streamproc.alerting.fingerprint import alert_id
from streamproc.alerting.refusal import ALLOWED, REOPEN_MS, SNOOZE, refusal
from streamproc.model.command import Action, Command

__all__ = ["ALLOWED", "REOPEN_MS"]

UPDATE_INTERVAL_MS = 1000
"""`alert.updated` is sent at most once in this span of stream time per alert."""
MAX_NOTE = 1000
"""Characters kept of a note; with `MAX_NOTES` of them a record stays far below the topic's limit."""
MAX_NOTE_IN_HISTORY = 200
MAX_NAME = 200
"""Characters kept of who did it, of an assignee, of a resolution."""
ITSELF = "streamproc"
"""Who did it where nobody asked."""

_BECOMES: dict[Action, tuple[str, str]] = {
    Action.ACKNOWLEDGE: (ACKNOWLEDGED, "alert.acknowledged"),
    Action.RESOLVE: (RESOLVED, "alert.resolved"),
    Action.REOPEN: (OPEN, "alert.updated"),
    Action.ESCALATE: (ESCALATED, "alert.escalated"),
    Action.SNOOZE: (SUPPRESSED, "alert.suppressed"),
    Action.SUPPRESS: (SUPPRESSED, "alert.suppressed"),
    Action.UNSUPPRESS: (OPEN, "alert.updated"),
}
"""The status that an action leads to, and what its record is sent as; the other actions leave the status alone."""
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""Characters without a meaning in a text, which JSON spells with six bytes each."""


def opened(
    fp: bytes, tenant: str, group: dict[str, Any], cause: tuple[str, str], t: int, arrival: int, raw: bytes
) -> Episode:
    """A new episode, named by what caused it (see `alert_id`); `raw` is empty where that is no event.

    Its first `trigger` makes it revision 1.
    """
    episode = Episode(alert_id(fp, *cause), tenant, group, t, arrival)
    episode.event = fitted(raw) if raw else None
    return episode


def triggered(episode: Episode, arrival: int, late: bool) -> None:
    """The condition held once more. An acknowledged alert stays acknowledged."""
    episode.trigger_count += 1
    episode.revision += 1
    episode.updated = max(episode.updated, arrival)
    episode.last_triggered = max(episode.last_triggered, arrival)
    episode.late = episode.late or late
    episode.event_type = "alert.triggered" if episode.revision == 1 else "alert.updated"
    episode.pending = True


def grew(episode: Episode, arrival: int) -> None:
    """What an open episode counts went up without a trigger: neither the revision nor the quiet time changes."""
    episode.updated = max(episode.updated, arrival)
    episode.event_type = "alert.updated"
    episode.pending = True


def is_open(episode: Episode | None) -> bool:
    """Whether a further trigger belongs to this episode."""
    return episode is not None and episode.status != RESOLVED


def with_samples(first: list[bytes], latest: bytes) -> list[bytes]:
    """Up to five sample documents that together stay within the alert's limit; the latest, if any, is among them."""
    if not latest:
        return first
    samples = [*(s for s in first if s != latest), fitted(latest, 8 * 1024)][-MAX_SAMPLES:]
    while len(samples) > 1 and sum(map(len, samples)) > MAX_SAMPLES_BYTES:
        samples.pop(0)
    return samples


def command(episode: Episode | None, cmd: Command) -> bool:
    """Apply a command once; True when a record has to be sent (also for a refusal, so that the asker learns of it).

    A command for an episode that this key no longer holds changes nothing.
    """
    if episode is None or episode.id != cmd.alert_id or cmd.id in episode.commands:
        return False
    episode.commands = [*episode.commands, cmd.id][-MAX_COMMANDS:]
    refused = refusal(episode, cmd)
    episode.last_command = {"id": cmd.id, "action": str(cmd.action), "result": refused or "done"}
    if refused is None:
        _apply(episode, cmd, _kept(cmd.by, MAX_NAME))
    else:
        episode.event_type = "alert.updated"
    episode.pending = True
    return True


def _apply(episode: Episode, cmd: Command, by: str) -> None:
    action, at, note = cmd.action, cmd.at, _kept(cmd.note or "", MAX_NOTE)
    if action is Action.COMMENT:
        episode.updated = max(episode.updated, at)
        episode.event_type = "alert.updated"
    elif action is Action.ASSIGN:
        episode.assignee = _kept(cmd.assignee or "", MAX_NAME) or None
        episode.updated = max(episode.updated, at)
        episode.event_type = "alert.updated"
        _remember(episode, action, at, by, episode.status, note, {"assignee": episode.assignee})
    elif action is Action.ACKNOWLEDGE:
        _move(episode, action, at, by, note)
        episode.acknowledged_at, episode.acknowledged_by = at, by
    elif action is Action.RESOLVE:
        _resolve(episode, at, by, cmd.resolution or "resolved", note)
    elif action is Action.REOPEN:
        _move(episode, action, at, by, note)
        episode.resolved_at = episode.resolution = None
        # Quiet counts from here, or an alert that resolved itself would do so again at the next tick.
        episode.last_triggered = max(episode.last_triggered, at)
    elif action is Action.ESCALATE:
        incident = episode.incident_id = str(cmd.incident_id)
        _move(episode, action, at, by, note, {"incident_id": incident})
        if all(linked[0] != incident for linked in episode.incidents):
            episode.incidents = [*episode.incidents, [incident, at, by, note or None]]
    elif action is Action.SNOOZE:
        _move(episode, action, at, by, note, {"until": cmd.until})
        episode.suppressed_by, episode.snoozed_until = SNOOZE, cmd.until
    elif action is Action.SUPPRESS:
        _move(episode, action, at, by, note, {"reason": cmd.reason})
        episode.suppressed_by = cmd.reason
    else:
        _move(episode, action, at, by, note, {"reason": episode.suppressed_by})
    if note:
        entry = {"at": at, "by": by, "text": note, "action": str(action)}
        episode.notes = [*episode.notes, entry][-MAX_NOTES:]


def _move(
    episode: Episode, action: Action, at: int, by: str, note: str = "", more: dict[str, Any] | None = None
) -> None:
    """To the action's status, whichever that is; nothing suppresses the alert after it."""
    before = episode.status
    episode.revision += 1
    episode.updated = max(episode.updated, at)
    episode.status, episode.event_type = _BECOMES[action]
    _remember(episode, action, at, by, before, note, more or {})
    episode.suppressed_by = episode.snoozed_until = None


def _remember(episode: Episode, action: Action, at: int, by: str, before: str, note: str, more: dict[str, Any]) -> None:
    entry = {"at": at, "by": by, "from": before, "to": episode.status, "revision": episode.revision}
    entry |= {"action": str(action), **more}
    if note:
        entry["note"] = note[:MAX_NOTE_IN_HISTORY]
    episode.history = [*episode.history, entry][-MAX_NOTES:]


def _resolve(episode: Episode, at: int, by: str, resolution: str, note: str = "") -> None:
    episode.resolved_at, episode.resolution = at, _kept(resolution, MAX_NAME)
    _move(episode, Action.RESOLVE, at, by, note, {"resolution": episode.resolution})


def _kept(text: str, limit: int) -> str:
    return _CONTROL.sub(" ", text[:limit])


def resolve(episode: Episode, at: int, by: str, resolution: str) -> None:
    """Resolve by the product itself (`auto`, `rule_deleted`); the episode must be open."""
    _resolve(episode, at, by, resolution)
    episode.pending = True


def unsnooze(episode: Episode, at: int) -> None:
    """Open again, as of the instant it was put off to; it must be snoozed."""
    _move(episode, Action.UNSUPPRESS, at, ITSELF, "", {"reason": SNOOZE})
    episode.pending = True


def due_at(episode: Episode) -> int:
    """The stream time at which a pending further trigger may be sent; everything else is sent at once."""
    return episode.emitted + UPDATE_INTERVAL_MS
