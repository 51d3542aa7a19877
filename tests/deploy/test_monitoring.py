"""Dashboard and alert rules ask for what the processes export, and the rules fire when they should."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest
import yaml

from tests.deploy.files import DEPLOY, ROOT, expressions, series, tool

PROMETHEUS = DEPLOY / "prometheus"
MONITOR = ROOT / "docs" / "how-to" / "monitor.md"
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text())
OF_THE_CLIENT = {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "up"}
"""Series that the Prometheus client library, or Prometheus itself, makes."""
OF_THE_SCRAPE = {"job", "instance"}
"""Labels that Prometheus adds."""

FUNCTIONS = {
    *("sum", "max", "min", "rate", "increase", "delta", "time", "histogram_quantile"),
    *("by", "and", "or", "unless", "offset", "le"),
}


def rules() -> list[dict[str, Any]]:
    return [
        rule for group in yaml.safe_load((PROMETHEUS / "alerts.yaml").read_text())["groups"] for rule in group["rules"]
    ]


@pytest.mark.parametrize(("where", "expression"), list(expressions()), ids=lambda text: text[:40])
def test_every_series_and_label_that_is_asked_for_exists(where: str, expression: str) -> None:
    known = series()
    bare = re.sub(r"\[[^\]]*\]|\"[^\"]*\"", "", expression)  # no ranges, no values of labels
    named = set(re.findall(r"\b[a-z_]{2,}\b", re.sub(r"\{[^}]*\}|by \([^)]*\)", "", bare)))
    named -= FUNCTIONS
    assert named, f"{where} asks for nothing"
    assert named - known.keys() - OF_THE_CLIENT == set(), where
    allowed = OF_THE_SCRAPE | {label for name in named for label in known.get(name, ())}
    asked = {label for part in re.findall(r"\{([^}]*)\}", bare) for label in re.findall(r"(\w+)\s*(?:=|!)", part)}
    asked |= {label.strip() for part in re.findall(r"by \(([^)]*)\)", bare) for label in part.split(",")}
    assert asked - allowed == set(), where


def test_what_is_exported_is_shown() -> None:
    """The dashboard has a place for every metric; it is how an operator finds that one exists."""
    shown = " ".join(text for where, text in expressions() if where.startswith("panel"))
    families = {re.sub(r"_(?:bucket|sum|count)$", "", name) for name in series() if name != "streamproc_build_info"}
    assert {name for name in families if name not in shown} == set()


def test_panels_have_their_own_places() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))
    taken: dict[tuple[int, int], str] = {}
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]


def test_the_dashboard_finds_its_data_source() -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    [source] = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())["datasources"]
    [variable] = DASHBOARD["templating"]["list"]
    assert variable["current"]["value"] == source["uid"]
    [provider] = yaml.safe_load((provisioning / "dashboards" / "streamproc.yaml").read_text())["providers"]
    mounts = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["grafana"]["volumes"]
    assert f"./grafana/dashboard.json:{provider['options']['path']}/dashboard.json:ro" in mounts


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_alert_says_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["runbook"] == f"docs/how-to/monitor.md#{rule['alert'].lower()}"
    assert f"### {rule['alert']}\n" in MONITOR.read_text()


def test_every_alert_is_tested_both_ways() -> None:
    tests = yaml.safe_load((PROMETHEUS / "tests.yaml").read_text())["tests"]
    checks = [one for test in tests for one in test["alert_rule_test"]]
    fires = {one["alertname"] for one in checks if one["exp_alerts"]}
    quiet = {one["alertname"] for one in checks if not one["exp_alerts"]}
    names = {rule["alert"] for rule in rules()}
    assert fires == quiet == names


@pytest.mark.parametrize(
    "arguments",
    [("check", "rules", "alerts.yaml"), ("check", "config", "prometheus.yaml"), ("test", "rules", "tests.yaml")],
    ids=" ".join,
)
def test_promtool_agrees(arguments: tuple[str, ...]) -> None:
    promtool = tool("promtool", "apt-get install prometheus")
    run = subprocess.run([promtool, *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
