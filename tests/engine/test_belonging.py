"""Whose the stored rows of detect are."""

from __future__ import annotations

from streamproc.engine.belonging import in_detect
from streamproc.engine.changes import KEY, RETIRED
from tests.engine.making import MINUTE, Partition, event, rule


def test_keys_under_any_rule_and_resolved_alerts_of_the_tenant_alone() -> None:
    partition = Partition(rule("own", auto_resolve_after="1m"), rule("every", tenant_id="*"))
    partition.apply(event(1, 0), event(2, 0, tenant_id="else"))
    partition.write()
    partition.tick(5 * MINUTE)
    rows = partition.store.values
    found = in_detect(rows.items(), "acme")
    assert sorted(key[:1] for key in found.keys) == [KEY, KEY, RETIRED]
    assert len(found.fingerprints) == 2
    told = {alert["id"]: alert["tenant_id"] for alert in partition.sent}
    assert found.alerts == {id for id, tenant in told.items() if tenant == "acme"}
    other = in_detect(rows.items(), "else")
    assert len(other.keys) == 1
    assert set(rows) == {*found.keys, *other.keys}
    assert in_detect(rows.items(), "nobody").keys == []
