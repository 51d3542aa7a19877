"""What is redacted in an event, held to a plain reading of the paths."""

from __future__ import annotations

import copy
import re
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.model.document import DocumentError
from streamproc.rules.paths import parse_path
from streamproc.rules.problems import Problems
from streamproc.runtime.redaction import redactor_of
from streamproc.settings import Settings, SettingsError, load_settings
from streamproc.sources.redact import KEPT, MARK, Redactor


def redactor(*paths: str) -> Redactor:
    problems = Problems()
    parsed = [parse_path(path, "redact", problems) for path in paths]
    problems.check()
    return Redactor(parsed)


def redacted(doc: dict[str, Any], *paths: str) -> Any:
    before = copy.deepcopy(doc)
    found = orjson.loads(redactor(*paths).document(orjson.dumps(doc), doc))
    assert doc == before, "rules go on to match the event as it came"
    return found


EVENT = {
    "id": "e1",
    "tenant_id": "acme",
    "action": "user.login",
    "actor": {"id": "u", "email": "a@example.com", "groups": ["x", "y"], "ip": None},
    "raw": {
        "user": {"password": "p1", "name": "n"},
        "items": [{"token": "t1", "n": 1}, {"token": "t2", "n": [{"token": "t3"}]}, "plain"],
        "a.b": "dotted",
    },
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("actor.email", {"actor": EVENT["actor"] | {"email": MARK}}),
        ("actor_email", {"actor": EVENT["actor"] | {"email": MARK}}),
        ("actorEmail", {"actor": EVENT["actor"] | {"email": MARK}}),
        ("actor.groups", {"actor": EVENT["actor"] | {"groups": MARK}}),
        ("actor.groups.1", {"actor": EVENT["actor"] | {"groups": ["x", MARK]}}),
        ("actor.groups.7", {}),
        ("actor.ip", {}),
        ("actor.nothing", {}),
        ("actor.em*", {"actor": EVENT["actor"] | {"email": MARK}}),
        ("actor", {"actor": MARK}),
        ("raw.user", {"raw": EVENT["raw"] | {"user": MARK}}),
        ("raw.user.p?ssword", {"raw": EVENT["raw"] | {"user": {"password": MARK, "name": "n"}}}),
        (
            "raw.items.token",
            {
                "raw": EVENT["raw"]
                | {"items": [{"token": MARK, "n": 1}, {"token": MARK, "n": [{"token": "t3"}]}, "plain"]}
            },
        ),
        (
            "raw.items.1.token",
            {
                "raw": EVENT["raw"]
                | {"items": [{"token": "t1", "n": 1}, {"token": MARK, "n": [{"token": "t3"}]}, "plain"]}
            },
        ),
        (
            "**.token",
            {
                "raw": EVENT["raw"]
                | {"items": [{"token": MARK, "n": 1}, {"token": MARK, "n": [{"token": MARK}]}, "plain"]}
            },
        ),
        ("raw.a\\.b", {"raw": EVENT["raw"] | {"a.b": MARK}}),
        ("*.user.password", {"raw": EVENT["raw"] | {"user": {"password": MARK, "name": "n"}}}),
        ("**.id", {"actor": EVENT["actor"] | {"id": MARK}}),
    ],
)
def test_a_path_takes_what_it_names(path: str, expected: dict[str, Any]) -> None:
    assert redacted(EVENT, path) == {**EVENT, **expected}


def test_an_event_without_the_fields_keeps_its_bytes() -> None:
    raw = b'{"actor": {"id":   "u"}}'
    assert redactor("actor.email", "raw.**.token").document(raw, orjson.loads(raw)) is raw


@pytest.mark.parametrize("path", ["tenant_id", "tenantId", "action", "id", "event_time", "**", "raw.**"])
def test_a_path_that_cannot_be_is_refused(path: str) -> None:
    with pytest.raises((ValueError, DocumentError)):
        redactor(path)


def test_settings_name_the_path_that_cannot_be() -> None:
    assert redactor_of(Settings()) is None
    with pytest.raises(SettingsError, match=r"STREAMPROC_REDACT: 'tenant_id' cannot be redacted"):
        redactor_of(load_settings(redact="actor.email, tenant_id"))
    with pytest.raises(SettingsError, match=r"STREAMPROC_REDACT: 'raw\.\*\*' does not end with the name of a field"):
        redactor_of(load_settings(redact="raw.**"))
    with pytest.raises(SettingsError, match=r"STREAMPROC_REDACT: actor\.\.email is not a field path"):
        redactor_of(load_settings(redact="actor..email"))


@pytest.mark.parametrize(
    ("redact", "path", "covered"),
    [
        ("actor.email", "actor.email", True),
        ("actor.email", "actor.id", False),
        ("actor", "actor.email", True),
        ("actor.email", "actor", False),
        ("**.password", "raw.user.password", True),
        ("**.password", "raw.user.password.old", True),
        ("**.password", "password", True),
        ("**.password", "actor.id", False),
        ("**.id", "id", False),
        ("**.id", "actor.id", True),
        ("raw.items.token", "raw.items.3.token", True),
        ("raw.items.3.token", "raw.items.token", True),
        ("raw.*.token", "raw.x.token", True),
    ],
)
def test_what_is_counted_by_is_known_to_be_redacted(redact: str, path: str, covered: bool) -> None:
    assert redactor(redact).covers(parse_path(path, "p", Problems())) is covered


def test_veiled_values_are_as_different_as_the_values() -> None:
    values = ["a", "b", "1", 1, True, 1.5, "true"]
    veils = {Redactor.veil(value) for value in values}
    assert len(veils) == len(values)
    assert Redactor.veil("alice@example.com") == Redactor.veil("alice@example.com")
    assert "alice" not in Redactor.veil("alice@example.com")


# Every path of a document, and what a list of names with wildcards means, written as plainly as possible.

NAMES = st.sampled_from(["a", "b", "ab", "id", "c"])
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.text("xyz", max_size=3))
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=4)),
    max_leaves=12,
)
DOCS = st.dictionaries(NAMES, TREES, max_size=4)
PATHS = st.lists(st.sampled_from(["a", "b", "ab", "id", "*", "a?", "?", "**"]), min_size=1, max_size=4).filter(
    lambda path: path[-1] != "**" and path != ["id"]
)


def _hit(pattern: list[str], names: list[str]) -> bool:
    if not pattern:
        return not names
    if pattern[0] == "**":
        return any(_hit(pattern[1:], names[n:]) for n in range(len(names) + 1))
    if not names:
        return False
    shape = re.escape(pattern[0]).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(shape, names[0]) is not None and _hit(pattern[1:], names[1:])


def _plainly(value: Any, names: list[str], patterns: list[list[str]]) -> Any:
    if isinstance(value, list):
        return [_plainly(item, names, patterns) for item in value]
    if not isinstance(value, dict):
        return value
    out = {}
    for name, inner in value.items():
        path = [*names, name]
        kept = len(path) == 1 and name in KEPT
        taken = not kept and inner is not None and any(_hit(pattern, path) for pattern in patterns)
        out[name] = inner if kept else MARK if taken else _plainly(inner, path, patterns)
    return out


@given(DOCS, st.lists(PATHS, min_size=1, max_size=3))
def test_it_means_what_it_says(doc: dict[str, Any], patterns: list[list[str]]) -> None:
    doc = {name: value for name, value in doc.items() if name not in KEPT} | {"id": "e1"}
    raw = orjson.dumps(doc)
    found = Redactor([tuple(pattern) for pattern in patterns]).document(raw, doc)
    assert orjson.loads(found) == _plainly(doc, [], patterns)
