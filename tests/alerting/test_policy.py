"""Action policies: what a document may say, the path an alert takes, escalation, the dry run."""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.alerting.people import PeopleBook
from streamproc.alerting.policy import Taken, chosen, dry_run, next_escalation, ready, severity_of, walk
from streamproc.config.kinds import KINDS
from streamproc.model.document import DocumentError
from streamproc.model.policy import MAX_STEPS, Policy, parse_policy
from tests.alerting.making import Record

MINUTE = 60_000
HOUR = 60 * MINUTE
NOON = int(datetime.fromisoformat("2026-02-10T12:00:00+00:00").timestamp() * 1000)
"""A Tuesday."""
ONCALL: dict[str, Any] = {"id": "oncall", "channels": ["slack"], "recipients": {"user_groups": ["ops-team"]}}
MAIL: dict[str, Any] = {"id": "mail", "channels": ["email"], "recipients": {"roles": ["admin"]}, "template": "short"}
BOSS: dict[str, Any] = {"id": "boss", "channels": ["voice"], "recipients": {"users": ["carol"]}}
HIGH = {"match": "any", "when": {"severity": {"gte": "high"}}}


def policy(*steps: Any, groups: Any = (ONCALL, MAIL, BOSS), **fields: Any) -> Policy:
    return parse_policy({"id": "default", "tenant_id": "acme", "groups": list(groups), "steps": list(steps), **fields})


def alert(severity: str = "high", status: str = "open", rule: str = "r1", **fields: Any) -> dict[str, Any]:
    return {"id": "alt_1", "tenant_id": "acme", "severity": severity, "status": status, "rule": {"id": rule}, **fields}


def told(policy: Policy, *alerts: dict[str, Any], now: int = NOON) -> list[str]:
    return [group.id for group in walk(policy, alerts, now).groups]


def test_an_alert_goes_through_conditions_to_groups_until_an_end() -> None:
    one = policy(
        {"condition": HIGH, "then": [{"group": "oncall"}], "otherwise": [{"group": "mail"}, {"end": True}]},
        {"group": "boss"},
    )
    path = walk(one, alert("critical"), NOON)
    assert [(step.path, step.node, step.taken) for step in path.steps] == [
        ("steps[0]", "condition", Taken.YES),
        ("steps[0].then[0]", "group oncall", Taken.TOLD),
        ("steps[1]", "group boss", Taken.TOLD),
    ]
    assert told(one, alert("low")) == ["mail"], "the end in a branch ends it all"
    assert walk(one, alert("low"), NOON).steps[-1].taken is Taken.END


def test_all_and_any_are_about_the_alerts_that_are_told_together() -> None:
    tests = {"object": "severity", "operator": "Equal to", "value": "high"}
    every = policy({"condition": {"match": "all", "when": [tests]}, "then": [{"group": "oncall"}]})
    some = policy({"condition": {"match": "any", "when": [tests]}, "then": [{"group": "oncall"}]})
    both = [alert("high"), alert("low")]
    assert (told(every, *both), told(some, *both)) == ([], ["oncall"])
    assert (told(every, both[0]), told(some, both[1])) == (["oncall"], [])
    assert (told(every), told(some)) == ([], []), "nobody is told of nothing"


def test_standard_mode_is_and_and_advanced_mode_nests() -> None:
    when: dict[str, Any] = {"any": [{"rule.id": "r1"}, {"severity": "low", "rule.id": "r2"}]}
    with pytest.raises(DocumentError, match="when: has any or none in it, which only mode advanced takes"):
        policy({"condition": {"mode": "standard", "when": when}, "then": [{"group": "oncall"}]})
    nested = policy({"condition": {"mode": "advanced", "when": when}, "then": [{"group": "oncall"}]})
    plain = policy({"condition": {"mode": "standard", "when": [{"rule.id": "r2"}, {"severity": {"!~": "^h"}}]},
                    "then": [{"group": "oncall"}]})  # fmt: skip
    cases = list(itertools.product(("r1", "r2"), ("high", "low")))
    assert [bool(told(nested, alert(severity, rule=rule))) for rule, severity in cases] == [True, True, False, True]
    assert [bool(told(plain, alert(severity, rule=rule))) for rule, severity in cases] == [False, False, False, True]


