"""The rules shown in the reference: each is run against events that it must and must not match."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from streamproc.backtest.rule_tests import read_tests, run
from streamproc.model.rule import Rule
from streamproc.rules import CompiledRule, compile_rule, parse_rule
from streamproc.rules.filter import OPERATORS, SHIELD_FIELDS
from streamproc.rules.lint import Level, lint
from streamproc.rules.types import COUNTING, TYPES

from .making import NOON, event, ms, problems, rule

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
PAGES = ("filter.md", "rules.md")
LISTS = {"vip-users": ["Alice", "bob"]}


def blocks(language: str) -> list[str]:
    texts = [(REFERENCE / page).read_text() for page in PAGES]
    return [block for text in texts for block in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)]


EXAMPLES: dict[str, dict[str, Any]] = {doc["id"]: doc for doc in map(yaml.safe_load, blocks("yaml"))}


def at(time: str, **fields: Any) -> dict[str, Any]:
    return event(event_time=time, **fields)


Events = list[dict[str, Any]]
CASES: dict[str, tuple[Events, Events]] = {
    # id: events that match, events that do not
    "privileged-action-by-non-admin": (
        [event(action="role.grant", metadata={"actor_role": "member"}), event(action="user.delete")],
        [event(action="role.grant", metadata={"actor_role": "admin"}), event(action="user.create")],
    ),
    "bulk-delete": (
        [event(action="doc.delete", metadata={"bulk_operation": True, "affected_count": 100.0})],
        [event(action="doc.delete", metadata={"bulk_operation": "true", "affected_count": 100})],
    ),
    "known-role-that-is-not-admin": (
        [event(action="role.grant", metadata={"actor_role": "member"})],
        [event(action="role.grant", metadata={"actor_role": "ADMIN"}), event(action="role.grant")],
    ),
    "login-from-outside": (
        [event(action="user.login", actor={"ip": "203.0.113.7"}), event(action="user.login")],
        [event(action="user.login", actor={"ip": ip}) for ip in ("10.1.2.3", "::ffff:192.168.1.1", "2001:db8::1")],
    ),
    "changed-own-role": (
        [event(action="role.grant", actor={"id": "u1"}, resource={"id": "u1"})],
        [event(action="role.grant", actor={"id": "u1"}, resource={"id": "u2"}), event(action="role.grant")],
    ),
    "encoded-powershell": (
        [event(action="process.start", metadata={"command_line": "PowerShell.exe -NoP -Enc SQBFAFgA"})],
        [event(action="process.start", metadata={"command_line": "powershell -File a.ps1"})],
    ),
    "vip-password-reset": (
        [event(action="user.password_reset", resource={"id": name}) for name in ("alice", "BOB")],
        [event(action="user.password_reset", resource={"id": "carol"}), event(action="user.password_reset")],
    ),
    "after-hours-data-access": (
        [
            at("2026-02-10T21:00:00Z", action="data.read"),
            at("2026-02-10T05:59:59Z", action="data.read"),
            at("2026-02-14T12:00:00Z", action="data.read"),
        ],
        [at("2026-02-10T20:59:59Z", action="data.read"), at("2026-02-10T06:00:00Z", action="data.read")],
    ),
    "risky-login": (
        [
            event(action="user.login", outcome="denied"),
            event(action="user.login", actor={"country": "KP"}),
            event(action="user.login", actor={"user_agent": "sqlmap/1.8", "id": "svc-a"}),
        ],
        [
            event(action="user.login"),
            event(action="user.login", outcome="denied", actor={"id": "svc-a"}, metadata={"scheduled": True}),
        ],
    ),
    "hipaa-data-leakage": (
        [event(datatypes_detected=["phi-uuid", "x"]), event(metadata={"datatypes_detected": "phi-uuid"})],
        [event(datatypes_detected=["phi-uuid"], obfuscated=True), event(obfuscated=False)],
    ),
    "excessive-failed-logins": (
        [event(action="user.login", outcome="failure", actor={"ip": "203.0.113.7"})],
        [event(action="user.login", actor={"ip": "203.0.113.7"})],
    ),
    "password-spraying": (
        [event(action="user.login", outcome=outcome) for outcome in ("failure", "denied")],
        [event(action="user.login")],
    ),
    "daily-export-volume": ([event(action="data.export")], [event(action="export")]),
    "privilege-escalation": (
        [event(action="role.grant", metadata={"granted_role": "admin"})],
        [event(action="role.grant", metadata={"granted_role": "viewer"})],
    ),
    "potential-data-exfiltration": (
        [event(detected=True, icap_mode="REQMOD")],
        [event(detected=True, icap_mode="API")],
    ),
}


def parsed(name: str) -> Rule:
    return parse_rule(EXAMPLES[name], default_tenant="acme")


def compiled(name: str) -> CompiledRule:
    return compile_rule(parsed(name), 1, LISTS)


TESTED = [name for name, doc in EXAMPLES.items() if doc.get("tests")]
"""Those that bring tests of their own."""


@pytest.mark.parametrize("name", TESTED)
def test_its_own_tests_hold(name: str) -> None:
    rule = parsed(name)
    outcomes = [run(rule, test) for test in read_tests(rule)]
    assert [outcome for outcome in outcomes if not outcome.passed] == []
    assert [str(finding) for finding in lint([rule]) if finding.level is not Level.HINT] == []


def test_every_example_is_run_and_none_is_forgotten() -> None:
    assert sorted(EXAMPLES) == sorted({*CASES, *TESTED})
    assert len(EXAMPLES) == len(blocks("yaml")), "ids are given once"


@pytest.mark.parametrize("name", CASES)
def test_it_matches_what_it_should(name: str) -> None:
    yes, no = CASES[name]
    example = compiled(name)
    assert [example.matches(doc, ms(doc["event_time"])) for doc in yes] == [True] * len(yes)
    assert [example.matches(doc, ms(doc["event_time"])) for doc in no] == [False] * len(no)


@pytest.mark.parametrize("name", CASES)
def test_it_has_nothing_that_lint_regrets(name: str) -> None:
    assert [str(finding) for finding in lint([parsed(name)]) if finding.level is not Level.HINT] == []


@pytest.mark.parametrize(
    ("name", "count", "window_ms", "window_type"),
    [
        ("excessive-failed-logins", 5, 300_000, "rolling"),
        ("password-spraying", 20, 3_600_000, "rolling"),
        ("daily-export-volume", 100, 86_400_000, "fixed"),
        ("potential-data-exfiltration", 1, 300_000, "rolling"),
    ],
)
def test_thresholds_count_what_they_say(name: str, count: int, window_ms: int, window_type: str) -> None:
    condition = parsed(name).condition
    assert (condition.count, condition.window_ms, condition.window_type) == (count, window_ms, window_type)


def test_groups_of_the_examples() -> None:
    doc = event(actor={"id": "u", "ip": "203.0.113.7"}, resource={"type": "table"})
    spraying = compiled("password-spraying")
    assert spraying.observe is not None
    assert spraying.observe(doc, 0) == "u"
    assert spraying.groups(doc) == [("203.0.113.7",)]
    assert compiled("daily-export-volume").groups(doc) == [("u", "table")]
    assert compiled("privilege-escalation").groups(doc) == [("u",)]


@pytest.mark.parametrize("line", "".join(blocks("text")).splitlines())
def test_the_errors_shown_are_the_errors_told(line: str) -> None:
    wrong = {
        "condition.window_seconds": {"count": 5, "window_seconds": 0},
        "condition.count": {"count": "5", "window_seconds": 300},
        "condition.action.mtches": {"count": 5, "window_seconds": 300, "action": {"mtches": "x", "eq": "y"}},
        "condition.metadata.note.regex": {"count": 5, "window": "5m", "metadata": {"note": {"regex": "(?=x)"}}},
    }
    assert problems(rule(wrong[line.partition(": ")[0]], type="threshold")) == [line]


def test_the_lists_in_the_pages_are_complete() -> None:
    text = "".join((REFERENCE / page).read_text() for page in PAGES)
    fields = {name for name in Rule.model_fields if name not in ("condition", "type", "severity_cases")}
    settings = {"group_by", "window", *COUNTING} - {"threshold_time", "threshold_type"}
    names = {*OPERATORS, "ignore_case", *SHIELD_FIELDS, *TYPES, *fields, *settings, "thresholdTime", "thresholdType"}
    assert sorted(name for name in names if f"`{name}`" not in text) == []


def test_what_the_pages_say_about_values() -> None:
    """Claims made in prose, one by one."""

    def holds(written: Any, value: Any) -> bool:
        return compile_rule(parse_rule(rule({"a": written})), 1).matches(event(a=value), NOON)

    assert holds({"gte": 5, "lt": 2}, [1, 6])
    assert holds({"lt": "a"}, "Z")
    assert holds({"eq": "Straße", "ignore_case": True}, "STRASSE")
    assert not holds({"regex": "straße", "ignore_case": True}, "STRASSE")
    assert holds({"cidr": "10.1.2.3/8"}, "10.9.9.9")
    assert not holds({"cidr": "10.0.0.0/8"}, "10.9.9.9:443")
    assert problems(rule({"a": {"regex": "(a{1000}){1000}"}}))
