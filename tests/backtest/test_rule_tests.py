# ruff: noqa: E501  # tables: one case a line
"""Tests in rules: what they may say, what they find, the command that runs them, and the page that explains them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from streamproc.backtest.rule_tests import EXPECTED, NATIVE, TEST_FIELDS, _matching, field_of, read_tests, run
from streamproc.config.packs import rule_templates
from streamproc.model.rule import Rule
from streamproc.rules import RuleError, parse_rule
from streamproc.rules.lint import lint
from streamproc.sources.registry import SOURCES

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "write-and-test-a-rule.md"

LOGINS: dict[str, Any] = {
    "id": "logins",
    "name": "Logins",
    "type": "threshold",
    "condition": {"action": "user.login", "count": 2, "window": "1m", "group_by": "actor.id"},
    "severity": "high",
}
ANN, BOB = ({"action": "user.login", "actor": {"id": who}} for who in ("ann", "bob"))


def ruled(*tests: dict[str, Any], **fields: Any) -> Rule:
    return parse_rule({**LOGINS, "tests": list(tests), **fields}, default_tenant="acme")


def outcome(events: list[Any], expect: list[Any], rule: dict[str, Any] | None = None, **test: Any) -> tuple[Any, ...]:
    """(missing, groups of the unexpected) of one test."""
    rule_ = ruled({"name": "n", "events": events, "expect": expect, **test}, **(rule or {}))
    (one,) = read_tests(rule_)
    found = run(rule_, one)
    assert found.passed is (not found.missing and not found.unexpected)
    return found.missing, [alert["group"] for alert in found.unexpected]


PASSED: tuple[Any, ...] = ((), [])


def test_an_expectation_names_what_matters() -> None:
    events = [ANN | {"x": 3, "every": 10}]
    for expect in (
        {},
        {"group": {"actor.id": "ann"}, "count": 3, "trigger_count": 2, "trigger_event": "e2", "severity": "high"},
        {"title": "Logins", "status": "open", "late": False, "tenant_id": "acme"},
    ):
        assert outcome(events, [expect]) == PASSED


@pytest.mark.parametrize(
    "wrong",
    [
        *({"group": {"actor.id": "bob"}}, {"group": {}}, {"group": {"actor.id": "ann", "x": 1}}, {"count": 2}),
        *({"trigger_count": 3}, {"trigger_event": "e1"}, {"trigger_event": None}, {"severity": "low"}),
        *({"title": "x"}, {"status": "resolved"}, {"late": True}, {"tenant_id": "other"}, {"reason": "x"}),
        {"description": "x"},
    ],
    ids=str,
)
def test_whatever_it_names_must_be_so(wrong: dict[str, Any]) -> None:
    assert outcome([ANN | {"x": 3, "every": 10}], [wrong]) == ((wrong,), [{"actor.id": "ann"}])


def test_every_field_of_an_expectation_is_tried_here() -> None:
    tried = test_whatever_it_names_must_be_so.pytestmark[0].args[1]  # type: ignore[attr-defined]
    assert {name for wrong in tried for name in wrong} == EXPECTED.keys()


def test_exactly_these_alerts_in_any_order() -> None:
    events = [ANN | {"x": 2}, BOB | {"x": 2}]
    ann, bob = {"group": {"actor.id": "ann"}}, {"group": {"actor.id": "bob"}}
    assert outcome(events, [ann, bob]) == outcome(events, [bob, ann]) == outcome(events, [{}, ann]) == PASSED
    assert outcome(events, [ann]) == ((), [{"actor.id": "bob"}])
    assert outcome(events, []) == ((), [{"actor.id": "ann"}, {"actor.id": "bob"}])
    assert outcome(events, [ann, bob, {}])[0] == ({},)
    assert outcome(events, [ann, ann]) == ((ann,), [{"actor.id": "bob"}])
    assert outcome([], []) == PASSED


@given(st.lists(st.lists(st.booleans(), min_size=4, max_size=4), max_size=4))
def test_as_many_pairs_as_there_can_be(fits: list[list[bool]]) -> None:
    """Against trying every assignment; `fits[i][j]`: expectation i fits alert j."""
    alerts = [{f"w{i}": row[j] for i, row in enumerate(fits)} for j in range(4)]
    pairs = _matching([{f"w{i}": True} for i in range(len(fits))], alerts)
    assert all(fits[i][j] for i, j in pairs.items())
    assert len(set(pairs.values())) == len(pairs)
    most = max(sum(row[j] for row, j in zip(fits, order, strict=False)) for order in permutations(range(4)))
    assert len(pairs) == most


def test_times_are_given_or_counted_from_the_base() -> None:
    at = {"event_time": "2026-02-10T12:00:59.999Z"}
    assert outcome([ANN, ANN | at], [{"count": 2}]) == PASSED
    assert outcome([ANN, ANN | {"t": 60}], []) == PASSED, "a window is open at its older end"
    assert outcome([ANN | {"t": -30}, ANN | {"t": 29.5}], [{}]) == PASSED
    hours = {"type": "pattern", "condition": {"event_time.weekday": "tue", "event_time.hour": 12}}
    assert outcome([ANN], [{"trigger_count": 1}], hours) == PASSED


def test_ids_count_all_events_and_may_be_given() -> None:
    assert (
        outcome([BOB | {"x": 2, "every": 100}, ANN | {"t": 200}, ANN | {"t": 201}], [{"trigger_event": "e4"}]) == PASSED
    )
    assert outcome([ANN, ANN | {"id": "mine"}], [{"trigger_event": "mine"}]) == PASSED
    assert outcome([ANN | {"id": "same"}, ANN | {"id": "same"}], []) == PASSED, "an event counts once"


def test_tenants() -> None:
    other = {"tenant_id": "other"}
    assert outcome([ANN, ANN | other], []) == PASSED
    assert outcome([ANN | other, ANN | other], []) == PASSED, "the rule is acme's"
    every = {"tenant_id": "*"}
    assert outcome([ANN | {"x": 2}], [{"tenant_id": "acme"}], every) == PASSED
    assert outcome([ANN | other | {"x": 2}, ANN], [{"tenant_id": "other"}], every) == PASSED


def test_a_rule_is_tested_also_when_it_is_off() -> None:
    for fields in ({"enabled": False}, {"mode": "shadow"}):
        assert outcome([ANN | {"x": 2}], [{}], fields) == PASSED


def test_named_lists() -> None:
    rule = {"type": "pattern", "condition": {"actor.id": {"in": {"list": "vip"}}}}
    assert outcome([ANN], [], rule) == PASSED, "a list that is not there is empty"
    assert outcome([ANN, BOB], [{"trigger_event": "e2"}], rule, lists={"vip": ["bob"]}) == PASSED
    listed = ruled({"name": "n", "events": [ANN], "expect": [{}]}, **rule)
    assert run(listed, read_tests(listed)[0], {"vip": ["ann"]}).passed


CLOUDTRAIL = {"eventSource": "iam.amazonaws.com", "eventName": "CreateUser"}
NATIVE_RULE = {"type": "pattern", "condition": {"action": "iam:CreateUser"}}


def test_native_records_get_a_time_and_an_id_where_they_have_none() -> None:
    def tested(record: dict[str, Any], event: str) -> None:
        assert outcome([record], [{"trigger_event": event}], NATIVE_RULE, format="cloudtrail") == PASSED

    own = {"eventID": "own", "eventTime": "2020-01-01T00:00:00Z"}
    tested(CLOUDTRAIL, "e1")
    tested(CLOUDTRAIL | own, "own")
    tested(CLOUDTRAIL | own | {"t": 5}, "own")
    tested(CLOUDTRAIL | own | {"x": 2}, "e1")
    hour = {"type": "pattern", "condition": {"event_time.date": "2020-01-01"}}
    assert outcome([CLOUDTRAIL | own], [{}], hour, format="cloudtrail") == PASSED
    assert outcome([CLOUDTRAIL | own | {"t": 0}], [], hour, format="cloudtrail") == PASSED
    account = CLOUDTRAIL | {"recipientAccountId": "111122223333"}
    assert outcome([account], [{"tenant_id": "acme"}], NATIVE_RULE, format="cloudtrail") == PASSED


def test_of_every_format_it_is_known_where_time_and_id_are() -> None:
    assert NATIVE.keys() == SOURCES.keys()


def test_kubernetes_ids_are_by_position_too() -> None:
    record = {"stage": "ResponseComplete", "verb": "get", "objectRef": {"resource": "pods"}}
    rule = {"type": "pattern", "condition": {"action": "pods:get"}}
    assert outcome([record, record], [{"trigger_event": "e1", "trigger_count": 2}], rule, format="kubernetes") == PASSED


GOOD = {"name": "n", "events": [], "expect": []}
WRONG: list[tuple[dict[str, Any], str]] = [
    (GOOD | {"expected": []}, "tests[0].expected: expected is not known; did you mean expect?"),
    ({"events": []}, "tests[0].expect: is required: a list; [] is no alert"),
    ({"expect": []}, "tests[0].events: is required: a list"),
    (GOOD | {"events": {}}, "tests[0].events: {} is not a list of at most 100000"),
    (GOOD | {"name": 5}, "tests[0].name: 5 is not text"),
    (GOOD | {"lists": {"vip": "ann"}}, "tests[0].lists: {'vip': 'ann'} is not a map of names to lists of values"),
    (GOOD | {"events": [ANN, 5]}, "tests[0].events[1]: 5 is not an event: a map of fields"),
    (GOOD | {"events": [ANN | {"t": "1s"}]}, "tests[0].events[0].t: 1s is not a number of seconds after the start"),
    (GOOD | {"events": [ANN | {"t": True}]}, "tests[0].events[0].t: true is not a number of seconds after the start"),
    (GOOD | {"events": [ANN | {"x": 0}]}, "tests[0].events[0].x: 0 is not a whole number from 1 to 100000"),
    (GOOD | {"events": [ANN | {"every": -1}]}, "tests[0].events[0].every: -1 is not a number of seconds, 0 or more"),
    (GOOD | {"events": [{"t": 0}]}, "tests[0].events[0].action: nothing is not an action; every event says what was done"),
    (GOOD | {"events": [ANN | {"t": 1, "event_time": 5}]}, "tests[0].events[0].event_time: is given beside t; keep one of them"),
    (GOOD | {"events": [ANN | {"x": 2, "id": "a"}]}, "tests[0].events[0].x: repeats an event, so that it can have no id and no event_time of its own"),
    (GOOD | {"events": [ANN | {"x": 60_000}] * 2}, "tests[0].events: are more than 100000"),
    (GOOD | {"expect": [5]}, f"tests[0].expect[0]: 5 is not an alert: a map of {', '.join(EXPECTED)}"),
    (GOOD | {"expect": [{"coutn": 5}]}, "tests[0].expect[0].coutn: coutn is not known; did you mean count?"),
    (GOOD | {"expect": [{"count": 0}]}, "tests[0].expect[0].count: 0 is not a whole number, at least 1"),
    (GOOD | {"expect": [{"severity": "huge"}]}, "tests[0].expect[0].severity: huge is not one of informational, low, medium, high, critical"),
    (GOOD | {"expect": [{"group": "ann"}]}, "tests[0].expect[0].group: ann is not a map of the paths of group_by to values"),
    (GOOD | {"expect": [{"late": "no"}]}, "tests[0].expect[0].late: no is not true or false"),
    (GOOD | {"format": "cloudtrial"}, "tests[0].format: 'cloudtrial' is not a format (event, cloudtrail, github, kubernetes, okta, actiontrail, gcp, m365); did you mean cloudtrail?"),
    (GOOD | {"format": "cloudtrail", "events": [{"eventName": "X"}]}, "tests[0].events[0].eventSource: null is not the text that a CloudTrail record has here"),
]  # fmt: skip


@pytest.mark.parametrize(("test", "message"), WRONG, ids=[message[:60] for _, message in WRONG])
def test_a_wrongly_written_test_names_the_place(test: dict[str, Any], message: str) -> None:
    with pytest.raises(RuleError) as raised:
        read_tests(ruled(test))
    assert [str(problem) for problem in raised.value.problems] == [message]


def test_everything_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(RuleError) as raised:
        read_tests(ruled(GOOD | {"a": 1}, GOOD, GOOD | {"events": [{}], "expect": [{"b": 2}]}))
    paths = [problem.path for problem in raised.value.problems]
    assert paths == ["tests[0].a", "tests[2].events[0].action", "tests[2].expect[0].b"]


# --- the commands ---------------------------------------------------------------------------------------------------


def streamproc(directory: Path, *arguments: str, given: str | None = None) -> tuple[int, str, str]:
    """(status, output, errors)"""
    done = subprocess.run(
        [sys.executable, "-m", "streamproc", *arguments],
        cwd=directory,
        env=os.environ | {"STREAMPROC_DATA_DIR": str(directory / "data")},
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


def written(directory: Path, *documents: dict[str, Any]) -> None:
    (directory / "rules.yaml").write_text(yaml.safe_dump_all(documents, sort_keys=False))


FAILING = GOOD | {"name": "two", "events": [ANN | {"x": 2}], "expect": [{"count": 3}]}


def test_the_command_shows_what_failed(tmp_path: Path) -> None:
    written(tmp_path, LOGINS | {"tests": [GOOD, FAILING, FAILING | {"expect": []}]}, LOGINS | {"id": "untested"})
    status, out, err = streamproc(tmp_path, "rules", "test", ".")
    assert status == 1
    got = "{group: {actor.id: ann}, count: 2, trigger_count: 1, trigger_event: e2}"
    lines = [re.sub(r"\d\.\d s", "0.0 s", line) for line in out.splitlines()]
    assert lines == [
        *("rules.yaml .FF", "", "✗ logins: two", "  rules.yaml:14", "  expected {count: 3}", f"  got      {got}"),
        *("           count: 2 is not 3", "✗ logins: two", "  rules.yaml:22", "  expected no such alert"),
        *(f"  got      {got}", "2 failed, 1 passed in 0.0 s"),
    ]
    assert err == "1 rule without a test: untested\n"


def test_the_command_for_programs_and_in_full(tmp_path: Path) -> None:
    written(tmp_path, LOGINS | {"tests": [GOOD, FAILING]})
    status, out, _ = streamproc(tmp_path, "rules", "test", "--json", "rules.yaml")
    found = json.loads(out)
    assert (status, found["passed"], found["failed"], found["untested"]) == (1, 1, 1, [])
    failed = found["tests"][1]
    assert (failed["rule_id"], failed["name"], failed["passed"]) == ("logins", "two", False)
    assert failed["missing"] == [{"count": 3}]
    assert failed["unexpected"][0]["count"] == 2
    status, out, _ = streamproc(tmp_path, "rules", "test", "-v", "rules.yaml")
    assert out.splitlines()[:2] == ["rules.yaml::logins ✓ n", "rules.yaml::logins ✗ two"]


def test_lists_in_the_files_are_used(tmp_path: Path) -> None:
    rule = LOGINS | {"type": "pattern", "condition": {"actor.id": {"in": {"list": "vip"}}}, "tenant_id": "acme"}
    test = GOOD | {"events": [ANN], "expect": [{}]}
    vip = {"kind": "list", "tenant_id": "acme", "id": "vip", "values": ["ann"]}
    channel = {"kind": "webhook", "tenant_id": "acme", "id": "w", "url": "https://example.com"}
    written(tmp_path, vip, rule | {"tests": [test]}, channel)
    assert streamproc(tmp_path, "rules", "test", "rules.yaml")[0] == 0


def test_bad_input_is_a_line_and_status_2(tmp_path: Path) -> None:
    written(tmp_path, LOGINS | {"tests": [GOOD | {"expected": []}]})
    status, out, err = streamproc(tmp_path, "rules", "test", "rules.yaml")
    assert (status, out) == (2, "")
    assert err == "streamproc: rules.yaml:14: tests[0].expected: expected is not known; did you mean expect?\n"
    written(tmp_path, LOGINS)
    status, _, err = streamproc(tmp_path, "rules", "test", "rules.yaml")
    assert status == 2
    assert "there is no test in any rule" in err
    written(tmp_path, LOGINS | {"type": "treshold"})
    assert streamproc(tmp_path, "rules", "test", "rules.yaml")[0] == 2
    assert streamproc(tmp_path, "rules", "test", "nowhere.yaml")[0] == 2


def test_lint_tells_of_wrongly_written_tests_too(tmp_path: Path) -> None:
    written(tmp_path, LOGINS | {"tests": [GOOD | {"expect": [{"coutn": 5}]}]})
    status, out, _ = streamproc(tmp_path, "rules", "lint", "rules.yaml")
    assert status == 1
    assert out == "rules.yaml:14: tests[0].expect[0].coutn: coutn is not known; did you mean count?\n"


def test_templates_are_listed(tmp_path: Path) -> None:
    status, out, _ = streamproc(tmp_path, "rules", "templates")
    lines = [line.split("\t") for line in out.splitlines()]
    assert (status, lines[0]) == (0, ["id", "pack", "name", "severity", "type"])
    assert [line[0] for line in lines[1:]] == [one.id for one in rule_templates()]
    status, out, _ = streamproc(tmp_path, "rules", "templates", "--pack", "okta", "--json")
    listed = json.loads(out)
    assert {one["pack"] for one in listed} == {"okta"}
    assert {"id", "name", "severity", "type", "description", "mitre_techniques", "runbook"} <= listed[0].keys()


def test_templates_are_printed_ready_to_be_used(tmp_path: Path) -> None:
    status, out, _ = streamproc(tmp_path, "rules", "templates", "aws-root-*", "mass-export")
    ids = [one["id"] for one in yaml.safe_load_all(out)]
    assert (status, ids) == (0, ["aws-root-access-key-created", "aws-root-activity", "aws-root-login", "mass-export"])
    status, said, _ = streamproc(tmp_path, "rules", "test", "-", given=out)
    assert (status, said.splitlines()[0]) == (0, "- ........")
    status, out, _ = streamproc(tmp_path, "rules", "templates", "mass-export", "--json")
    assert json.loads(out)[0]["condition"]["count"] == 20


def test_templates_are_written_as_files(tmp_path: Path) -> None:
    status, out, err = streamproc(tmp_path, "rules", "templates", "-p", "github", "-o", "mine")
    wanted = {f"{one.id}.yaml": one.text for one in rule_templates() if one.pack == "github"}
    assert (status, out, err) == (0, "", f"{len(wanted)} rules written to mine\n")
    assert {file.name: file.read_text() for file in (tmp_path / "mine").iterdir()} == wanted
    (tmp_path / "file").touch()
    assert streamproc(tmp_path, "rules", "templates", "-o", "file")[0] == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["aws-root-logn"], "'aws-root-logn' is not a template; did you mean aws-root-login?"),
        (["zzz"], "'zzz' is not a template; `streamproc rules templates` lists them"),
        (["--pack", "azure"], "--pack: 'azure' is not one of actiontrail, aws, generic, github, kubernetes, okta"),
    ],
)
def test_unknown_templates(tmp_path: Path, arguments: list[str], message: str) -> None:
    assert streamproc(tmp_path, "rules", "templates", *arguments) == (2, "", f"streamproc: {message}\n")


# --- the page -------------------------------------------------------------------------------------------------------


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.mark.parametrize("text", blocks("yaml"))
def test_the_rules_of_the_page_pass_their_tests(text: str) -> None:
    rule = parse_rule(yaml.safe_load(text), default_tenant="acme")
    outcomes = [run(rule, test) for test in read_tests(rule)]
    assert len(outcomes) >= 2
    assert all(one.passed for one in outcomes)
    assert [str(one) for one in lint([rule]) if one.level != "hint"] == []


def test_the_commands_of_the_page_answer_what_it_shows(tmp_path: Path) -> None:
    rule = blocks("yaml")[0]
    (tmp_path / "rules").mkdir()
    file = tmp_path / "rules" / "leaver-downloads.yaml"
    shown = [block.removeprefix("$ streamproc ").split("\n", 1) for block in blocks("console")]
    texts = (rule, rule.replace("  count: 50\n", "  count: 60\n"), rule)
    for (command, answer), text in zip(shown, texts, strict=True):
        file.write_text(text)
        _, out, err = streamproc(tmp_path, *command.split())
        assert re.sub(r"\d+\.\d s", "0.0 s", out + err) == answer, command


def test_the_page_names_every_field() -> None:
    text = PAGE.read_text()
    assert [name for name in (*TEST_FIELDS, *EXPECTED, "t", "x", "every") if f"`{name}`" not in text] == []


def test_the_cases_may_name_anything_of_an_alert() -> None:
    alert = {"rule": {"id": "r"}, "event": None, "context": {"count": 2, "value": "x"}, "revision": 4}
    names = ("rule_id", "event", "trigger_event", "context.value", "count", "revision")
    assert [field_of(alert, name) for name in names] == ["r", None, None, "x", 2, 4]
