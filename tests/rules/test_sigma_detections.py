"""Sigma rules of our own making: what each way to write a detection matches once it is imported."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from .making import NOON, event

pytest.importorskip("sigma", reason="pySigma is not installed (the extra `sigma`)")

from streamproc.rules import compile_rule, parse_rule
from streamproc.rules.sigma import Report, import_documents

RULE = {"title": "t", "id": "5f0c2ab4-3c5c-4c39-9a37-0e1b1a6e9f10", "status": "test", "level": "high"}


def sigma(detection: str | dict[str, Any], logsource: dict[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    """A Sigma rule as its YAML would be read; without a condition it is `selection`."""
    read = yaml.safe_load(detection) if isinstance(detection, str) else detection
    whole = {"condition": "selection", **read} if "condition" in read else {"selection": read, "condition": "selection"}
    return {**RULE, "logsource": logsource or {"product": "acme", "service": "app"}, "detection": whole} | fields


def brought(*rules: dict[str, Any], **options: Any) -> Report:
    return import_documents([("f.yml", f"f.yml:{place}", rule) for place, rule in enumerate(rules)], **options)


def document(*rules: dict[str, Any], **options: Any) -> dict[str, Any]:
    report = brought(*rules, **options)
    assert report.refused == []
    return report.imported[0].document


def reason(*rules: dict[str, Any]) -> str:
    report = brought(*rules)
    assert report.imported == []
    return report.refused[0].reason


def holds(detection: str, raw: Any, **fields: Any) -> bool:
    rule = compile_rule(parse_rule(document(sigma(detection)), default_tenant="acme"), 1)
    return rule.matches(event(raw=raw, **fields), NOON)


@pytest.mark.parametrize(
    ("detection", "matching", "others"),
    [
        (
            "a: Value",
            [{"a": "vALUE"}, {"a": ["x", "value"]}],
            [{"a": "value "}, {}, {"a": None}, {"a": {"x": "value"}}],
        ),
        ("a: [x, Y]", [{"a": "X"}, {"a": "y"}], [{"a": "xy"}, {"b": "x"}]),
        ("a.b.c: x", [{"a": {"b": {"c": "x"}}}, {"a": [{"b": {"c": "X"}}]}], [{"a.b.c": "x"}, {"a": {"b": "x"}}]),
        ("{a: x, b: y}", [{"a": "x", "b": "y"}], [{"a": "x"}, {"b": "y"}]),
        ("[{a: x}, {b: y}]", [{"a": "x"}, {"b": "y"}], [{"a": "y", "b": "x"}]),
        ("a|contains: mid", [{"a": "aMIDb"}, {"a": ["x", "amid"]}], [{"a": {"b": "mid"}}, {"a": [{"b": "mid"}]}, {}]),
        ("a|contains: [one, two]", [{"a": "xONE"}, {"a": "two"}], [{"a": "three"}]),
        ("a|contains|all: [one, two]", [{"a": "two one"}, {"a": ["one", "two"]}], [{"a": "one"}]),
        ("a|all: [one, two]", [{"a": ["two", "ONE"]}], [{"a": "one"}, {"a": "one two"}]),
        ("a|startswith: Ab", [{"a": "abc"}], [{"a": "cab"}]),
        ("a|endswith: [Yz, q]", [{"a": "xyz"}, {"a": "Q"}], [{"a": "yzx"}]),
        ("{a|startswith: a, a|endswith: z}", [{"a": "a-z"}], [{"a": "a"}, {"a": "z"}]),
        ("{a|startswith: [a, b], a|endswith: [y, z]}", [{"a": "b-Y"}], [{"a": "a"}, {"a": "cz"}]),
        ("a: pre*post", [{"a": "PRE-x-post"}, {"a": "prepost"}], [{"a": "prepos"}, {"a": "xprepost"}]),
        ("a: 'v?.x'", [{"a": "V1.x"}], [{"a": "v.x"}, {"a": "v12.x"}, {"a": "v1-x"}]),
        ("a: 'x**y'", [{"a": "x1y"}], [{"a": "x"}]),
        (r"a: 'what\?'", [{"a": "What?"}], [{"a": "whatx"}]),
        (r"a: 'lit\*eral*'", [{"a": "LIT*eral\nx"}], [{"a": "litXeral"}]),
        (r"a|contains: '\*('", [{"a": "x *( y"}], [{"a": "x ( y"}]),
        ("a: '*'", [{"a": "x"}, {"a": 0}, {"a": {"b": 1}}, {"a": []}], [{}, {"a": None}]),
        ("a|contains: '*'", [{"a": "x"}, {"a": ["x"]}], [{}, {"a": {"b": "x"}}, {"a": None}]),
        ("a|cased: Ab", [{"a": "Ab"}], [{"a": "ab"}]),
        ("a|contains|cased: Ab", [{"a": "xAbx"}], [{"a": "xabx"}]),
        ("a|re: 'x[0-9]+$'", [{"a": "yx12"}], [{"a": "yX12"}, {"a": "x1y"}]),
        ("a|re|i: '^x[0-9]*$'", [{"a": "X12"}], [{"a": "yX12"}]),
        ("a|re|s|m: '^b.c$'", [{"a": "a\nb\nc"}], [{"a": "abc"}]),
        ("a|fieldref: b.c", [{"a": "X", "b": {"c": "x"}}], [{"a": "x"}, {}, {"a": "x", "b": {"c": "y"}}]),
        ("a|cidr: 10.0.0.0/8", [{"a": "10.1.2.3"}], [{"a": "11.1.2.3"}, {"a": "10.1"}]),
        ("a|cidr: [10.0.0.0/8, '2001:db8::/32']", [{"a": "2001:db8::1"}], [{"a": "2001:db9::1"}]),
        ("a|gt: 5", [{"a": 6}, {"a": 5.5}], [{"a": 5}, {"a": "6"}]),
        ("a|gte: 5", [{"a": 5}], [{"a": 4}]),
        ("{a|gte: 2, a|lt: 4}", [{"a": 2}], [{"a": 4}, {"a": 1}]),
        ("a|lte: 5", [{"a": 5}], [{"a": 6}, {}]),
        ("a|exists: true", [{"a": 0}], [{}, {"a": None}]),
        ("a|exists: false", [{}, {"a": None}], [{"a": ""}]),
        ("a: null", [{}, {"a": None}], [{"a": ""}, {"a": "null"}]),
        ("a: [null, x]", [{}, {"a": "X"}], [{"a": "y"}]),
        ("a: ''", [{"a": ""}], [{}, {"a": " "}]),
        ("a: 3", [{"a": 3}, {"a": "3"}, {"a": 3.0}], [{"a": 4}, {"a": "03"}]),
        ("a: '3'", [{"a": 3}, {"a": "3"}], [{"a": True}]),
        ("a: 'TRUE'", [{"a": True}, {"a": "true"}], [{"a": 1}, {"a": False}]),
        ("a: false", [{"a": False}, {"a": "False"}], [{"a": 0}, {}]),
        ("a|neq: x", [{"a": "y"}, {}], [{"a": "X"}]),
        ("a|base64: foobar", [{"a": "Zm9vYmFy"}], [{"a": "foobar"}]),
        ("a|windash|contains: ' -x'", [{"a": "c -x"}, {"a": "c /x"}], [{"a": "c x"}]),
        ("a: 'back\\slash'", [{"a": "BACK\\slash"}], [{"a": "backslash"}]),
    ],
    ids=str,
)
def test_a_selection(detection: str, matching: list[Any], others: list[Any]) -> None:
    assert [raw for raw in matching if not holds(detection, raw)] == []
    assert [raw for raw in others if holds(detection, raw)] == []


KEYWORDS: list[tuple[str, list[Any], list[Any]]] = [
    ("[Evil, worse]", [{"a": {"b": ["xx EVIL"]}}, {"x": "Worse!"}], [{"a": "good"}, {}]),
    ("['*evil*']", [{"a": "this evil thing"}], [{"a": "e vil"}]),
    ("evil", [{"a": [[{"b": "evil"}]]}], [{"a": None}]),
    ("[image.io/break]", [{"labels": {"image.io/break": "1"}}], [{"labels": {"image": "io/break"}}]),
    ("[4625]", [{"id": 4625}, {"id": "4625"}], [{"id": 46}]),
    ("'|all': [one, two]", [{"a": "one", "b": {"c": "TWO"}}], [{"a": "one"}]),
]


@pytest.mark.parametrize(("detection", "matching", "others"), KEYWORDS, ids=str)
def test_keywords(detection: str, matching: list[Any], others: list[Any]) -> None:
    assert [raw for raw in matching if not holds(detection, raw)] == []
    assert [raw for raw in others if holds(detection, raw)] == []
    assert not holds(detection, {}, action="evil one two 4625 image.io/break"), "only the record itself is looked into"


THREE = "sel_a: {a: x}\nsel_b: {b: x}\nother: {c: x}\n_hidden: {d: x}\ncondition: "


@pytest.mark.parametrize(
    ("condition", "matching", "others"),
    [
        ("sel_a and sel_b", ["ab"], ["a", "b"]),
        ("sel_a or sel_b and other", ["a", "bc"], ["b", "c"]),
        ("(sel_a or sel_b) and other", ["ac", "bc"], ["a", "c", "ab"]),
        ("sel_a and not sel_b", ["a"], ["ab", "b"]),
        ("not (sel_a or other)", ["b", ""], ["a", "c"]),
        ("not (sel_a and other)", ["a", "c", ""], ["ac"]),
        ("1 of sel_*", ["a", "b"], ["c", ""]),
        ("any of sel_*", ["a", "b"], ["c"]),
        ("all of sel_*", ["ab"], ["a", "b"]),
        ("1 of them", ["a", "b", "c"], ["", "d"]),
        ("all of them", ["abc"], ["ab"]),
        ("sel_a and not 1 of sel_b*", ["a"], ["ab"]),
        ("not sel_a and not sel_b", ["", "c"], ["a", "b"]),
        ("not not sel_a", ["a"], ["b"]),
        ("sel_a and (sel_b or other) and (sel_b or _hidden)", ["ab", "acd"], ["ac", "ad"]),
    ],
)
def test_conditions(condition: str, matching: list[str], others: list[str]) -> None:
    for fields, expected in [*((m, True) for m in matching), *((o, False) for o in others)]:
        assert holds(THREE + condition, dict.fromkeys(fields, "X")) is expected, fields


def test_several_conditions_are_alternatives() -> None:
    detection = THREE + "[sel_a and sel_b, other]"
    assert [holds(detection, dict.fromkeys(f, "x")) for f in ("ab", "c", "a")] == [True, True, False]


def test_what_is_written_is_what_a_person_would_write() -> None:
    rule = sigma(
        "sel: {eventSource: s3.amazonaws.com, eventName: [GetObject, PutObject], userAgent|contains: bot}\n"
        "out: [{userIdentity.type: AWSService}, {errorCode|startswith: Client}]\n"
        "condition: sel and not out",
        {"product": "aws", "service": "cloudtrail"},
    )
    assert document(rule)["condition"] == {
        "source": "cloudtrail",
        "raw.eventSource": {"eq": "s3.amazonaws.com", "ignore_case": True},
        "raw.eventName": {"in": ["GetObject", "PutObject"], "ignore_case": True},
        "raw.userAgent": {"contains": "bot", "ignore_case": True},
        "none": [
            {"raw.userIdentity.type": {"eq": "AWSService", "ignore_case": True}},
            {"raw.errorCode": {"starts_with": "Client", "ignore_case": True}},
        ],
    }


@pytest.mark.parametrize(
    ("logsource", "field", "path"),
    [
        ({"product": "aws", "service": "cloudtrail"}, "userIdentity.arn", "raw.userIdentity.arn"),
        ({"product": "gcp", "service": "gcp.audit"}, "gcp.audit.method_name", "raw.protoPayload.methodName"),
        (
            {"product": "gcp", "service": "gcp.audit"},
            "gcp.audit.authentication_info.principal_email",
            "raw.protoPayload.authenticationInfo.principalEmail",
        ),
        ({"product": "gcp", "service": "gcp.audit"}, "data.protoPayload.x_y", "raw.data.protoPayload.x_y"),
        ({"product": "gcp", "service": "google_workspace.admin"}, "eventService", "raw.protoPayload.serviceName"),
        (
            {"product": "gcp", "service": "google_workspace.admin"},
            "eventName",
            "raw.protoPayload.metadata.event.eventName",
        ),
        ({"product": "okta", "service": "okta"}, "actor.alternateId", "raw.actor.alternateId"),
        ({"product": "azure", "service": "signinlogs"}, "ResultType", "raw.ResultType"),
        ({"product": "kubernetes", "service": "audit"}, "objectRef.resource", "raw.objectRef.resource"),
    ],
)
def test_fields_are_those_of_the_record(logsource: dict[str, str], field: str, path: str) -> None:
    assert path in document(sigma({field: "x"}, logsource))["condition"]


REFUSED = [
    ("a|expand: '%admins%'", "%admins%"),
    ("a|expand|contains: '%admins%'", "%admins%"),
    ("a|re: '(?=x)y'", "(?=x)y"),
    ("a|re: '(a'", "(a"),
    ("a|hour: 5", "a part of a time"),
    ("a|fieldref|startswith: b", "beginning or end"),
    ("a|nonsense: x", "nonsense"),
    ("a|contains: 5", "5"),
    ("a: []", "has no value"),
    ("a..b: x", "a..b: is no name of a field"),
    ("a|cidr: 10.0.0.0/99", "10.0.0.0/99"),
    ("['ev*il']", "has a wildcard within it"),
    ("['*']", "nothing beside one"),
    ("'|re': 'x.*y'", "SigmaRegularExpression"),
    ("x: {a: x}\ncondition: y", "no selection y"),
    ("x: {a: x}\ncondition: 1 of z*", "z*"),
    ("x: {a: x}\ncondition: x | count() > 5", "pipe"),
    ("x: {a: x}\ncondition: 'x and'", "Expected"),
    ("x: {a: x}\ncondition: ''", "Expected"),
    ("x: {a: x}\ncondition: 5", "condition"),
    ("a: 99999999999999999999999", "put it in quotes"),
]


@pytest.mark.parametrize(("detection", "why"), REFUSED, ids=str)
def test_what_cannot_be_carried_over_is_named(detection: str, why: str) -> None:
    report = brought(sigma(detection), sigma("a: x", id="11111111-1111-4111-8111-111111111111"))
    [refused] = report.refused
    assert why in refused.reason
    assert (refused.source, refused.title) == ("f.yml:0", "t")
    assert len(report.imported) == 1, "the other rule is imported all the same"


def test_a_rule_that_is_half_carried_is_not_carried() -> None:
    """One alternative that cannot be said refuses the whole."""
    rule = sigma("x: {a: x}\ny: {b|expand: '%list%'}\ncondition: x or y")
    assert "%list%" in reason(rule)


def test_workspace_parameters_are_refused() -> None:
    assert "one element that passes two tests" in reason(
        sigma("{eventName: x, new_value: 'false'}", {"product": "gcp", "service": "google_workspace.admin"})
    )
