"""Nothing that leaves the matcher has a redacted value in it, whatever rules make of it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from streamproc.engine.frame import frames, pack_frame, unpack
from streamproc.engine.match import Matcher
from streamproc.model.event import Event
from streamproc.model.hit import Hit
from streamproc.rules.paths import parse_path
from streamproc.rules.problems import Problems
from streamproc.sources.redact import MARK, Redactor
from tests.engine.making import MINUTE, SECOND, SOURCE, Partition, event, rule, threshold

EMAIL, TOKEN, ADDRESS, CITY = "alice@secret.example", "hunter2-token", "198.51.100.77", "Secretville"
REDACT = ("actor.email", "**.token", "actor.ip", "actor.location.city")

RULES = [
    rule("by-email", condition={"action": "a", "group_by": ["actor.email", "actor.id"]}),
    rule("sees", condition={"actor.email": EMAIL, "raw.token": TOKEN}, title="{{ event.actor.email }} came"),
    threshold("distinct", condition={"action": "a", "group_by": "actor.id", "distinct": "raw.token", "count": 2}),
    rule("new", type="new_value", condition={"action": "a", "group_by": "actor.id", "path": "actor.email"}),
    rule("travel", type="impossible_travel", condition={"action": "a", "group_by": "actor.id"}),
    rule(
        "steps",
        type="sequence",
        condition={
            "steps": [{"raw.token": TOKEN}, {"raw.token": {"matches": "second-*"}}],
            "within": "10m",
            "group_by": "actor.email",
        },
    ),
]


def _event(n: int, at: int, token: str, email: str, lat: float = 50.0) -> Event:
    actor = {"id": "u", "email": email, "ip": ADDRESS, "location": {"lat": lat, "lon": 8.0, "city": CITY}}
    return event(n, at, actor, raw={"token": token, "deep": [{"token": token}], "kept": "kept"})


def _redactor(*paths: str) -> Redactor:
    return Redactor([parse_path(path, "redact", Problems()) for path in paths])


def _run(redactor: Redactor | None) -> tuple[Partition, list[bytes]]:
    """The events through matcher, frames and engine; the bytes of every frame."""
    partition = Partition(*RULES)
    matcher = Matcher(partition.rules, redactor)
    sent = []
    events = [
        _event(1, 0, TOKEN, EMAIL),
        _event(2, SECOND, "second-" + TOKEN, EMAIL, lat=-50.0),
        _event(3, 2 * SECOND, TOKEN, "bob@secret.example"),
    ]
    for one in events:
        hits: list[Hit] = []
        matcher.match(one, one.place, hits)
        for _, frame in frames(SOURCE, 0, hits, matcher.ref, 1):
            sent.append(pack_frame(frame))
            partition.engine.apply(unpack(sent[-1]))
        partition.write()
    partition.tick(5 * MINUTE)
    return partition, sent


def test_rules_see_the_event_as_it_came_and_nobody_else_does() -> None:
    partition, sent = _run(_redactor(*REDACT))
    fired = {alert["rule"]["id"] for alert in partition.sent}
    assert fired == {"by-email", "sees", "distinct", "new", "travel", "steps"}
    told = [orjson.dumps(partition.sent), *sent, *partition.store.values.keys(), *partition.store.values.values()]
    for secret in (EMAIL, TOKEN, ADDRESS, CITY, "bob@secret"):
        assert not [text for text in told if secret.encode() in text], secret
    assert b"kept" in sent[0], "what is not named stays"
    seen = next(alert for alert in partition.sent if alert["rule"]["id"] == "sees")
    assert seen["event"]["actor"]["email"] == MARK
    assert seen["title"] == f"{MARK} came"


def test_without_a_redactor_all_of_it_is_there() -> None:
    partition, sent = _run(None)
    told = b"".join([orjson.dumps(partition.sent), *sent])
    assert all(secret.encode() in told for secret in (EMAIL, TOKEN, ADDRESS, CITY, "bob@secret"))


def test_the_same_groups_alert_with_and_without() -> None:
    def episodes(partition: Partition) -> dict[tuple[str, int], int]:
        last: dict[str, dict[str, Any]] = {alert["id"]: alert for alert in partition.sent}
        found: dict[tuple[str, int], int] = {}
        for alert in last.values():
            key = (alert["rule"]["id"], alert["trigger_count"])
            found[key] = found.get(key, 0) + 1
        return found

    assert episodes(_run(None)[0]) == episodes(_run(_redactor(*REDACT))[0])


def test_rules_that_change_keep_being_redacted() -> None:
    partition = Partition(*RULES)
    matcher = Matcher(partition.rules, _redactor(*REDACT))
    one = _event(1, 0, TOKEN, EMAIL)
    matcher.match(one, one.place, [])
    partition.use(*reversed(RULES))
    matcher.use(partition.rules)
    hits: list[Hit] = []
    matcher.match(one, one.place, hits)
    assert hits
    assert EMAIL not in repr(hits)
    assert TOKEN not in repr(hits)


@pytest.mark.parametrize("redact", [(), ("raw.kept",)])
def test_what_is_not_counted_by_keeps_its_fingerprint(redact: tuple[str, ...]) -> None:
    partition = Partition(*RULES)
    one = _event(1, 0, TOKEN, EMAIL)
    plain, other = list[Hit](), list[Hit]()
    Matcher(partition.rules).match(one, one.place, plain)
    Matcher(partition.rules, _redactor(*redact)).match(one, one.place, other)
    assert [hit[1:8] for hit in plain] == [hit[1:8] for hit in other]
