# ruff: noqa: E501  # tables: one case a line
"""What lint remarks on, and what it leaves alone; and the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamproc.model.condition import AnyOf, PatternCondition
from streamproc.rules import parse_rule
from streamproc.rules.lint import Level, lint

from .conditions import ZONES, conditions, events, times
from .making import compiled, rule

LINK = "https://example.com/runbook"


def remarks(*written: dict[str, Any]) -> list[str]:
    """`level path: message` without the id, of rules with a runbook."""
    return [str(finding) for finding in lint(parse_rule({"runbook": LINK} | one) for one in written)]


FINE: list[dict[str, Any]] = [
    rule({"action": "a"}),
    rule({"action": "a"}, severity="critical", channels=["email"]),
    rule({"action": "a"}, severity="critical", webhook_ids=["w"]),
    rule({"action": "a"}, severity="critical", mode="shadow"),
    rule({"count": 5, "window": "5m"}, type="threshold", cooldown_min=0),
    rule({"count": 1, "window": "5m", "distinct": "actor.id"}, type="threshold"),
    rule({"action": {"in": ["a", "b"], "not": "a"}}),
    rule({"action": {"eq": "A", "ignore_case": True, "in": ["a"]}}),
    rule({"action": {"matches": "data.*", "in": ["data.read", "x"]}}),
    rule({"action": {"gte": "a", "lt": "b"}}),
    rule({"outcome": "denied", "outcome_raw": "AccessDenied"}),
    rule({"outcome": {"not": "success"}}),
    rule({"outcome": {"in": ["failed", "failure"]}}),
    rule({"tenant_id": "acme"}),
    rule({"tenant_id": "other"}, tenant_id="*"),
    rule({"tags": {"exists": True, "not": "x"}}),
    rule({"tags": {"gt": 5, "lt": 3}}),  # a list may have both
    rule({"event_time.hour": {"between": [22, 6], "gt": 20, "not": 3}}),
    rule({"event_time.hour": {"gte": 9, "lt": 17}}),
    rule({"any": [{"action": "a"}, {"action": "b"}]}),
    rule({"actor.id": {"in": {"list": "vip"}, "not": "x"}}),
    rule({"apps": "x", "hostname": "y"}),
    rule({"none": [{"action": {"not": "a"}}]}),
    rule({"any": [{"action": "a"}, {"metadata.x": 1, "actor.id": {"not": "svc"}}]}),
    rule({"metadata.x": {"exists": True}}),
    rule({"count": 5, "window": "5m", "actor.id": {"not": "svc"}}, type="threshold"),
]  # fmt: skip


@pytest.mark.parametrize("written", FINE, ids=lambda written: str(written["condition"]))
def test_leaves_alone(written: dict[str, Any]) -> None:
    assert remarks(written) == []


SAID: list[tuple[dict[str, Any], str]] = [
    (rule({}), "warning: condition: has no filter: every event of the tenant triggers"),
    (rule({"actor.id": {"not": "svc"}}), "warning: condition: only says what events are not: nearly every event of the tenant triggers; say which action is meant"),
    (rule({"none": [{"actor.id": "svc"}, {"action": "a"}]}), "warning: condition: only says what events are not: nearly every event of the tenant triggers; say which action is meant"),
    (rule({"action": {"exists": True}}), "warning: condition: only says what events are not: nearly every event of the tenant triggers; say which action is meant"),
    (rule({"any": [{"action": "a"}, {"metadata.x": {"not": 1}}]}), "warning: condition: only says what events are not: nearly every event of the tenant triggers; say which action is meant"),
    (rule({"action": "a"}, cooldown_min=0), "warning: cooldown_min: is 0 on a pattern: each matching event notifies"),
    (rule({"action": "a"}, severity="critical"), "warning: channels: are none, and neither is there a webhook: of a critical alert nobody is told"),
    (rule({"action": "a"}, runbook=None), "hint: runbook: is missing: say where one reads what to do"),
    (rule({"count": 1, "window": "5m"}, type="threshold"), "hint: condition.count: is 1: a pattern rule says the same and keeps no window"),
    (rule({"action": "a", "groupby": "actor.id"}), "warning: condition.groupby: is a field of the event here; did you mean group_by?"),
    (rule({"action": "a", "windw_seconds": 3, "count": 2, "window": "1m"}, type="threshold"), "warning: condition.windw_seconds: is a field of the event here; did you mean window_seconds?"),
    (rule({"action": "a", "all": [{"action": "b"}]}), "error: condition.action: eq a and eq b never hold together"),
    (rule({"action": {"in": ["a", "b"], "starts_with": "c"}}), "error: condition.action: in ['a', 'b'] and starts_with c never hold together"),
    (rule({"action": {"eq": "a", "not": "a"}}), "error: condition.action: eq a and not a never hold together"),
    (rule({"tags": {"eq": "a", "not": "a"}}), "error: condition.tags: eq a and not a never hold together"),
    (rule({"tags": "a", "all": [{"tags": "b"}]}), "warning: condition.tags: eq a and eq b never hold together unless the field is a list"),
    (rule({"action": {"exists": False}}), "error: condition.action: {exists: false} never holds: every event has it"),
    (rule({"tags": {"exists": False, "eq": "a"}}), "error: condition.tags: {exists: false} never holds: the other tests need it"),
    (rule({"actor.id": 7}), "error: condition.actor.id: eq 7 never holds: the field is text"),
    (rule({"action": {"between": [1, 5]}}), "error: condition.action: between [1, 5] never holds: the field is text"),
    (rule({"action": {"gt": "c", "lt": "b"}}), "error: condition.action: gt c and lt b never hold together"),
    (rule({"event_time.hour": {"gt": 9, "lte": 9}}), "error: condition.event_time.hour: gt 9 and lte 9 never hold together"),
    (rule({"event_time.hour": {"between": [9, 17], "gt": 17}}), "error: condition.event_time.hour: gt 17 and between [9, 17] never hold together"),
    (rule({"event_time.hour": {"gt": 23}}), "error: condition.event_time.hour: gt 23 never holds: it is from 0 to 23"),
    (rule({"event_time.hour": 3, "all": [{"event_time": {"hour": 4}}]}), "error: condition.event_time.hour: eq 3 and eq 4 never hold together"),
    (rule({"outcome": "failed"}), "error: condition.outcome: is never failed: it is one of success, failure, denied, unknown; the source's own word is outcome_raw"),
    (rule({"tenant_id": "other"}), "error: condition.tenant_id: is always acme in a rule of that tenant"),
    (rule({"any": [{"action": "a"}, {"outcome": "failed"}]}), "warning: condition.outcome: alternative 2 never holds: is never failed: it is one of success, failure, denied, unknown; the source's own word is outcome_raw"),
    (rule({"any": [{"action": {"eq": "a", "not": "a"}}]}), "error: condition.action: eq a and not a never hold together"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "expected"), SAID, ids=[text[:70] for _, text in SAID])
def test_remarks(written: dict[str, Any], expected: str) -> None:
    assert remarks(written) == [expected]


def test_any_of_nothing_cannot_be_written_but_would_be_remarked_on() -> None:
    nothing = parse_rule(rule({"a": 1}, runbook=LINK)).model_copy(update={"condition": PatternCondition(AnyOf(()))})
    (first, *_) = lint([nothing])
    assert str(first) == "error: condition: any of nothing never holds"


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("iam:createuser", ["warning: condition.action: iam:createuser is spelled iam:CreateUser, and case counts"]),
        ("CreateUser", ["hint: condition.action: CreateUser has no service before it; did you mean iam:CreateUser?"]),
        ("User.Login", ["warning: condition.action: User.Login is spelled user.login, and case counts"]),
        *[(action, []) for action in ("iam:CreateUser", "iam:CreateRole", "createuser", "user.login", "user.signin")],
    ],
)
def test_actions_that_are_nearly_known(action: str, said: list[str]) -> None:
    known = {"iam:CreateUser", "user.login"}
    for condition in ({"action": action}, {"action": {"in": [action, "x"]}}, {"any": [{"action": action}, {"a": 1}]}):
        assert [str(one) for one in lint([parse_rule(rule(condition, runbook=LINK))], known)] == said
    assert lint([parse_rule(rule({"action": {"eq": action, "ignore_case": True}}, runbook=LINK))], known) == []
    steps = {"within": "5m", "steps": [{"action": action}, {"action": "x"}]}
    assert [str(one) for one in lint([parse_rule(rule(steps, type="sequence", runbook=LINK))], known)] == said


def test_rules_that_are_there_twice() -> None:
    one, other = rule({"action": "a"}, id="x"), rule({"action": "b"}, id="x")
    same, elsewhere = rule({"action": {"in": ["a"]}}, id="y"), rule({"action": "a"}, id="x", tenant_id="other")
    assert remarks(one, other) == ["error: id: x is another rule of acme already"]
    assert remarks(one, same) == ["warning: condition: says the same as rule x: each alert comes twice"]
    assert remarks(one, elsewhere) == []
    assert remarks(one, same | {"enabled": False}) == []
    counts = [rule({"count": n, "window": "5m"}, type="threshold", id=f"r{n}") for n in (2, 3)]
    assert remarks(*counts) == [], "two limits on one count are no mistake"


def test_the_gravest_comes_first_and_everything_says_whose_it_is() -> None:
    found = lint([parse_rule(rule({"outcome": "failed"}, id="x", severity="critical"))])
    assert [finding.level for finding in found] == [Level.ERROR, Level.WARNING, Level.HINT]
    assert {(finding.tenant, finding.rule_id) for finding in found} == {("acme", "x")}


@settings(max_examples=300, deadline=None)
@given(st.data(), events(), times, st.sampled_from(ZONES))
def test_a_rule_that_matches_is_never_called_impossible(
    data: st.DataObject, doc: dict[str, Any], t: int, zone: str
) -> None:
    """Whatever lint says can never match does not match; the events here are canonical in the fields it relies on."""
    condition = data.draw(conditions(doc=doc))
    doc["tenant_id"] = "acme"
    if not isinstance(doc.get("actor", {}).get("ip", ""), str):
        del doc["actor"]["ip"]
    ready = compiled(condition, timezone=zone)
    certain = [f for f in lint([ready.rule]) if f.level is Level.ERROR]
    assert not (certain and ready.matches(doc, t)), certain


BAD = """\
- id: a
  name: Logins
  type: pattern
  condition:
    action: user.login
    outcome: failed
