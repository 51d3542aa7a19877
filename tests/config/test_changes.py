"""Applying documents: what changes, what does not, what is deleted, and what is wrong with a document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import yaml

from streamproc.config.changes import Action, Change, DocumentsError, check_documents, plan
from streamproc.config.documents import parse_documents
from streamproc.config.keyring import Keyring
from streamproc.config.record import encode
from streamproc.config.sealing import HIDDEN
from streamproc.config.snapshot import ConfigEntry, Snapshot
from streamproc.rules import parse_rule

KEYS = Keyring([b"k" * 32])

RULE = """
kind: rule
tenant_id: acme
id: r
name: Logins
type: threshold
condition: {action: user.login, outcome: failure, count: 5, window_seconds: 300}
severity: high
"""
WEBHOOK = """
kind: webhook
tenant_id: acme
id: w
url: https://soc.example.com/hook
secret: whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0
"""


def wanted(*texts: str, **options: Any) -> Any:
    return check_documents(parse_documents("\n---\n".join(texts), "f.yaml"), KEYS, **options)


def planned(snapshot: Snapshot, *texts: str, **options: Any) -> list[Change]:
    return plan(snapshot, wanted(*texts), KEYS, now="2026-01-01T00:00:00.000Z", by="me", **options)


def applied(snapshot: Snapshot, changes: Sequence[Change]) -> Snapshot:
    return snapshot.fold(
        ConfigEntry(offset, change.record.key.encode(), encode(change.after) if change.after else None)
        for offset, change in enumerate(changes, snapshot.offset)
        if change.action is not Action.UNCHANGED
    )


def after(*texts: str) -> Snapshot:
    return applied(Snapshot.empty(), planned(Snapshot.empty(), *texts))


def actions(changes: Sequence[Change]) -> list[tuple[str, str]]:
    return [(change.action.value, change.record.key) for change in changes]


def test_applying_twice_changes_nothing() -> None:
    snapshot = after(RULE, WEBHOOK)
    assert actions(planned(Snapshot.empty(), RULE, WEBHOOK)) == [
        ("create", "acme/rule/r"),
        ("create", "acme/webhook/w"),
    ]
    assert actions(planned(snapshot, RULE, WEBHOOK)) == [
        ("unchanged", "acme/rule/r"),
        ("unchanged", "acme/webhook/w"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        RULE.replace("severity: high\n", "").replace("id: r\n", "severity: 'high'\nid: r\n"),
        RULE.replace("tenant_id", "tenantId"),
        RULE + "# a remark\n",
        '{"kind": "rule", "tenant_id": "acme", "id": "r", "name": "Logins", "type": "threshold", "severity": "high",'
        ' "condition": {"window_seconds": 300, "count": 5, "outcome": "failure", "action": "user.login"}}',
    ],
    ids=["order", "camelCase", "comment", "JSON"],
)
def test_another_spelling_is_no_change(text: str) -> None:
    assert actions(planned(after(RULE), text)) == [("unchanged", "acme/rule/r")]


def test_a_change_is_the_next_revision_and_says_what_differs() -> None:
    snapshot = after(RULE)
    (change,) = planned(snapshot, RULE.replace("count: 5", "count: 7"))
    assert change.action is Action.UPDATE
    assert change.record.revision == 2
    assert change.fields == (("condition.count", 5, 7),)
    assert (change.record.updated_at, change.record.updated_by) == ("2026-01-01T00:00:00.000Z", "me")
    compiled = applied(snapshot, [change]).rule("acme", "r")
    assert compiled is not None
    assert compiled.revision == 2


def test_a_changed_secret_is_a_change_that_does_not_show_it() -> None:
    snapshot = after(WEBHOOK)
    other = WEBHOOK.replace("c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcg")
    (change,) = planned(snapshot, other)
    assert change.action is Action.UPDATE
    assert change.fields == (("secret", HIDDEN, HIDDEN),), "and not the address, which is sealed anew too"
    assert "b3RoZXJ" not in repr(change.fields)
    assert b"b3RoZXJ" not in encode(change.record)


def test_an_exported_document_applies_as_no_change() -> None:
    snapshot = after(WEBHOOK)
    record = snapshot.record("webhook", "acme", "w")
    assert record is not None
    exported = {"kind": "webhook", **record.document()}
    assert "$sealed" in str(exported)
    (one,) = check_documents(parse_documents(str(exported).replace("'", '"'), "f.json"), KEYS)
    assert actions(plan(snapshot, [one], KEYS, now="", by="")) == [("unchanged", "acme/webhook/w")]


def test_a_sealed_value_of_another_key_is_refused_with_its_place() -> None:
    record = after(WEBHOOK).record("webhook", "acme", "w")
    assert record is not None
    text = str({"kind": "webhook", **record.document()}).replace("'", '"')
    with pytest.raises(DocumentsError, match=r"f\.json:1: .*STREAMPROC_SECRET_KEY"):
        check_documents(parse_documents(text, "f.json"), Keyring([b"x" * 32]))


def test_what_was_sealed_with_a_lost_key_is_replaced() -> None:
    snapshot = after(WEBHOOK)
    fresh = Keyring([b"x" * 32])
    documents = check_documents(parse_documents(WEBHOOK, "f.yaml"), fresh)
    changes = plan(snapshot, documents, fresh, now="", by="")
    assert actions(changes) == [("update", "acme/webhook/w")]
    assert {path for path, _, _ in changes[0].fields} == {"url", "secret"}


def test_prune_deletes_what_the_files_lack_of_their_tenants() -> None:
    other = RULE.replace("acme", "other")
    key = (
        "{kind: key, tenant_id: acme, id: k, name: K, scopes: [admin], created_at: '2026-01-01T00:00:00Z',"
        " hashes: [{hash: abc, last4: wxyz}]}"
    )
    snapshot = after(RULE, RULE.replace("id: r", "id: r2"), WEBHOOK, other, key)
    assert actions(planned(snapshot, RULE, prune=True)) == [
        ("unchanged", "acme/rule/r"),
        ("delete", "acme/rule/r2"),
        ("delete", "acme/webhook/w"),
    ]
    assert actions(planned(snapshot, RULE, prune=True, kinds=["rule"]))[1:] == [("delete", "acme/rule/r2")]
    assert actions(planned(snapshot, key.replace("id: k", "id: l"), prune=True, kinds=[])) == [
        ("create", "acme/key/l"),
        ("delete", "acme/key/k"),
    ]
    left = applied(snapshot, planned(snapshot, RULE, prune=True))
    assert [record.key for record in left.records("rule")] == ["acme/rule/r", "other/rule/r"]


def test_a_rule_without_an_id_gets_the_same_one_each_time() -> None:
    text = RULE.replace("id: r\n", "")
    (one,), (two,) = wanted(text), wanted(text)
    assert one.id == two.id
    assert one.id == one.meaning.id == parse_rule(yaml.safe_load(text.replace("kind: rule", ""))).id
    assert wanted(text.replace("acme", "other"))[0].id != one.id


def test_kind_and_tenant_may_be_said_once_for_all() -> None:
    text = RULE.replace("kind: rule\n", "").replace("tenant_id: acme\n", "")
    (one,) = wanted(text, kind="rule", tenant="acme")
    assert one.key == "acme/rule/r"
    (one,) = wanted(RULE, kind="list", tenant="other")
    assert one.key == "acme/rule/r", "what the document says holds"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (RULE.replace("kind: rule\n", ""), "f.yaml:2: kind: is required; say what it is, one of rule, webhook"),
        (RULE.replace("kind: rule", "kind: gadget"), "f.yaml:2: kind: 'gadget' is not one of rule, webhook"),
        (RULE.replace("tenant_id: acme\n", ""), "tenant_id: is required"),
        (RULE.replace("id: r\n", "id: 7\n"), "f.yaml:4: id: 7 is not a text"),
        (RULE.replace("tenant_id: acme", "tenant_id: ''"), "f.yaml:3: tenant_id: '' is not a text"),
        (RULE + "tenantId: b\n", "f.yaml:9: tenantId: is given twice"),
        (RULE.replace("300", "0"), "f.yaml:7: condition.window_seconds: 0 is not at least 1"),
        (WEBHOOK.replace("https", "gopher"), "f.yaml:5: url: "),
        (WEBHOOK.replace("id: w\n", ""), "id: is required; each document has one"),
        (WEBHOOK + "colour: red\n", "f.yaml:7: colour: is not a known field"),
        ("{kind: list, tenant_id: acme, id: l}", "values: None is not a list"),
        ("{kind: list, tenant_id: acme, id: l, values: [a, {b: c}]}", "f.yaml:1: values[1]: {'b': 'c'} is not a text"),
        (RULE + "---" + RULE, "f.yaml:10: acme/rule/r is in f.yaml:2 already"),
    ],
)
def test_a_bad_document_is_named_with_file_line_and_path(text: str, message: str) -> None:
    with pytest.raises(DocumentsError) as error:
        wanted(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_all_bad_documents_are_named_and_none_is_applied() -> None:
    bad = RULE.replace("300", "0")
    with pytest.raises(DocumentsError) as error:
        wanted(bad, RULE.replace("id: r", "id: r2"), bad.replace("id: r", "id: r3"))
    assert len(error.value.problems) == 2
    assert "(and 1 more)" in str(error.value)


def test_other_kinds_can_be_refused() -> None:
    with pytest.raises(DocumentsError, match="kind: 'webhook' is not rule"):
        wanted(WEBHOOK, only=("rule",))
