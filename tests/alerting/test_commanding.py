"""Sound commands, made of an alert's record and what somebody asks; what is unsound is named."""

from __future__ import annotations

from typing import Any

import pytest

from streamproc.alerting.commanding import make_command
from streamproc.model.command import Action, Command
from streamproc.model.document import DocumentError

ALERT = {"id": "alt_1", "fingerprint": "01" * 16, "revision": 4, "title": "and all else"}
DAY = 86_400_000
SOUND: dict[Action, dict[str, Any]] = {
    Action.ACKNOWLEDGE: {"note": "on it"},
    Action.RESOLVE: {"resolution": "mitigated", "note": "done"},
    Action.REOPEN: {},
    Action.ESCALATE: {"incident_id": "inc_4f7a8b9c-0000-4000-8000-000000000000"},
    Action.ASSIGN: {"assignee": "bob"},
    Action.COMMENT: {"note": "hm"},
    Action.SNOOZE: {"until": 6000},
    Action.SUPPRESS: {"reason": "inhibited:alt_2"},
    Action.UNSUPPRESS: {"reason": "snooze"},
}


def make(action: Action, **asked: Any) -> Command:
    return make_command(ALERT, action, id="c", by="ann", at=5000, **asked)


@pytest.mark.parametrize("action", Action)
def test_what_is_sound_is_made(action: Action) -> None:
    wanted = Command("c", "alt_1", b"\1" * 16, action, "ann", 5000, 4, **SOUND[action])
    assert make(action, **SOUND[action]) == wanted


def test_the_revision_that_the_asker_saw_may_be_another() -> None:
    assert make(Action.RESOLVE, revision=2).revision == 2


@pytest.mark.parametrize(
    ("action", "asked", "problems"),
    [
        (Action.ACKNOWLEDGE, {"until": 6000}, ["until: does not belong to acknowledge, but to snooze"]),
        (Action.ACKNOWLEDGE, {"reason": "silence"}, ["reason: does not belong to acknowledge, but to suppress and"]),
        (Action.ACKNOWLEDGE, {"note": "x" * 1001}, ["note: 1001 characters are more than 1000"]),
        (Action.COMMENT, {"note": " \n"}, ["note: comment needs it"]),
        (Action.ESCALATE, {}, ["incident_id: escalate needs it"]),
        (Action.ESCALATE, {"incident_id": "inc_a b"}, ["incident_id: 'inc_a b' is not inc_ and up to 60"]),
        (Action.ASSIGN, {"assignee": "x" * 201}, ["assignee: 201 characters are more than 200"]),
        (Action.SNOOZE, {"until": 5000}, ["until: is not a time to come"]),
        (Action.SNOOZE, {"until": 5001 + 366 * DAY}, ["until: is more than 366 days away"]),
        (Action.SUPPRESS, {"reason": "cooldown"}, ["reason: 'cooldown' is not silence or inhibited"]),
        (
            Action.SNOOZE,
            {"note": "x" * 1001, "resolution": "r"},
            ["resolution: does not", "until: snooze needs it", "note: 1001"],
        ),
    ],
)
def test_every_problem_is_named(action: Action, asked: dict[str, Any], problems: list[str]) -> None:
    with pytest.raises(DocumentError) as error:
        make(action, **asked)
    found = [str(problem) for problem in error.value.problems]
    assert len(found) == len(problems)
    assert all(text.startswith(start) for text, start in zip(found, problems, strict=True))