- {id: b, name: B, type: pattern, severity: critical, condition: {action: b}}
- {id: c, name: C, type: pattern, condition: {action: c}}
"""


def run(directory: Path, *arguments: str) -> tuple[int, str, str]:
    environment = os.environ | {"STREAMPROC_DATA_DIR": str(directory / "data")}
    done = subprocess.run(
        [sys.executable, "-m", "streamproc", "rules", "lint", *arguments],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_command_names_the_line_and_fails_for_errors(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(BAD)
    status, said, aside = run(tmp_path, "rules.yaml")
    assert status == 1
    lines = said.splitlines()
    assert lines[0].startswith("rules.yaml:6: error: condition.outcome: is never failed")
    assert lines[1].startswith("rules.yaml:7: warning: channels: ")
    assert lines[1].endswith(" [b]")
    assert lines[2:] == ["1 fine, 1 error, 1 warning"]
    assert aside == "3 hints more; --hints shows them\n"


def test_warnings_fail_only_when_strict(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(BAD.replace("failed", "failure"))
    assert run(tmp_path, "rules.yaml")[0] == 0
    assert run(tmp_path, "rules.yaml", "--strict")[0] == 1
    (tmp_path / "rules.yaml").write_text(BAD.splitlines()[-1])
    status, said, _ = run(tmp_path, "rules.yaml", "--strict", "--hints")
    assert status == 0
    assert said == "rules.yaml:1: hint: runbook: is missing: say where one reads what to do [c]\n1 fine\n"


def test_findings_as_json(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(BAD)
    status, said, _ = run(tmp_path, "rules.yaml", "--json", "-t", "acme")
    found = json.loads(said)
    assert status == 1
    assert found["problems"] == []
    assert found["findings"][1] == {
        "level": "hint",
        "tenant_id": "acme",
        "rule_id": "a",
        "path": "runbook",
        "message": "is missing: say where one reads what to do",
        "at": "rules.yaml:1",
    }
    assert [(one["rule_id"], one["level"]) for one in found["findings"]] == [
        *(("a", "error"), ("a", "hint"), ("b", "warning"), ("b", "hint"), ("c", "hint"))
    ]
