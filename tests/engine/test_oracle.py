"""The engine against episodes counted by hand: which alerts there are, how often each triggered, how each ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.alerting.fingerprint import alert_id, fingerprint
from streamproc.engine.frame import Tick
from streamproc.model.command import Action, Command
from streamproc.model.event import Event
from tests.alerting.status_table import TABLE
from tests.detect.plainly import Fixed, Hit, Rolling
from tests.engine.making import BASE, MINUTE, SECOND, SOURCE, Partition, event, rule, threshold

LATENESS = MINUTE
RULES = [
    rule("each", lateness_seconds=60),
    threshold("rolling", 3, "1m", lateness_seconds=60),
    threshold("hosts", 2, "5m", condition={"distinct": "resource.id"}, lateness_seconds=60),
    threshold("fixed", 3, "5m", condition={"window_type": "fixed"}, timezone="Asia/Kolkata", lateness_seconds=60),
]


def judge(rule_id: str) -> Any:
    """Counts by hand, at a scale of seconds: all times in these tests are whole ones."""
    if rule_id == "rolling":
        return Rolling(3, 60, 60)
    if rule_id == "hosts":
        return Rolling(2, 300, 60, distinct=True)
    if rule_id == "fixed":
        return Fixed(3, 300_000, 60_000, zone="Asia/Kolkata")
    return Each()


@dataclass
class Each:
    """Every event triggers; an id counts once (these tests are shorter than ids are remembered)."""

    seen: set[str] = field(default_factory=set)

    def judge(self, hit: Hit) -> int:
        fresh = hit.id not in self.seen
        self.seen.add(hit.id)
        return int(fresh)


@dataclass
class Alert:
    rule: str
    actor: str
    triggers: int = 0
    changes: int = 0
    status: str = "open"
    held_by: str | None = None
    until: int | None = None
    incidents: set[str] = field(default_factory=set)
    assignee: str | None = None
    comments: int = 0

    def move(self, status: str) -> None:
        self.status = status
        self.changes += 1
        self.held_by = self.until = None


class ByHand:
    """One episode after the other for each rule and actor, as DESIGN tells it."""

    def __init__(self) -> None:
        self.alerts: dict[str, Alert] = {}
        self._judges: dict[tuple[str, str], Any] = {}
        self.current: dict[tuple[str, str], str] = {}

    def event(self, one: Event, actor: str, host: str) -> None:
        for doc in RULES:
            key = (doc["id"], actor)
            if key not in self._judges:
                self._judges[key] = judge(doc["id"])
            scale = 1 if doc["id"] == "fixed" else SECOND
            if self._judges[key].judge(Hit(one.time // scale, one.id, host)) <= 0:
                continue
            current = self.current.get(key)
            if current is None or self.alerts[current].status == "resolved":
                fp = fingerprint("acme", "acme", doc["id"], (actor,))
                current = self.current[key] = alert_id(fp, "event", one.id)
                self.alerts[current] = Alert(doc["id"], actor)
            self.alerts[current].triggers += 1

    def tick(self, now: int) -> None:
        """Stream time, in seconds."""
        for alert in self.alerts.values():
            if alert.until is not None and now >= alert.until:
                alert.move("open")

    def command(self, alert: str, action: Action, more: dict[str, Any], now: int) -> None:
        found = self.alerts[alert]
        to = TABLE[found.status].get(action)
        incident, reason = more.get("incident_id", ""), more.get("reason")
        if (
            to is None
            or (action == "comment" and not more["note"])
            or (action == "escalate" and found.status == "escalated" and incident in found.incidents)
            or (action == "snooze" and more["until"] <= BASE + now * SECOND)
            or (action == "suppress" and reason == "a whim")
            or (action == "unsuppress" and reason is not None and not str(found.held_by).startswith(reason))
        ):
            return
        if action == "comment":
            found.comments += 1
        elif action == "assign":
            found.assignee = more["assignee"]
        else:
            found.move(to)
        if action == "escalate":
            found.incidents.add(incident)
        elif action == "suppress":
            found.held_by = reason
        elif action == "snooze":
            found.held_by, found.until = "snooze", (more["until"] - BASE) // SECOND

    def told(self) -> dict[str, Any]:
        return {
            id: (a.rule, a.actor, a.triggers, a.triggers + a.changes, a.status, a.held_by, a.assignee, a.comments)
            for id, a in self.alerts.items()
        }

    def links(self) -> dict[tuple[str, str], str]:
        return {(incident, id): a.status for id, a in self.alerts.items() for incident in a.incidents}


def wanted(action: Action, variant: int, now: int) -> dict[str, Any]:
    """What a command says beside its action; some of it is refused."""
    ways: dict[Action, dict[str, Any]] = {
        Action.ESCALATE: {"incident_id": f"inc_{variant}"},
        Action.ASSIGN: {"assignee": [None, "bob", "eve"][variant]},
        Action.COMMENT: {"note": ["", "x", "y"][variant]},
        Action.SNOOZE: {"until": BASE + (now + [0, 5, 60][variant]) * SECOND},
        Action.SUPPRESS: {"reason": ["a whim", "silence:m", "inhibited"][variant]},
        Action.UNSUPPRESS: {"reason": [None, "silence", "snooze"][variant]},
    }
    return ways.get(action, {})


arrivals = st.tuples(
    st.sampled_from([0, 1, 5, 20, 61]),  # seconds since the one before
    st.sampled_from([0, 0, 0, 5, 90, 200]),  # seconds late
    st.sampled_from("uv"),
    st.sampled_from(["h1", "h2", "h3"]),
    st.sampled_from([False, False, False, True]),  # an earlier one once more, as another record
)
asks = st.tuples(st.integers(0, 7), st.sampled_from(Action), st.integers(0, 2))  # of which alert, what, and how
ends = st.sampled_from(["goes on", "batch ends", "killed before the write", "restarted", "replayed"])
steps = st.lists(st.tuples(st.one_of(arrivals, asks), ends, st.booleans()), max_size=30)


@given(steps)
def test_alerts_are_those_counted_by_hand(plan: list[Any]) -> None:
    by_hand, partition = ByHand(), Partition(*RULES)
    now = 0
    sent: list[tuple[Event, str, str]] = []
    log: list[Any] = []  # signals, as they stand on the topic
    written = 0  # how many of them are in the store
    for step, end, ticked in plan:
        if len(step) == 5:
            gap, delay, actor, host, again = step
            now += gap
            one = event(len(sent), (now - delay) * SECOND, actor, now * SECOND, resource={"id": host})
            if again and sent:
                earlier, actor, host = sent[len(sent) // 2]
                one = Event(earlier.tenant, earlier.id, earlier.action, earlier.time, one.arrival, earlier.doc,
                            earlier.raw, one.place)  # fmt: skip
            sent.append((one, actor, host))
            signals = partition.signals([one])
            by_hand.event(one, actor, host)
        else:
            number, action, variant = step
            if not by_hand.current:
                continue
            (rule_id, actor), alert = list(by_hand.current.items())[number % len(by_hand.current)]
            fp = fingerprint("acme", "acme", rule_id, (actor,))
            more = wanted(action, variant, now)
            command = Command(f"c{len(log)}", alert, fp, action, "ann", BASE + now * SECOND, **more)
            signals = [command, command]  # as a producer that tries again may send it
            by_hand.command(alert, action, more, now)
        if ticked:
            signals.append(Tick({SOURCE: BASE + now * SECOND}))
            by_hand.tick(now)
        log += signals
        for signal in signals:
            partition.engine.apply(signal)
        if end == "killed before the write":
            partition.restart()
            for signal in log[written:]:
                partition.engine.apply(signal)
        if end in ("batch ends", "restarted", "replayed"):
            partition.write()
            written = len(log)
        if end == "restarted":
            partition.restart()
        if end == "replayed":
            partition.restart()
            for signal in log[len(log) // 2 :]:
                partition.engine.apply(signal)
            partition.write()
    partition.write()
    partition.tick((now + 2) * SECOND)
    by_hand.tick(now + 2)
    assert by_hand.told() == {
        id: (
            a["rule"]["id"],
            a["group"]["actor.id"],
            a["trigger_count"],
            a["revision"],
            a["status"],
            a["suppressed_by"],
            a["assignee"],
            sum(note["action"] == "comment" for note in a["notes"]),
        )
        for id, a in partition.last.items()
    }
    assert by_hand.links() == {key: link["alert_status"] for key, link in partition.links.items()}
    for alert in partition.last.values():
        moves = [entry for entry in alert["history"] if entry["from"] != entry["to"]]
        assert [entry["to"] for entry in moves[:-1]] == [entry["from"] for entry in moves[1:]], "a chain from open"
        assert (moves[0]["from"], moves[-1]["to"]) == ("open", alert["status"]) if moves else alert["status"] == "open"


@pytest.mark.parametrize("resolved_by", ["itself", "ann"])
@pytest.mark.parametrize("restart", [False, True])
def test_a_reopened_alert_is_quiet_from_then_on(resolved_by: str, restart: bool) -> None:
    partition = Partition(rule(auto_resolve_after="2m"))
    partition.play(event(0, 0))
    if resolved_by == "ann":
        partition.command(Action.RESOLVE, partition.alert, MINUTE)
    partition.tick(3 * MINUTE)
    assert partition.alert["status"] == "resolved"
    partition.command(Action.REOPEN, partition.alert, 4 * MINUTE, id="again")
    if restart:
        partition.restart()
    partition.tick(6 * MINUTE - 1)
    assert partition.alert["status"] == "open"
    partition.tick(6 * MINUTE)
    assert (partition.alert["status"], partition.alert["resolved_at"]) == ("resolved", "2026-02-10T12:06:00.000Z")
