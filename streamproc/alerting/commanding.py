"""From what somebody asks of an alert to a sound command: one way for the command line, the API and notify."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from streamproc.alerting.lifecycle import MAX_NAME, MAX_NOTE
from streamproc.alerting.refusal import INCIDENT_ID, MAX_SNOOZE_MS, REASON
from streamproc.model.command import Action, Command
from streamproc.model.document import DocumentError, Problem

_MEANT_FOR: dict[str, frozenset[Action]] = {
    "resolution": frozenset({Action.RESOLVE}),
    "incident_id": frozenset({Action.ESCALATE}),
    "assignee": frozenset({Action.ASSIGN}),
    "until": frozenset({Action.SNOOZE}),
    "reason": frozenset({Action.SUPPRESS, Action.UNSUPPRESS}),
}
_REQUIRED: dict[Action, str] = {
    Action.ESCALATE: "incident_id",
    Action.COMMENT: "note",
    Action.SNOOZE: "until",
    Action.SUPPRESS: "reason",
}


def make_command(
    alert: Mapping[str, Any],
    action: Action,
    *,
    id: str,
    by: str,
    at: int,
    revision: int | None = None,
    note: str | None = None,
    resolution: str | None = None,
    incident_id: str | None = None,
    assignee: str | None = None,
    until: int | None = None,
    reason: str | None = None,
) -> Command:
    """A command about `alert`, which is its record as it stands on `alerts` (or its `id`, `fingerprint`, `revision`).

    `id` is unique, such as a UUID: a command sent twice with the same id is applied once. `by` is who asks, `at` the
    present in ms, as is `until`. `revision` is what the asker saw, if that is not the record's. A new incident's id is
    `inc_` and a UUID. Raises DocumentError with every problem found, its paths the names of the parameters. Whether
    the alert's status allows it is detect's to say: see `last_command` of the record that answers.
    """
    given: dict[str, Any] = {
        "note": note,
        "resolution": resolution,
        "incident_id": incident_id,
        "assignee": assignee,
        "until": until,
        "reason": reason,
    }
    problems = [*_misplaced(action, given), *_unsound(given, at)]
    if problems:
        raise DocumentError(tuple(problems))
    return Command(
        id=id,
        alert_id=alert["id"],
        fingerprint=bytes.fromhex(alert["fingerprint"]),
        action=action,
        by=by,
        at=at,
        revision=alert["revision"] if revision is None else revision,
        **given,
    )


def _misplaced(action: Action, given: Mapping[str, Any]) -> list[Problem]:
    problems = []
    for name, actions in _MEANT_FOR.items():
        if given[name] is not None and action not in actions:
            problems.append(Problem(name, f"does not belong to {action}, but to {' and '.join(sorted(actions))}"))
    required = _REQUIRED.get(action)
    if required is not None and (given[required] is None or not str(given[required]).strip()):
        problems.append(Problem(required, f"{action} needs it"))
    return problems


def _unsound(given: Mapping[str, Any], at: int) -> list[Problem]:
    problems = []
    for name, longest in (("note", MAX_NOTE), ("resolution", MAX_NAME), ("assignee", MAX_NAME)):
        text = given[name]
        if text is not None and len(text) > longest:
            problems.append(Problem(name, f"{len(text)} characters are more than {longest}"))
    incident, until, reason = given["incident_id"], given["until"], given["reason"]
    if incident and not INCIDENT_ID.fullmatch(incident):
        problems.append(Problem("incident_id", f"{incident!r:.80} is not inc_ and up to 60 letters, digits, . _ and -"))
    if until is not None and until <= at:
        problems.append(Problem("until", "is not a time to come"))
    if until is not None and until - at > MAX_SNOOZE_MS:
        problems.append(Problem("until", "is more than 366 days away"))
    if reason and not REASON.fullmatch(reason) and reason != "snooze":
        problems.append(Problem("reason", f"{reason!r:.80} is not silence or inhibited, with or without :which"))
    return problems
