"""What starts new windows, and what keeps them."""

from __future__ import annotations

from typing import Any

import pytest

from streamproc.rules.counting import counting_hash
from streamproc.rules.parse import parse_rule

BASE: dict[str, Any] = {
    "id": "r",
    "name": "n",
    "tenant_id": "acme",
    "type": "threshold",
    "timezone": "Europe/Berlin",
    "condition": {
        "action": {"in": ["user.login", "user.sso"]},
        "outcome": "failure",
        "metadata": {"attempts": {"gte": 3}},
        "any": [{"actor.id": "a"}, {"actor.ip": {"cidr": ["10.0.0.0/8", "::1/128"]}}],
        "count": 5,
        "window_seconds": 300,
        "group_by": ["actor.ip", "action"],
    },
}


def hash_of(**changes: Any) -> bytes:
    """Of the base with changes; of the condition those that are given by a path."""
    condition = BASE["condition"] | {name: value for name, value in changes.items() if name in CONDITION}
    condition = {name: value for name, value in condition.items() if value is not ...}
    rest = {name: value for name, value in changes.items() if name not in CONDITION}
    return counting_hash(parse_rule(BASE | rest | {"condition": condition}))


CONDITION = {*BASE["condition"], "window", "window_type", "distinct", "all", "none", "b"}

KEEPS: list[dict[str, Any]] = [
    {"name": "another"},
    {"description": "x"},
    {"severity": "critical"},
    {"category": "identity"},
    {"channels": ["slack"], "webhook_ids": ["w"], "cooldown_min": 0, "mode": "shadow", "enabled": False},
    {"policy": "default", "runbook": "https://example.com", "mitre_tactics": ["x"], "tests": [{}]},
    {"auto_resolve_after": "1h"},
    {"count": 3},
    {"window_seconds": ..., "window": "5m"},
    {"window_seconds": 300.0},
    {"window_type": "rolling"},
    {"action": {"in": ["user.sso", "user.login"]}},
    {"action": {"in": ["user.sso", "user.login", "user.sso"]}},
    {"outcome": {"eq": "failure"}},
    {"outcome": {"in": ["failure"]}},
    {"outcome": {"eq": "failure", "ignore_case": False}},
    {"metadata": ..., "all": [{"metadata.attempts": {"gte": 3.0}}]},
    {"any": [{"actor": {"ip": {"cidr": ["::1", "10.1.2.3/8"]}}}, {"actorId": "a"}]},
    {"group_by": ["actorIp", "action"]},
]
CHANGES: list[dict[str, Any]] = [
    {"type": "pattern", **dict.fromkeys(("count", "window_seconds"), ...)},
    {"action": {"in": ["user.login"]}},
    {"outcome": "denied"},
    {"outcome": {"not": "failure"}},
    {"outcome": {"eq": "failure", "ignore_case": True}},
    {"outcome": {"in": {"list": "failure"}}},
    {"metadata": {"attempts": {"gt": 3}}},
    {"metadata": {"attempts": {"gte": 4}}},
    {"metadata": {"attempts": {"gte": "3"}}},
    {"any": [{"actor.id": "a"}, {"actor.ip": {"cidr": "10.0.0.0/8"}}]},
    {"any": ..., "none": [{"actor.id": "a"}]},
    {"b": True},
    {"b": 1},
    {"b": "1"},
    {"b": "true"},
    {"group_by": ["action", "actor.ip"]},
    {"group_by": "actor.ip"},
    {"group_by": ...},
    {"distinct": "actor.id"},
    {"distinct": "actor.email"},
    {"window_seconds": 301},
    {"window_type": "fixed"},
    {"lateness_seconds": 60},
    {"timezone": "UTC"},
]


@pytest.mark.parametrize("changes", KEEPS, ids=str)
def test_keeps_the_windows(changes: dict[str, Any]) -> None:
    assert hash_of(**changes) == hash_of()


@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_starts_new_windows(changes: dict[str, Any]) -> None:
    assert hash_of(**changes) != hash_of()


def test_no_two_of_them_are_alike() -> None:
    hashes = [hash_of(**changes) for changes in CHANGES]
    assert len(set(hashes)) == len(CHANGES)


def test_the_order_of_tests_within_any_and_none_does_not_matter() -> None:
    for name in ("any", "none", "all"):
        one = hash_of(**{name: [{"b": 1}, {"c": 2, "d": 3}]})
        assert one == hash_of(**{name: [{"d": 3, "c": 2}, {"b": 1}]})
        assert one != hash_of(**{name: [{"b": 1, "c": 2}, {"d": 3}]}) or name == "all"


def test_it_is_the_same_in_every_release() -> None:
    """A change here makes every window of every installation start anew: not to be done lightly."""
    assert hash_of().hex() == "b28efa0aad9528a5"