def test_a_group_is_told_once_and_only_in_its_hours_and_from_its_severity() -> None:
    office = {"days": ["mon", "tue"], "start": "09:00", "end": "17:00", "timezone": "Europe/Berlin"}
    one = policy(
        {"group": "oncall"}, {"group": "oncall"}, {"group": "mail"},
        groups=[{**ONCALL, "active_hours": office}, {**MAIL, "min_severity": "critical"}],
    )  # fmt: skip
    at_noon, at_night = walk(one, alert("high"), NOON), walk(one, alert("high"), NOON + 5 * HOUR)
    assert [step.taken for step in at_noon.steps] == [Taken.TOLD, Taken.AGAIN, Taken.BELOW_SEVERITY]
    assert [step.taken for step in at_night.steps] == [Taken.OUTSIDE_HOURS, Taken.OUTSIDE_HOURS, Taken.BELOW_SEVERITY]
    next_monday = int(datetime.fromisoformat("2026-02-16T09:00:00+01:00").timestamp() * 1000)
    assert [(held.group.id, held.opens_at) for held in at_night.withheld] == [("oncall", next_monday), ("mail", None)]
    assert told(one, alert("high"), alert("critical")) == ["oncall", "mail"], "the highest severity counts"
    assert ready(one.group("oncall"), alert(), NOON) is None
    assert severity_of([alert("low"), alert("bogus"), alert("high")]) == "high"
    assert severity_of([]) == "informational"


def test_a_rule_gets_the_policy_that_it_names_or_the_default() -> None:
    other = policy(id="other")
    book = {(p.tenant_id, p.id): p for p in (policy(), other, policy(id="off", enabled=False))}
    names = ("other", "off", "none", None)
    assert [found.id if (found := chosen(book, "acme", name)) else None for name in names] == [
        "other", "default", "default", "default",
    ]  # fmt: skip
    assert chosen(book, "globex", "other") is None


