"""A recorded attack on an AWS account, with the rules a security team might have had."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from streamproc.cli.main import run

ROOT = Path(__file__).parents[2]
DATA = ROOT / os.environ.get("STREAMPROC_REAL_DATA", "../shared/data")
EVENTS = DATA / "cloudtrail_invictus" / "events.jsonl"
RULES = Path(__file__).parent / "rules"

pytestmark = pytest.mark.skipif(
    not EVENTS.is_file(), reason=f"{EVENTS} is not there; set STREAMPROC_REAL_DATA to the folder of captured logs"
)


def backtest(out: Path, *options: str) -> list[dict[str, Any]]:
    command = ["backtest", "--rules", str(RULES), "--events", str(EVENTS), "--format", "cloudtrail", "-o", str(out)]
    assert run([*command, *options]) == 0
    return [orjson.loads(line) for line in out.read_bytes().splitlines()]


@pytest.fixture(scope="module")
def alerts(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return backtest(tmp_path_factory.mktemp("real") / "alerts.jsonl")


@pytest.fixture(scope="module")
def events() -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in EVENTS.read_bytes().splitlines()]


def test_each_part_of_the_attack_is_found(alerts: list[dict[str, Any]]) -> None:
    found = [(a["rule"]["id"], a["group"]["actor.id"].split(":", 5)[5].split("/")[1]) for a in alerts]
    assert found == [
        ("denied-burst", "stratus-red-team-ec2-get-password-data-role"),
        ("secret-reads", "bert-jan"),
        ("log-tampering", "bert-jan"),
        ("denied-burst", "stratus-red-team-get-usr-data-role"),
        ("key-created", "bert-jan"),
    ]


def test_the_counts_are_those_of_the_log(alerts: list[dict[str, Any]], events: list[dict[str, Any]]) -> None:
    """Counted from the untouched records: which calls, by whom, however often they were delivered."""
    unique = {e["eventID"]: e for e in events}.values()
    keys = Counter(e["userIdentity"].get("arn") for e in unique if e["eventName"] == "CreateAccessKey")
    [created] = [a for a in alerts if a["rule"]["id"] == "key-created"]
    assert created["trigger_count"] == keys[created["group"]["actor.id"]]
    for burst in (a for a in alerts if a["rule"]["id"] == "denied-burst"):
        actor = burst["group"]["actor.id"]
        calls = [e for e in unique if e["userIdentity"].get("arn") == actor]
        denied = [
            e for e in calls if "AccessDenied" in e.get("errorCode", "") or "Unauthorized" in e.get("errorCode", "")
        ]
        assert burst["context"]["count"] == len(denied)
        assert burst["trigger_count"] == len(denied) - 9, "from the tenth on"


def test_alerts_say_what_people_need(alerts: list[dict[str, Any]]) -> None:
    for alert in alerts:
        assert (alert["status"], alert["event_type"]) in (("open", "alert.triggered"), ("open", "alert.updated"))
        assert alert["revision"] == alert["trigger_count"]
        assert alert["event"]["raw"]["eventID"] == alert["event"]["id"]
        assert alert["context"]["sample"]
        assert alert["affected_assets"]
        assert alert["mitre_techniques"]
        assert len(orjson.dumps(alert)) < 96 * 1024


def test_the_same_again_and_in_order_of_delivery(alerts: list[dict[str, Any]], tmp_path: Path) -> None:
    """This log was written in order of time, so that both orders are one."""
    assert backtest(tmp_path / "again.jsonl") == alerts
    assert backtest(tmp_path / "delivered.jsonl", "--delivery-order") == alerts
