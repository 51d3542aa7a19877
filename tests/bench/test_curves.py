"""The curves vary what they say and nothing else, and there are as many keys, tenants and partitions as they say."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from streamproc.bench.curves import GROUPS, OUT_OF_REACH, curves, watchers
from streamproc.bench.draw import ACTIONS, TENANTS, W1, Workload, draws, to_json
from streamproc.bench.partitions import PARTITIONS, RESIZED, write_topics_file
from streamproc.bench.preload import prefix
from streamproc.bench.scale import FULL, QUICK, Scale
from streamproc.kafka.topics import load_topics
from streamproc.rules import compile_rule, parse_rule
from streamproc.settings import Settings


def parsed(document: dict[str, Any]) -> Any:
    return parse_rule({name: value for name, value in document.items() if name != "kind"})


@pytest.mark.parametrize("scale", [FULL, QUICK], ids=["full", "quick"])
def test_every_point_has_rules_that_can_be_read(scale: Scale) -> None:
    for curve in curves(scale):
        assert len(curve.points) > 1, curve.name
        for _, match in curve.points:
            documents = match.contestant.documents  # type: ignore[attr-defined]  # each is a Worker
            assert parsed(documents[0])
            assert parsed(documents[-1])


def test_each_curve_varies_one_thing() -> None:
    found = {curve.name: curve.points for curve in curves(FULL)}
    assert [len(match.contestant.documents) for _, match in found["rules"]] == [x for x, _ in found["rules"]]  # type: ignore[attr-defined]
    assert [match.workload.tenants for _, match in found["tenants"]] == [x for x, _ in found["tenants"]]
    assert [match.partitions for _, match in found["partitions"]] == [x for x, _ in found["partitions"]]
    assert [match.contestant.processes for _, match in found["workers"]] == [x for x, _ in found["workers"]]  # type: ignore[attr-defined]
    for name, points in found.items():
        assert len({match.events for _, match in points}) == 1, name


def test_watchers_look_and_let_all_pass() -> None:
    documents = watchers(2 * TENANTS * len(ACTIONS))
    share = Counter((one["tenant_id"], one["condition"]["action"]) for one in documents)
    assert set(share.values()) == {2}
    assert len(share) == TENANTS * len(ACTIONS)
    looking = {(one["tenant_id"], one["condition"]["action"]): compile_rule(parsed(one), 1) for one in documents}
    for draw in draws(W1, 2_000):
        rule = looking[draw.tenant, draw.action]
        assert not rule.matches(orjson.loads(to_json(draw)), draw.ms)
        assert draw.affected < OUT_OF_REACH


@pytest.mark.parametrize("keys", [1_000, 10_000])
def test_as_many_keys_as_written(keys: int) -> None:
    fields = {"action": lambda d: d.action, "actor.id": lambda d: d.actor}
    stream = list(draws(W1, 100_000))
    found = {(draw.tenant, *(fields[field](draw) for field in GROUPS[keys])) for draw in stream}
    assert len(found) == keys


def test_tenants_share_the_same_traffic() -> None:
    few, usual = (list(draws(Workload("x", 1, tenants), 3_000)) for tenants in (10, TENANTS))
    assert len({draw.tenant for draw in few}) == 10
    assert [draw._replace(tenant="") for draw in few] == [draw._replace(tenant="") for draw in usual]


def test_a_topics_file_with_other_partitions(tmp_path: Path) -> None:
    shipped, other = (
        load_topics(Settings(topics_file=file)) for file in (None, write_topics_file(12, tmp_path / "new"))
    )
    changed = {name for name in shipped if shipped[name] != other[name]}
    assert changed == set(RESIZED)
    assert {other[name].partitions for name in RESIZED} == {12}
    assert {shipped[name].partitions for name in RESIZED} == {PARTITIONS}


def test_events_in_other_partitions_are_other_topics() -> None:
    assert prefix(W1, 1_000) == prefix(W1, 1_000, PARTITIONS)
    assert prefix(W1, 1_000) != prefix(W1, 1_000, 12)
