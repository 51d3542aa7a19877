"""Which rules need country or coordinates, and who says so when nothing provides them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from streamproc.cli.main import run
from streamproc.rules import RuleIndex, parse_rule
from streamproc.rules.lint import Level, lint
from streamproc.rules.needs import needs_geo

from .making import compiled, rule

COUNT = {"count": 2, "window": "1m"}

NEEDING: list[dict[str, Any]] = [
    rule({}, type="new_country"),
    rule({}, type="impossible_travel"),
    rule({"path": "actor.country"}, type="new_value"),
    rule({"path": "ip_country"}, type="new_value"),
    rule({"actor.country": "RU"}),
    rule({"actor_country": {"not_in": ["DE", "FR"]}}),
    rule({"actor": {"location": {"lat": {"gt": 60}}}}),
    rule({"any": [{"action": "a"}, {"none": [{"actor.country": {"exists": True}}]}]}),
    rule({"metadata.home": {"field": "actor.country"}}),
    rule({"action": "a", "group_by": ["actor.country"], **COUNT}, type="threshold"),
    rule({"action": "a", "distinct": "actor.country", **COUNT}, type="threshold"),
    rule({"steps": [{"action": "a"}, {"actor.country": "RU"}], "within": "1h"}, type="sequence"),
    rule({"action": "a"}, severity=[{"when": {"actor.country": "RU"}, "severity": "high"}]),
]
OTHERS: list[dict[str, Any]] = [
    rule({"action": "a"}),
    rule({"path": "metadata.country"}, type="new_country"),
    rule({"path": "actor.ip"}, type="new_value"),
    rule({"actor.ip": {"cidr": ["10.0.0.0/8"]}, "country": "DE", "metadata.actor.country": "DE"}),
    rule({"action": "a", "group_by": ["actor.id"], **COUNT}, type="threshold"),
    rule({"action": "a"}, title="From {{ event.actor.country }}"),
]


def shown(written: dict[str, Any]) -> str:
    return f"{written['type']} {written['condition']}"


@pytest.mark.parametrize("written", NEEDING, ids=shown)
def test_needed(written: dict[str, Any]) -> None:
    assert needs_geo(parse_rule(written))
    said = [f for f in lint([parse_rule(written)], geoip=False) if "GEOIP_DB" in f.message]
    assert [f.level for f in said] == [Level.WARNING]
    assert said[0].path == ("type" if written["type"] in ("new_country", "impossible_travel") else "condition")
    assert not [f for f in lint([parse_rule(written)]) if "GEOIP_DB" in f.message]


@pytest.mark.parametrize("written", OTHERS, ids=shown)
def test_not_needed(written: dict[str, Any]) -> None:
    assert not needs_geo(parse_rule(written))
    assert not [f for f in lint([parse_rule(written)], geoip=False) if "GEOIP_DB" in f.message]


def test_the_index_counts_them_and_counts_anew() -> None:
    needing, other = compiled({"actor.country": "RU"}, id="a"), compiled({"action": "a"}, id="b")
    every = compiled({}, type="impossible_travel", tenant_id="*", id="c")
    index = RuleIndex.empty.with_tenants({"acme": [needing, other], "*": [every]})
    assert (RuleIndex.empty.needing_place, index.needing_place) == (0, 2)
    assert index.with_tenant("acme", [other]).needing_place == 1
    assert index.with_tenant("acme", []).needing_place == 1


def test_the_command_says_so_unless_a_file_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STREAMPROC_DATA_DIR", str(tmp_path))
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump(rule({"actor.id": "u"}, type="impossible_travel", id="r")))
    assert run(["rules", "lint", str(path), "--strict"]) == 1
    assert "warning: type: needs the actor's country or coordinates, and no GEOIP_DB is set" in capsys.readouterr().out
    monkeypatch.setenv("STREAMPROC_GEOIP_DB", str(tmp_path / "any.mmdb"))  # whether it is there is the worker's matter
    assert run(["rules", "lint", str(path), "--strict"]) == 0
