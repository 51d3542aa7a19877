"""From which status each action is allowed, and what an asker is told when it is not."""

from __future__ import annotations

import re
from collections.abc import Callable

from streamproc.alerting.episode import ACKNOWLEDGED, ESCALATED, MAX_INCIDENTS, OPEN, RESOLVED, SUPPRESSED, Episode
from streamproc.model.command import Action, Command
from streamproc.model.times import iso

REOPEN_MS = 24 * 3600 * 1000
MAX_SNOOZE_MS = 366 * 24 * 3600 * 1000
SNOOZE = "snooze"
"""What `suppressed_by` says of an alert that a person put off."""

ALLOWED: dict[Action, frozenset[str]] = {
    Action.ACKNOWLEDGE: frozenset({OPEN, ESCALATED}),
    Action.RESOLVE: frozenset({OPEN, ACKNOWLEDGED, ESCALATED, SUPPRESSED}),
    Action.REOPEN: frozenset({RESOLVED}),
    Action.ESCALATE: frozenset({OPEN, ACKNOWLEDGED, ESCALATED}),
    Action.ASSIGN: frozenset({OPEN, ACKNOWLEDGED, ESCALATED, SUPPRESSED}),
    Action.COMMENT: frozenset({OPEN, ACKNOWLEDGED, ESCALATED, SUPPRESSED, RESOLVED}),
    Action.SNOOZE: frozenset({OPEN, ACKNOWLEDGED, SUPPRESSED}),
    Action.SUPPRESS: frozenset({OPEN}),
    Action.UNSUPPRESS: frozenset({SUPPRESSED}),
}
"""From which status each action is allowed (DESIGN section 3)."""

INCIDENT_ID = re.compile(r"inc_[A-Za-z0-9][A-Za-z0-9_.-]{0,59}")
REASON = re.compile(r"(silence|inhibited)(:[^\x00-\x1f\x7f]{1,180})?")


def refusal(episode: Episode, cmd: Command) -> str | None:
    """Why a command is not applied, as `last_command` tells it; None when it is."""
    if episode.status not in ALLOWED[cmd.action]:
        return f"refused: {_standing(episode, cmd.revision)}"
    check = _CHECKS.get(cmd.action)
    why = None if check is None else check(episode, cmd)
    return None if why is None else f"refused: {why}"


def _standing(episode: Episode, seen: int | None) -> str:
    """How the alert stands; to an asker who saw an older revision, who made it so and when."""
    for entry in reversed(episode.history):
        if entry["to"] == entry["from"]:
            continue
        if entry["to"] != episode.status or seen is None or entry["revision"] <= seen:
            break
        became = "opened again" if episode.status == OPEN else episode.status
        if episode.suppressed_by is not None:
            became += f" ({episode.suppressed_by})"
        when = f"at {iso(entry['at'])} (revision {entry['revision']}; you saw {seen})"
        return f"the alert was {became} by {entry['by']} {when}"
    return f"the alert is {episode.status} at revision {episode.revision}"


def _reopen(episode: Episode, cmd: Command) -> str | None:
    if cmd.at - (episode.resolved_at or 0) > REOPEN_MS:
        return "resolved more than a day ago; the next trigger opens a new alert"
    return None


def _escalate(episode: Episode, cmd: Command) -> str | None:
    if cmd.incident_id is None or not INCIDENT_ID.fullmatch(cmd.incident_id):
        return f"incident_id: {cmd.incident_id!r:.80} is not inc_ and up to 60 letters, digits, . _ and -"
    linked = [incident[0] for incident in episode.incidents]
    if episode.status == ESCALATED and cmd.incident_id in linked:
        return f"the alert is part of incident {cmd.incident_id} already"
    if cmd.incident_id not in linked and len(linked) >= MAX_INCIDENTS:
        return f"the alert is part of {MAX_INCIDENTS} incidents already"
    return None


def _comment(_: Episode, cmd: Command) -> str | None:
    return None if cmd.note is not None and cmd.note.strip() else "note: a comment needs some text"


def _snooze(_: Episode, cmd: Command) -> str | None:
    if cmd.until is None or cmd.until <= cmd.at:
        return "until: is not a time to come"
    return "until: is more than 366 days away" if cmd.until - cmd.at > MAX_SNOOZE_MS else None


def _suppress(_: Episode, cmd: Command) -> str | None:
    if cmd.reason is None or not REASON.fullmatch(cmd.reason):
        return f"reason: {cmd.reason!r:.80} is not silence or inhibited, with or without :which"
    return None


def _unsuppress(episode: Episode, cmd: Command) -> str | None:
    holds = episode.suppressed_by or ""
    if cmd.reason is None or cmd.reason in (holds, holds.partition(":")[0]):
        return None
    return f"the alert is suppressed by {holds}, not by {cmd.reason:.80}"


_CHECKS: dict[Action, Callable[[Episode, Command], str | None]] = {
    Action.REOPEN: _reopen,
    Action.ESCALATE: _escalate,
    Action.COMMENT: _comment,
    Action.SNOOZE: _snooze,
    Action.SUPPRESS: _suppress,
    Action.UNSUPPRESS: _unsuppress,
}
