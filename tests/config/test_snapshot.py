"""Folding the config topic: last write wins, one bad record is one problem, only changed tenants are rebuilt."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.config import snapshot as module
from streamproc.config.record import ConfigRecord, RecordError, decode, encode, record_key, split_key
from streamproc.config.snapshot import ConfigEntry, Snapshot

PATTERN: dict[str, Any] = {"name": "Logins", "type": "pattern", "condition": {"action": "user.login"}}


def rule(tenant: str, id: str, revision: int = 1, **fields: Any) -> ConfigRecord:
    return ConfigRecord("rule", tenant, id, revision, PATTERN | fields, "2026-01-01T00:00:00.000Z", "test")


def entries(*records: ConfigRecord | tuple[str, bytes | None], start: int = 0) -> list[ConfigEntry]:
    return [
        ConfigEntry(offset, record[0].encode(), record[1])
        if isinstance(record, tuple)
        else ConfigEntry(offset, record.key.encode(), encode(record))
        for offset, record in enumerate(records, start)
    ]


def active(snapshot: Snapshot) -> set[tuple[str, str, int]]:
    found = ((record, snapshot.rule(record.tenant, record.id)) for record in snapshot.records("rule"))
    return {(record.tenant, record.id, compiled.revision) for record, compiled in found if compiled is not None}


def test_records_fold_and_the_last_wins() -> None:
    snapshot = Snapshot.empty().fold(
        entries(rule("a", "x"), rule("b", "x"), rule("a", "x", 2), rule("a", "y"), ("b/rule/x", None))
    )
    assert snapshot.offset == 5
    assert active(snapshot) == {("a", "x", 2), ("a", "y", 1)}
    assert snapshot.record("rule", "a", "x") == rule("a", "x", 2)
    assert snapshot.record("rule", "b", "x") is None
    assert [record.id for record in snapshot.records("rule", "a")] == ["x", "y"]
    assert snapshot.rules.get("a", "x") is snapshot.rule("a", "x")
    assert snapshot.rules.get("b", "x") is None
    assert snapshot.kinds == ("rule",)


def test_a_snapshot_does_not_change() -> None:
    first = Snapshot.empty().fold(entries(rule("a", "x"), rule("b", "y")))
    second = first.fold(entries(rule("a", "x", 2), rule("a", "z"), start=2))
    assert active(first) == {("a", "x", 1), ("b", "y", 1)}
    assert first.offset == 2
    assert active(second) == {("a", "x", 2), ("a", "z", 1), ("b", "y", 1)}
    assert second.rule("b", "y") is first.rule("b", "y"), "an untouched tenant keeps its compiled rules"
    assert second.fold([]) is second


def test_only_what_changed_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[str] = []
    compile_rule = module.compile_rule

    def counting(rule: Any, revision: int, lists: Any) -> Any:
        compiled.append(f"{rule.tenant_id}/{rule.id}@{revision}")
        return compile_rule(rule, revision, lists)

    monkeypatch.setattr(module, "compile_rule", counting)
    first = Snapshot.empty().fold(entries(rule("a", "x"), rule("a", "x", 2), rule("b", "y")))
    assert compiled == ["a/x@2", "b/y@1"]
    first.fold(entries(rule("b", "z"), start=3))
    assert compiled[2:] == ["b/z@1"]


def test_a_disabled_rule_is_known_but_not_in_the_index() -> None:
    snapshot = Snapshot.empty().fold(entries(rule("a", "x", enabled=False)))
    assert snapshot.rule("a", "x") is not None
    assert snapshot.rules.get("a", "x") is None
    assert snapshot.problems == ()


def test_a_named_list_holds_in_its_tenants_rules_from_the_moment_it_changes() -> None:
    condition = {"actor.id": {"in": {"list": "vip"}}}
    rules = [rule(tenant, "x", condition=condition) for tenant in ("a", "b")]

    def vip(*values: str) -> ConfigRecord:
        return ConfigRecord("list", "a", "vip", 1, {"values": list(values)}, "", "")

    def matching(snapshot: Snapshot, tenant: str) -> list[str]:
        found = snapshot.rules.get(tenant, "x")
        assert found is not None
        return [who for who in ("alice", "bob") if found.matches({"action": "any", "actor": {"id": who}}, 0)]

    snapshot = Snapshot.empty().fold(entries(*rules))
    assert matching(snapshot, "a") == []
    for values in (["alice"], ["alice", "bob"], ["bob"]):
        after = snapshot.fold(entries(vip(*values), start=snapshot.offset))
        assert matching(after, "a") == values
        assert after.rule("b", "x") is snapshot.rule("b", "x"), "another tenant's list is not its"
        before, now = snapshot.rule("a", "x"), after.rule("a", "x")
        assert before is not None
        assert now is not None
        assert now.counting_hash == before.counting_hash, "no window starts anew for it"
        snapshot = after
    gone = snapshot.fold(entries(("a/list/vip", None), start=snapshot.offset))
    assert matching(gone, "a") == []
    bad = snapshot.fold(entries(ConfigRecord("list", "a", "vip", 2, {"values": 5}, "", ""), start=snapshot.offset))
    assert matching(bad, "a") == []
    assert "values: 5 is not a list" in str(bad.problems[0])


BAD_VALUES = {
    "not JSON": b"{",
    "not an object": b"[]",
    "of a later version": b'{"v": 2}',
    "of no version": b"{}",
    "another tenant's": encode(rule("b", "x")),
    "of no revision": encode(rule("a", "x")).replace(b'"revision":1', b'"revision":0'),
    "without a spec": encode(rule("a", "x")).replace(b'"spec":{', b'"spec":1,"s":{'),
    "of an unknown type": encode(rule("a", "x", 2, type="nonsense")),
    "with a bad window": encode(
        rule("a", "x", 2, type="threshold", condition={"action": "a", "count": 1, "window_seconds": 0})
    ),
}


@pytest.mark.parametrize("value", BAD_VALUES.values(), ids=BAD_VALUES)
def test_a_bad_record_makes_that_rule_inactive_and_no_other(value: bytes) -> None:
    good = Snapshot.empty().fold(entries(rule("a", "x"), rule("a", "y")))
    bad = good.fold(entries(("a/rule/x", value), start=2))
    assert bad.offset == 3
    assert bad.rule("a", "x") is None
    assert bad.rules.get("a", "x") is None
    assert bad.rule("a", "y") is good.rule("a", "y")
    (problem,) = bad.problems
    assert (problem.tenant, problem.kind, problem.id, problem.offset) == ("a", "rule", "x", 2)
    assert "a/rule/x" in str(problem)
    assert "\n" not in str(problem)

    assert bad.fold(entries(rule("a", "x", 3), start=3)).problems == ()
    assert bad.fold(entries(("a/rule/x", None), start=3)).problems == ()


def test_the_problem_of_a_rule_says_what_the_parser_says() -> None:
    snapshot = Snapshot.empty().fold(entries(("a/rule/x", BAD_VALUES["with a bad window"])))
    assert "condition.window_seconds: 0 is not at least 1" in str(snapshot.problems[0])
    assert snapshot.record("rule", "a", "x") is not None, "it is still listed"


def test_a_defect_in_the_compiler_stays_one_rules_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(rule: Any, revision: int, lists: Any) -> Any:
        raise KeyError("surprise")

    monkeypatch.setattr(module, "compile_rule", broken)
    snapshot = Snapshot.empty().fold(entries(rule("a", "x")))
    assert "KeyError('surprise')" in str(snapshot.problems[0])


@pytest.mark.parametrize("key", [b"", b"a", b"a/b", b"a/b/c/d", b"//", b"\xff/rule/x", None])
def test_a_bad_key_is_a_problem(key: bytes | None) -> None:
    snapshot = Snapshot.empty().fold([ConfigEntry(0, key, b"{}")])
    assert len(snapshot.problems) == 1
    assert snapshot.offset == 1
    assert snapshot.fold([ConfigEntry(1, key, None)]).problems == ()


def test_an_unknown_kind_is_kept_and_said() -> None:
    record = ConfigRecord("gadget", "a", "x", 1, {}, "", "")
    snapshot = Snapshot.empty().fold(entries(record))
    assert snapshot.record("gadget", "a", "x") == record
    assert "kind 'gadget'" in str(snapshot.problems[0])


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


@given(texts, texts, texts)
def test_every_name_survives_in_a_key(tenant: str, kind: str, id: str) -> None:
    assert split_key(record_key(tenant, kind, id).encode()) == (tenant, kind, id)


@given(st.dictionaries(texts, st.none() | st.booleans() | texts | st.integers(-(2**53), 2**53)), texts)
def test_a_record_survives_its_bytes(spec: dict[str, Any], id: str) -> None:
    record = ConfigRecord("policy", "a/b", id, 7, spec, "then", "me")
    assert decode(record.key.encode(), encode(record)) == record


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_no_bytes_make_it_raise(key: bytes, value: bytes) -> None:
    snapshot = Snapshot.empty().fold([ConfigEntry(0, key, value), ConfigEntry(1, b"a/rule/x", value)])
    assert snapshot.offset == 2
    assert snapshot.problems


steps = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.sampled_from(["write", "delete", "bad"])), max_size=25
)


@given(steps, st.integers(1, 10))
def test_folding_in_pieces_is_folding_at_once(steps: list[tuple[str, str, str]], size: int) -> None:
    log: list[ConfigEntry] = []
    model: dict[tuple[str, str], int] = {}
    for offset, (tenant, id, action) in enumerate(steps):
        record = rule(tenant, id, offset + 1)
        value = {"write": encode(record), "delete": None, "bad": b"bad"}[action]
        log.append(ConfigEntry(offset, record.key.encode(), value))
        model.pop((tenant, id), None)
        if action == "write":
            model[tenant, id] = offset + 1
    whole, pieces = Snapshot.empty().fold(log), Snapshot.empty()
    for start in range(0, len(log), size):
        pieces = pieces.fold(log[start : start + size])
    assert active(whole) == active(pieces) == {(*key, revision) for key, revision in model.items()}
    assert whole.problems == pieces.problems
    assert whole.offset == pieces.offset
    for tenant, id in (key for key in model):
        assert pieces.rules.get(tenant, id) is pieces.rule(tenant, id)


def test_a_record_has_a_limit() -> None:
    with pytest.raises(RecordError, match="is more than 524288"):
        encode(rule("a", "x", description="x" * 600_000))


def test_records_are_json_that_people_can_read() -> None:
    assert orjson.loads(encode(rule("a", "x"))) == {
        "v": 1,
        "kind": "rule",
        "tenant_id": "a",
        "id": "x",
        "revision": 1,
        "spec": PATTERN,
        "updated_at": "2026-01-01T00:00:00.000Z",
        "updated_by": "test",
    }
