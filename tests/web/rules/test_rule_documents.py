"""What a PATCH makes of a rule."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.config.record import ConfigRecord
from streamproc.config.sealing import HIDDEN
from streamproc.config.snapshot import Snapshot
from streamproc.model.document import DocumentError
from streamproc.web.rule_documents import differences, document, merged, written
from streamproc.web.rule_validation import validate
from tests.web.rules.making import login_rule


@pytest.mark.parametrize(
    ("spec", "patch", "expected"),
    [
        ({"severity": "high"}, {"severity": "low"}, {"severity": "low"}),
        ({"cooldownMin": 30}, {"cooldown_min": 60}, {"cooldown_min": 60}),
        ({"cooldown_min": 30}, {"cooldownMin": 60}, {"cooldown_min": 60}),
        ({"channels": ["email"]}, {"channels": ["slack"]}, {"channels": ["slack"]}),
        ({"runbook": "https://x"}, {"runbook": None}, {}),
        ({}, {"runbook": None}, {}),
        ({"auto_resolve_after": "1d"}, {"autoResolveAfter": None}, {"auto_resolve_after": None}),
        (
            {"metadata": {"a": 1, "b": {"c": 2}}},
            {"metadata": {"a": None, "b": {"d": 3}}},
            {"metadata": {"b": {"c": 2, "d": 3}}},
        ),
        ({"metadata": {"a": 1}}, {"metadata": None}, {}),
        ({}, {"condition": {"count": 3}}, {"condition": {"count": 3}}),
        ({"webhookUrls": [1]}, {"webhook_urls": None}, {"webhook_urls": None}),
    ],
)
def test_top_level(spec: dict[str, Any], patch: dict[str, Any], expected: dict[str, Any]) -> None:
    assert merged(spec, patch) == expected


@pytest.mark.parametrize(
    ("condition", "patch", "expected"),
    [
        ({"action": "a", "count": 5}, {"count": 3}, {"action": "a", "count": 3}),
        # the document of Trailbase: the window is in the rule one way, in the change the other
        ({"count": 5, "window": "5m"}, {"count": 3, "window_seconds": 300}, {"count": 3, "window_seconds": 300}),
        ({"windowSeconds": 60}, {"window": "5m"}, {"window": "5m"}),
        ({"windowSeconds": 60}, {"window_seconds": 90}, {"window_seconds": 90}),
        ({"window": "5m", "count": 1}, {"window_seconds": None}, {"window": "5m", "count": 1}),
        ({"groupBy": "actor.id"}, {"group_by": None}, {"group_by": None}),
        ({"action": {"matches": "*.x"}}, {"action": {"in": ["a"]}}, {"action": {"in": ["a"]}}),
        ({"action": "a", "actor.ip": "1"}, {"actor.ip": None}, {"action": "a"}),
        ({"metadata": {"a": 1}}, {"metadata": {"b": 2}}, {"metadata": {"b": 2}}),
        (
            {"metadata.actorRole": "x"},
            {"metadata.actor_role": "y"},
            {"metadata.actorRole": "x", "metadata.actor_role": "y"},
        ),
    ],
)
def test_condition(condition: dict[str, Any], patch: dict[str, Any], expected: dict[str, Any]) -> None:
    assert merged({"condition": condition}, {"condition": patch}) == {"condition": expected}


def test_a_condition_is_replaced_and_removed_as_a_whole_by_what_is_no_map() -> None:
    assert merged({"condition": {"count": 1}}, {"condition": None}) == {}
    with pytest.raises(DocumentError):
        merged({"condition": [1]}, {"condition": {"count": 1}})


scalars = st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.text("ab", max_size=2))
names = st.sampled_from(["severity", "cooldown_min", "cooldownMin", "name", "runbook", "channels"])
patches = st.dictionaries(names, scalars, max_size=4)


@given(st.dictionaries(names, scalars, max_size=4), patches)
def test_a_patch_done_twice_is_done_once_and_leaves_others_alone(spec: dict[str, Any], patch: dict[str, Any]) -> None:
    once = merged(spec, patch)
    assert merged(once, patch) == once
    touched = {name.replace("Min", "_min") for name in patch}
    for name, value in spec.items():
        if name.replace("Min", "_min") not in touched:
            assert once[name] == value


def test_what_only_answers_have_is_left_out() -> None:
    body = {"name": "x", "revision": 3, "updatedAt": "t", "status": "active", "managed": True, "open_alerts": 1}
    assert written(body) == ({"name": "x"}, 3)
    for wrong in ("3", 0, True, 1.0):
        with pytest.raises(DocumentError):
            written({"revision": wrong})


def record(revision: int, **spec: Any) -> ConfigRecord:
    return ConfigRecord("rule", "acme", "r", revision, spec, "2026-01-01T00:00:00.000Z", "me")


def test_a_rule_is_shown_in_snake_case_without_secrets() -> None:
    shown = document(
        record(1, cooldownMin=1, condition={"windowSeconds": 5, "actorRole": 1}, webhookUrls=[{"$sealed": "v1.x.y"}])
    )
    assert shown == {
        "id": "r",
        "tenant_id": "acme",
        "cooldown_min": 1,
        "condition": {"window_seconds": 5, "actorRole": 1},
        "webhook_urls": [HIDDEN],
    }


def test_differences_are_by_path_and_show_no_secret() -> None:
    old = record(1, name="a", condition={"windowSeconds": 5, "count": 1}, webhook_urls=[{"$sealed": "v1.x.y"}])
    new = record(2, name="a", condition={"window_seconds": 5, "count": True}, webhook_urls=[{"$sealed": "v1.x.z"}])
    assert differences(old, new) == [
        {"path": "condition.count", "before": 1, "after": True},
        {"path": "webhook_urls", "before": [HIDDEN], "after": [HIDDEN]},
    ]
    assert differences(old, old) == []


def test_tests_of_a_rule_are_read_where_they_are_few() -> None:
    wrong = login_rule(tests=[{"name": "x", "events": [{"action": "a"}], "expect": [{"cuont": 1}]}])
    found = validate(wrong, "acme", Snapshot.empty())
    assert [error.path for error in found.errors] == ["tests[0].expect[0].cuont"]
    many = login_rule(tests=[{"name": "x", "events": [{"action": "a", "x": 3_000}], "expect": [{"cuont": 1}]}])
    assert validate(many, "acme", Snapshot.empty()).valid


@given(
    st.recursive(
        scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(
                    ["name", "type", "condition", "count", "tests", "events", "x", "all", "severity", "id", "channels"]
                ),
                inner,
                max_size=5,
            ),
        ),
    )
)
def test_whatever_is_typed_is_answered(document: Any) -> None:
    typed = document if isinstance(document, dict) else {"condition": document}
    found = validate(typed, "acme", Snapshot.empty())
    assert found.valid is (not found.errors)
