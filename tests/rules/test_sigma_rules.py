"""What else of Sigma becomes a rule of ours: attributes, correlations, filters; and what is no rule at all."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from .making import NOON, event

pytest.importorskip("sigma", reason="pySigma is not installed (the extra `sigma`)")

from streamproc.config.documents import DocumentFileError, parse_documents
from streamproc.rules import compile_rule, parse_rule
from streamproc.rules.sigma import Origin, import_documents
from streamproc.rules.types import TYPES

from .test_sigma_detections import brought, document, reason, sigma

ONE, TWO, THREE = (f"{n}{n}{n}{n}{n}{n}{n}{n}-1111-4111-8111-111111111111" for n in "123")


def test_attributes() -> None:
    rule = sigma(
        "a: x",
        {"product": "okta", "service": "okta"},
        title="A title that is rather long, longer in any case than sixty-four characters are",
        description="First line.\n\tSecond line " + "goes on and " * 20,
        author="Somebody",
        level="critical",
        tags=["attack.credential-access", "attack.privilege_escalation", "attack.t1110.003", "cve.2024-1", "attack.g1"],
        references=["https://example.com/a"],
        falsepositives=["Tests"],
        date="2024-01-02",
    )
    made = document(rule, tenant="acme", origin=Origin("https://example.com/rules", "MIT"))
    assert len(made["name"]) <= 64
    assert made["name"].startswith("A title that is rather long, ")
    assert made["name"].endswith("…")
    assert len(made["description"]) <= 128
    assert made["description"].startswith("First line. Second line goes on")
    metadata = made.pop("metadata")["sigma"]
    assert {name: made[name] for name in ("id", "tenant_id", "type", "severity", "category")} == {
        "id": rule["id"],
        "tenant_id": "acme",
        "type": "pattern",
        "severity": "critical",
        "category": "identity",
    }
    assert made["mitre_tactics"] == ["Credential Access", "Privilege Escalation"]
    assert made["mitre_techniques"] == ["T1110.003"]
    assert metadata["title"] == rule["title"]
    assert (metadata["author"], metadata["link"], metadata["license"]) == (
        "Somebody",
        "https://example.com/rules",
        "MIT",
    )
    assert metadata["references"] == ["https://example.com/a"]
    assert metadata["tags"] == rule["tags"]
    assert metadata["date"] == "2024-01-02"


def test_defaults() -> None:
    made = document({name: value for name, value in sigma("a: x").items() if name not in ("level", "id")})
    assert made.keys() == {"id", "name", "type", "condition", "metadata"}
    assert made["id"].startswith("sigma-t-")
    assert made["metadata"]["sigma"]["link"] == "https://github.com/SigmaHQ/sigma"
    assert "DRL" in made["metadata"]["sigma"]["license"]
    assert document(sigma("a: x", license="Apache-2.0"))["metadata"]["sigma"]["license"] == "Apache-2.0"


@pytest.mark.parametrize(
    ("logsource", "category"),
    [
        ({"product": "aws", "service": "cloudtrail"}, "cloud"),
        ({"product": "azure", "service": "signinlogs"}, "identity"),
        ({"product": "azure", "service": "activitylogs"}, "cloud"),
        ({"product": "windows", "category": "process_creation"}, "endpoint"),
        ({"category": "proxy"}, "network"),
        ({"product": "unheard-of"}, None),
    ],
)
def test_categories(logsource: dict[str, str], category: str | None) -> None:
    assert document(sigma("a: x", logsource)).get("category") == category


def test_long_attributes_fit_a_rule() -> None:
    rule = sigma(
        "a: x",
        references=["https://example.com/" + "r" * 3000] * 50,
        falsepositives=["f" * 500] * 50,
        description="é" * 4000,
    )
    metadata = document(rule)["metadata"]
    assert len(orjson.dumps(metadata)) <= 12 * 1024 + 20
    assert metadata["sigma"]["falsepositives"], "the last references go first"


def test_one_of_two_with_the_same_id_is_left_out() -> None:
    report = brought(sigma("a: x"), sigma("b: x"))
    assert len(report.imported) == 1
    assert "f.yml:0" in report.refused[0].reason


def login(name: str, rule_id: str, **fields: Any) -> dict[str, Any]:
    return sigma({"action": name}, name=name, id=rule_id, title=f"the {name}") | fields


def correlation(kind: str, rules: list[str], condition: Any = None, **fields: Any) -> dict[str, Any]:
    settings = {"type": kind, "rules": rules, "group-by": ["user"], "timespan": "10m"}
    settings |= {} if condition is None else {"condition": condition}
    return {"title": "together", "id": THREE, "level": "high", "correlation": settings | fields}


def test_event_count_is_a_threshold() -> None:
    report = brought(login("failed", ONE), correlation("event_count", ["failed"], {"gte": 5}))
    assert (report.refused, report.within) == ([], ["f.yml:0"])
    [made] = report.imported
    assert made.document["type"] == "threshold"
    assert made.document["condition"] == {
        "raw.action": {"eq": "failed", "ignore_case": True},
        "count": 5,
        "window_seconds": 600,
        "group_by": "raw.user",
    }
    parsed = parse_rule(made.document, default_tenant="acme")
    assert compile_rule(parsed, 1).matches(event(raw={"action": "FAILED"}), NOON)


def test_correlations_of_several_rules_and_more_than() -> None:
    made = document(
        correlation("event_count", ["failed", TWO], {"gt": 5}, **{"group-by": ["user", "ip.address"]}),
        login("failed", ONE),
        login("denied", TWO),
    )["condition"]
    assert made["count"] == 6
    assert made["group_by"] == ["raw.user", "raw.ip.address"]
    assert [part["raw.action"]["eq"] for part in made["any"]] == ["failed", "denied"]


def test_value_count_counts_different_values() -> None:
    made = document(
        login("failed", ONE), correlation("value_count", ["failed"], {"gte": 3, "field": "host"}, timespan="1h")
    )
    assert (made["type"], made["condition"]["distinct"], made["condition"]["count"]) == ("threshold", "raw.host", 3)
    assert parse_rule(made, default_tenant="acme").condition.window_ms == 3_600_000


@pytest.mark.parametrize(
    ("kind", "condition"),
    [("temporal", None), ("temporal_ordered", None), ("temporal", "failed and worked"), ("temporal", {"gte": 2})],
)
def test_temporal_is_a_sequence(kind: str, condition: Any) -> None:
    made = document(login("failed", ONE), login("worked", TWO), correlation(kind, ["failed", "worked"], condition))
    assert made["type"] == "sequence"
    assert made["condition"] == {
        "steps": [{"raw.action": {"eq": name, "ignore_case": True}} for name in ("failed", "worked")],
        "ordered": kind == "temporal_ordered",
        "within": "600s",
        "group_by": "raw.user",
    }
    if "sequence" in TYPES:
        parse_rule(made, default_tenant="acme")


def test_generate_keeps_the_rules_too() -> None:
    report = brought(login("failed", ONE), correlation("event_count", ["failed"], {"gte": 5}, generate=True))
    assert sorted(one.document["type"] for one in report.imported) == ["pattern", "threshold"]


def test_aliases() -> None:
    rules = (login("failed", ONE), login("worked", TWO))
    settings = {"group-by": ["who"], "aliases": {"who": {"failed": "user", "worked": "user"}}}
    made = document(*rules, correlation("temporal", ["failed", "worked"], **settings))
    assert made["condition"]["group_by"] == "raw.user"
    settings["aliases"] = {"who": {"failed": "user", "worked": "account"}}
    report = brought(*rules, correlation("temporal", ["failed", "worked"], **settings))
    assert "raw.account and raw.user" in report.refused[0].reason
    assert len(report.refused) == 3, "the rules of a correlation that is not there alert nobody, and are named"


@pytest.mark.parametrize(
    ("kind", "condition", "fields", "why"),
    [
        ("event_count", {"lt": 5}, {}, "lt 5"),
        ("event_count", {"eq": 5}, {}, "eq 5"),
        ("event_count", {"gte": 2.5}, {}, "gte 2.5"),
        ("event_count", {"gte": 0}, {}, "condition.count: 0"),
        ("event_count", {"gte": 5}, {"timespan": "1y"}, "window_seconds"),
        ("event_count", {"gte": 5}, {"timespan": "soon"}, "soon"),
        ("event_count", {"gte": 5}, {"rules": ["nobody"]}, "nobody"),
        ("value_sum", {"gte": 5, "field": "bytes"}, {}, "value_sum"),
        ("value_count", {"gte": 5, "field": ["a", "b"]}, {}, "several fields"),
        ("value_count", {"gte": 5}, {}, "field"),
        ("temporal", "failed or worked", {"rules": ["failed", "worked"]}, "failed or worked"),
        ("temporal", "failed and not worked", {"rules": ["failed", "worked"]}, "more than one rule and another"),
        ("temporal_ordered", "worked and failed", {"rules": ["failed", "worked"]}, "another order"),
        ("temporal", None, {}, "at least two rules"),
        ("temporal", {"gte": 1}, {"rules": ["failed", "worked"]}, "1 of 2 rules"),
        ("nonsense", {"gte": 5}, {}, "nonsense"),
    ],
)
def test_correlations_that_cannot_be_carried_over(kind: str, condition: Any, fields: dict[str, Any], why: str) -> None:
    rules = (login("failed", ONE), login("worked", TWO))
    settings = {"kind": kind, "rules": ["failed"], "condition": condition} | fields
    report = brought(*rules, correlation(**settings))
    [refused] = [one for one in report.refused if one.title == "together"]
    assert why in refused.reason
    assert all(one.document["type"] == "pattern" for one in report.imported)


def test_a_correlation_of_correlations_is_refused() -> None:
    outer = correlation("event_count", [THREE], {"gte": 2}) | {"id": TWO, "title": "outer"}
    report = brought(login("failed", ONE), correlation("event_count", ["failed"], {"gte": 5}), outer)
    assert [one.title for one in report.refused if "is a correlation itself" in one.reason] == ["outer"]


def test_filters_are_applied() -> None:
    exclusion = {
        "title": "not the admins",
        "logsource": {"product": "acme", "service": "app"},
        "filter": {"rules": ["failed"], "admins": {"user|startswith": "adm_"}, "condition": "not admins"},
    }
    report = brought(login("failed", ONE), login("worked", TWO), exclusion)
    assert report.refused == []
    first, second = (compile_rule(parse_rule(one.document, default_tenant="acme"), 1) for one in report.imported)
    admin = {"user": "adm_x"}
    assert not first.matches(event(raw={"action": "failed"} | admin), NOON)
    assert first.matches(event(raw={"action": "failed", "user": "x"}), NOON)
    assert second.matches(event(raw={"action": "worked"} | admin), NOON)


def test_global_documents_change_those_of_their_file() -> None:
    shared = {"action": "global", "level": "low", "logsource": {"product": "aws", "service": "cloudtrail"}}
    bare = {"title": "x", "detection": {"s": {"eventName": "x"}, "condition": "s"}}
    report = import_documents([("a.yml", "a.yml:1", shared), ("a.yml", "a.yml:5", bare), ("b.yml", "b.yml:1", bare)])
    assert [one.document["severity"] for one in report.imported] == ["low"]
    assert [one.source for one in report.refused] == ["b.yml:1"]


@pytest.mark.parametrize(
    "hostile",
    [
        {},
        {"title": 5},
        {"title": "t", "detection": "x", "logsource": "y"},
        {"title": "t", "logsource": {"product": "x"}},
        {"title": "t", "logsource": {"product": "x"}, "detection": {"a": {"b": 1}}},
        {"title": "t", "logsource": {"product": 5}, "detection": {"a": {"b": {"c": {"d": 1}}}, "condition": "a"}},
        {"title": "t" * 1000, "logsource": {"product": "x"}, "detection": {"a": {"b": 1}, "condition": "a"}},
        {"correlation": None},
        {"correlation": {"type": [], "rules": {}}},
        {"filter": []},
        {"action": "explode"},
        {"action": 7},
        {"id": 5, "title": "t"},
        sigma("a: x", id="no uuid"),
        sigma("a: x", level="terrible"),
        sigma("a: x", tags="attack.t1"),
        sigma("a: x", tags=["nodot"]),
        sigma({"selection": {"a" * 600: "x"}, "condition": "selection"}),
        sigma({"selection": {"a": "x" * 5000}, "condition": "selection"}),
        sigma({"selection": {"a": ["x*y" * 3] * 2000}, "condition": "selection"} | {"more": {"b": "x"}})
        | {"detection": {"s": {"a": [f"x{n}*y" for n in range(2000)]}, "condition": "s"}},
        sigma({"s": {"a": "x"}, "condition": "(" * 3000 + "s" + ")" * 3000}),
        sigma({"s": {"a": "x"}, "condition": "not " * 900 + "s"}),
        sigma({"s": {"a": "x"}, "condition": "s and " * 5000 + "s"}),
        sigma({"s" * 40: {"a": "x"}, "condition": "1 of " + "s*" * 30 + "x"}),
        sigma({"s": {"a|re": "(a{1000}){1000}"}, "condition": "s"}),
    ],
    ids=lambda value: str(value)[:40],
)
def test_no_document_raises(hostile: dict[str, Any]) -> None:
    report = brought(hostile)
    assert report.imported == []
    assert len(report.refused) == 1
    assert report.refused[0].reason
    assert len(report.refused[0].reason) < 1500


def test_yaml_that_grows_is_refused_quickly() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    text = "\n".join([*lines, "title: t", "logsource: {product: x}", "detection: {s: {a: *a11}, condition: s}"])
    try:
        read = parse_documents(text, "bomb.yml")
    except DocumentFileError:
        return
    assert reason(read[0].content)
