"""Which values an event is counted by."""

from __future__ import annotations

from typing import Any

import pytest

from .making import compiled, event

GROUPS: list[tuple[Any, dict[str, Any], list[tuple[Any, ...]]]] = [
    (None, {}, [()]),
    ("a", {"a": "x"}, [("x",)]),
    ("a", {"a": ""}, [("",)]),
    ("a", {"a": 0}, [(0,)]),
    ("a", {"a": False}, [(False,)]),
    ("a", {"a": 1.5}, [(1.5,)]),
    ("a", {"a": 2.0}, [(2,)]),
    ("a", {}, []),
    ("a", {"a": None}, []),
    ("a", {"a": {}}, []),
    ("a", {"a": []}, []),
    ("a", {"a": [None, {}, []]}, []),
    ("a", {"a": ["x", "y", "x"]}, [("x",), ("y",)]),
    ("a", {"a": [1, 1.0, True, "1"]}, [(1,), (True,), ("1",)]),
    ("actor_id", {"actor": {"id": "u"}}, [("u",)]),
    ("items.k", {"items": [{"k": "x"}, {"k": ["y", "z"]}, {}]}, [("x",), ("y",), ("z",)]),
    (["a", "b"], {"a": "x", "b": 1}, [("x", 1)]),
    (["a", "b"], {"a": "x"}, []),
    (["a", "b"], {"a": ["x", "y"], "b": [1, 2]}, [("x", 1), ("x", 2), ("y", 1), ("y", 2)]),
    ("metadata.k8s\\.io/name", {"metadata": {"k8s.io/name": "x"}}, [("x",)]),
]


@pytest.mark.parametrize(("group_by", "doc", "expected"), GROUPS, ids=str)
def test_groups(group_by: Any, doc: dict[str, Any], expected: list[tuple[Any, ...]]) -> None:
    settings = {} if group_by is None else {"group_by": group_by}
    groups = compiled(settings).groups(event(**doc))
    assert groups == expected
    assert [tuple(map(type, group)) for group in groups] == [tuple(map(type, group)) for group in expected]


def test_one_event_makes_at_most_a_hundred_groups() -> None:
    doc = event(a=[f"v{n}" for n in range(5000)], b=list(range(5000)))
    assert len(compiled({"group_by": "a"}).groups(doc)) == 100
    assert len(compiled({"group_by": ["a", "b"]}).groups(doc)) == 100


def test_long_text_is_shortened_and_stays_as_different_as_it_was() -> None:
    one, other = "x" * 100_000, "x" * 99_999 + "y"
    groups = compiled({"group_by": "a"}).groups(event(a=[one, other, "x" * 512, "é" * 600]))
    texts = [group[0] for group in groups]
    assert len(set(texts)) == 4
    assert all(isinstance(text, str) and len(text) <= 512 for text in texts)
    assert texts[2] == "x" * 512
    assert groups == compiled({"group_by": "a"}).groups(event(a=[one, other, "x" * 512, "é" * 600]))
    assert compiled({"group_by": ["a", "b"]}).groups(event(a=one, b=1)) == [(texts[0], 1)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("x", "x"),
        (2.0, 2),
        (True, True),
        (["y", "x"], "y"),
        ([None, {}, 3], 3),
        (None, None),
        ({}, None),
        ([], None),
    ],
)
def test_distinct(value: Any, expected: Any) -> None:
    rule = compiled({"count": 2, "window": "1m", "distinct": "a"}, type="threshold")
    assert rule.observe is not None
    found = rule.observe(event(a=value), 0)
    assert (found, type(found)) == (expected, type(expected))
