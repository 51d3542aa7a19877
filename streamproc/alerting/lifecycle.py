"""The life of an alert: open, updated by further triggers, acknowledged, resolved, reopened.

Pure: every function takes the episode (or None), what happened and when, and changes the episode. Whether and
when a record is sent is decided here too (`due_at`), so that the live worker and the backtest agree.
"""

from __future__ import annotations

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
    Episode,
    fitted,
)
from streamproc.alerting.fingerprint import alert_id
from streamproc.model.command import Action, Command

UPDATE_INTERVAL_MS = 1000
"""`alert.updated` is sent at most once in this span of stream time per alert."""
MAX_NOTE = 1000
"""Characters kept of a note; with `MAX_NOTES` of them a record stays far below the topic's limit."""
REOPEN_MS = 24 * 3600 * 1000

ALLOWED: dict[Action, frozenset[str]] = {
    Action.ACKNOWLEDGE: frozenset({OPEN, ESCALATED}),
    Action.RESOLVE: frozenset({OPEN, ACKNOWLEDGED, ESCALATED, "suppressed"}),
    Action.REOPEN: frozenset({RESOLVED}),
}
"""From which status each action is allowed."""


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
    refusal = _refusal(episode, cmd)
    episode.last_command = {"id": cmd.id, "action": str(cmd.action), "result": "done" if refusal is None else refusal}
    if refusal is None:
        _transition(episode, cmd.action, cmd.at, cmd.by, cmd.note, cmd.resolution)
    else:
        episode.event_type = "alert.updated"
    episode.pending = True
    return True


def _refusal(episode: Episode, cmd: Command) -> str | None:
    if episode.status not in ALLOWED[cmd.action]:
        return f"refused: the alert is {episode.status} at revision {episode.revision}"
    if cmd.action is Action.REOPEN and cmd.at - (episode.resolved_at or 0) > REOPEN_MS:
        return "refused: resolved more than a day ago; the next trigger opens a new alert"
    return None


def _transition(episode: Episode, action: Action, at: int, by: str, note: str | None, resolution: str | None) -> None:
    episode.revision += 1
    episode.updated = max(episode.updated, at)
    before = episode.status
    if action is Action.ACKNOWLEDGE:
        episode.status, episode.event_type = ACKNOWLEDGED, "alert.acknowledged"
        episode.acknowledged_at, episode.acknowledged_by = at, by
    elif action is Action.RESOLVE:
        episode.status, episode.event_type = RESOLVED, "alert.resolved"
        episode.resolved_at, episode.resolution = at, resolution or "resolved"
    else:
        episode.status, episode.event_type = OPEN, "alert.updated"
        episode.resolved_at = episode.resolution = None
        # Quiet counts from here, or an alert that resolved itself would do so again at the next tick.
        episode.last_triggered = max(episode.last_triggered, at)
    entry = {"at": at, "by": by, "from": before, "to": episode.status, "revision": episode.revision}
    episode.history = [*episode.history, entry][-MAX_NOTES:]
    if note:
        episode.notes = [*episode.notes, {"at": at, "by": by, "text": note[:MAX_NOTE]}][-MAX_NOTES:]


def resolve(episode: Episode, at: int, by: str, resolution: str) -> None:
    """Resolve by the product itself (`auto`, `rule_deleted`); the episode must be open."""
    _transition(episode, Action.RESOLVE, at, by, None, resolution)
    episode.pending = True


def due_at(episode: Episode) -> int:
    """The stream time at which a pending further trigger may be sent; everything else is sent at once."""
    return episode.emitted + UPDATE_INTERVAL_MS