def nested(levels: int) -> list[Any]:
    steps: list[Any] = [{"group": "oncall"}]
    for _ in range(levels):
        steps = [{"condition": HIGH, "then": steps}]
    return steps


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"steps": [{}]}, "steps[0]: {} is not exactly one of condition, group, end"),
        ({"steps": [{"group": "oncall", "end": True}]}, "is not exactly one of condition, group, end"),
        ({"steps": [{"group": "oncall", "then": [{"end": True}]}]}, "has then or otherwise without a condition"),
        ({"steps": [{"end": False}]}, "steps[0].end: False is not True"),
        ({"steps": [{"group": "nobody"}]}, "steps[0].group: 'nobody' is not one of the policy's groups"),
        (
            {"steps": [{"condition": HIGH, "otherwise": [{"group": "x"}]}]},
            "steps[0].otherwise[0].group: 'x' is not one of",
        ),
        ({"steps": [{"condition": {"when": {"severty": 1}}}]}, "steps[0].condition.when.severty: 'severty' is not a"),
        ({"steps": [{"condition": {"match": "all"}}]}, "steps[0].condition.when: is required"),
        ({"steps": [{"condition": {"when": {"id": "x"}, "match": "some"}}]}, "match: 'some' is not 'all' or 'any'"),
        ({"groups": [ONCALL, ONCALL]}, "groups[1].id: 'oncall' is given twice"),
        ({"groups": [{"id": "g", "min_severity": "hi"}]}, "groups[0].min_severity: 'hi' is not"),
        ({"groups": [{"id": "g", "recipients": {"users": ["x"]}}]}, "groups[0].recipients.users[0]: 'x' is not an id"),
        ({"groups": [{"id": "g", "recipients": {"roles": ["r"] * 101}}]}, "has more than 100 entries"),
        ({"groups": [{"id": "g", "channels": ["c"] * 21}]}, "has more than 20 entries"),
        ({"escalation": [{"after_minutes": 0, "group": "oncall"}]}, "escalation[0].after_minutes: 0 is not at least 1"),
        ({"escalation": [{"after_minutes": 5, "group": "x"}]}, "escalation[0].group: 'x' is not one of"),
        ({"escalation": [{"after_minutes": 5, "group": "oncall"}] * 21}, "has more than 20 entries"),
        ({"repeat": 21}, "repeat: 21 is not at most 20"),
        ({"repeat": -1}, "repeat: -1 is not at least 0"),
        ({"inhibit": [{"source": {"id": "x"}, "target": {}}]}, "inhibit[0].target: has no test"),
        ({"stps": []}, "stps: is not a known field; did you mean steps?"),
        # hostile
        ({"steps": nested(9)}, "is nested deeper than 8 conditions"),
        ({"steps": nested(5000)}, "is nested deeper than 64 levels"),
        ({"steps": [{"group": "oncall"}] * (MAX_STEPS + 1)}, "steps: has more than 100 steps in all"),
        ({"steps": [{"condition": HIGH, "then": [{"group": "oncall"}] * 60}] * 2}, "has more than 100 steps in all"),
        ({"groups": [{"id": f"g{n}"} for n in range(51)]}, "has more than 50 entries"),
        ({"name": [[0] * 1000] * 100}, "has more than 50000 parts"),
        ({"steps": [{"condition": {"when": [{"id": "x"}] * 150}}] * 2}, "a document has at most 200 tests"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_policy_is_told(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_policy({"id": "p", "tenant_id": "acme", "groups": [ONCALL], **fields})
    assert problem in str(caught.value)


def test_the_largest_policy_that_is_taken_is_walked() -> None:
    deepest = policy(*nested(8))
    assert told(deepest, alert()) == ["oncall"]
    assert len(walk(deepest, alert(), NOON).steps) == 9
    widest = policy(*[{"group": "oncall"}] * MAX_STEPS)
    assert len(walk(widest, alert(), NOON).steps) == MAX_STEPS


def test_spellings_mean_the_same() -> None:
    one = {"id": "p", "tenant_id": "acme", "groups": [{**ONCALL, "min_severity": "low"}], "repeat": 0}
    other = {**one, "kind": "policy", "groups": [{**ONCALL, "minSeverity": "low"}]}
    assert KINDS["policy"].parse(one) == KINDS["policy"].parse(other)
    assert parse_policy({**one, "groups": [{"id": "g", "recipients": {"userGroups": "ops-team"}}]}).groups[0].recipients


CHAIN = [{"after_minutes": 5, "group": "oncall"}, {"after_minutes": 10, "group": "boss"}]


def test_escalation_goes_from_group_to_group_and_round_again() -> None:
    one = policy(escalation=CHAIN, repeat=1)
    found = [next_escalation(one, alert(), NOON, done) for done in range(5)]
    assert [(n.at - NOON, n.group.id, n.step, n.repeat) for n in found if n] == [
        (5 * MINUTE, "oncall", 0, 0), (15 * MINUTE, "boss", 1, 0), (20 * MINUTE, "oncall", 0, 1),
        (30 * MINUTE, "boss", 1, 1),
    ]  # fmt: skip
    assert found[4] is None
    assert next_escalation(policy(), alert(), NOON, 0) is None


@pytest.mark.parametrize("status", ["acknowledged", "suppressed", "escalated", "resolved"])
def test_only_an_open_alert_escalates(status: str) -> None:
    assert next_escalation(policy(escalation=CHAIN), alert(status=status), NOON, 0) is None


@given(st.lists(st.integers(1, 600), min_size=1, max_size=5), st.integers(0, 4))
def test_escalations_come_in_order_and_end(minutes: list[int], repeat: int) -> None:
    one = policy(escalation=[{"after_minutes": m, "group": "oncall"} for m in minutes], repeat=repeat)
    at, expected = NOON, []
    for _ in range(repeat + 1):
        for wait in minutes:
            at += wait * MINUTE
            expected.append(at)
    found = [next_escalation(one, alert(), NOON, done) for done in range(len(expected) + 1)]
    assert [n.at for n in found[:-1] if n is not None] == expected
    assert found[-1] is None


def test_a_dry_run_says_the_path_and_who_would_be_told() -> None:
    def user(id: str, **fields: Any) -> Record:
        return Record("user", id, {"name": id, **fields})

    people = PeopleBook().fold([
        user("alice", roles=["admin"], quiet_hours={"start": "11:00", "end": "13:00"}),
        user("bobby", enabled=False), user("carol"), user("daisy"),
        Record("user_group", "ops-team", {"name": "Ops", "members": ["daisy", "bobby"]}),
    ])  # fmt: skip
    one = policy({"condition": HIGH, "then": [{"group": "oncall"}, {"group": "mail"}]}, {"group": "boss"},
                 groups=[ONCALL, MAIL, {**BOSS, "active_hours": {"start": "13:00", "end": "18:00"}}],
                 escalation=[{"after_minutes": 30, "group": "mail"}, {"after_minutes": 60, "group": "boss"}],
                 )  # fmt: skip
    result = dry_run(one, alert("high", status="acknowledged"), NOON, people)
    assert result == {
        "policy": "default",
        "path": [
            {"path": "steps[0]", "node": "condition", "taken": "yes"},
            {"path": "steps[0].then[0]", "node": "group oncall", "taken": "told"},
            {"path": "steps[0].then[1]", "node": "group mail", "taken": "told"},
            {"path": "steps[1]", "node": "group boss", "taken": "outside its active hours"},
        ],
        "told": [
            {"group": "oncall", "channels": ["slack"], "template": None, "users": ["daisy"], "quiet": [],
             "lacking": [{"name": "user bobby", "reason": "disabled"}]},
            {"group": "mail", "channels": ["email"], "template": "short", "users": [], "quiet": ["alice"],
             "lacking": []},
        ],
        "withheld": [
            {"group": "boss", "reason": "outside its active hours", "opens_at": "2026-02-10T13:00:00.000Z"},
        ],
        "escalations": [
            {"at": "2026-02-10T12:30:00.000Z", "step": 0, "repeat": 0, "group": "mail", "channels": ["email"],
             "template": "short", "users": [], "quiet": ["alice"], "lacking": [], "withheld": None},
            {"at": "2026-02-10T13:30:00.000Z", "step": 1, "repeat": 0, "group": "boss", "channels": ["voice"],
             "template": None, "users": ["carol"], "quiet": [], "lacking": [], "withheld": None},
        ],
    }  # fmt: skip
    assert dry_run(one, [], NOON, people)["told"] == []


tests = st.tuples(st.sampled_from(["severity", "rule.id"]), st.sampled_from(["high", "low"]), st.booleans())
nodes = st.recursive(
    st.sampled_from([("group", "oncall"), ("group", "mail"), ("group", "boss"), ("end",)]),
    lambda inner: st.tuples(st.just("if"), tests, st.lists(inner, max_size=3), st.lists(inner, max_size=3)),
    max_leaves=12,
)


def written(node: Any) -> dict[str, Any]:
    if node[0] == "if":
        _, (field, value, every), then, otherwise = node
        condition = {"match": "all" if every else "any", "when": {field: value}}
        return {"condition": condition, "then": list(map(written, then)), "otherwise": list(map(written, otherwise))}
    return {"end": True} if node[0] == "end" else {"group": node[1]}


def naive(tree: list[Any], alerts: list[dict[str, Any]]) -> list[str]:
    """The groups in the order in which they are reached, by unrolling the tree into one list of what is to come."""
    to_come, found = list(tree), []
    while to_come:
        node = to_come.pop(0)
        if node[0] == "end":
            break
        if node[0] == "group":
            found.append(node[1])
            continue
        _, (field, value, every), then, otherwise = node
        values = [one["severity"] if field == "severity" else one["rule"]["id"] for one in alerts]
        passed = values.count(value)
        to_come = [*(then if passed and (passed == len(values) or not every) else otherwise), *to_come]
    return list(dict.fromkeys(found))


def levels(node: Any) -> int:
    return 1 + max(map(levels, [*node[2], *node[3]]), default=0) if node[0] == "if" else 0


@given(
    st.lists(nodes.filter(lambda node: levels(node) <= 8), max_size=4),
    st.lists(st.builds(alert, st.sampled_from(["high", "low"]), rule=st.sampled_from(["high", "low"])), min_size=1,
             max_size=3),
)  # fmt: skip
def test_a_walk_is_what_reading_the_steps_in_order_says(tree: list[Any], alerts: list[dict[str, Any]]) -> None:
    assert told(policy(*map(written, tree)), *alerts) == naive(tree, alerts)
