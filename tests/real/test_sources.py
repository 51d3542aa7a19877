"""Records of other products, as their makers or users published them: every one maps, and says what it says."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import orjson
import pytest

from streamproc.cli.main import run
from streamproc.model.event import Event, EventError, Reason
from streamproc.sources.decode import Decoder

ROOT = Path(__file__).parents[2]
DATA = ROOT / os.environ.get("STREAMPROC_REAL_DATA", "../shared/data")


def lines(name: str) -> Iterator[dict[str, Any]]:
    path = DATA / name
    if not path.is_file():
        pytest.skip(f"{path} is not there; set STREAMPROC_REAL_DATA to the folder of captured logs")
    with path.open("rb") as file:
        for line in file:
            yield orjson.loads(line)


def decoded(decoder: Decoder, record: Any) -> list[Event]:
    """The events of a record, which are canonical and keep it untouched."""
    found = decoder.decode(orjson.dumps(record), 0, 0, None)
    for event in found:
        assert event.doc["raw"] == record
        if "ip" in event.doc["actor"]:
            ip_address(event.doc["actor"]["ip"])
        [again] = Decoder("events").decode(event.raw, 0, 0, None)
        assert (again.doc, again.raw) == (event.doc, event.raw)
    return found


def test_kubernetes() -> None:
    decoder = Decoder("audit", "kubernetes", "cluster-1")
    events: list[Event] = []
    refused = []
    for line in lines("k8s_falco/events.jsonl"):
        try:
            events += decoded(decoder, line["event"])
        except EventError:
            refused.append(line["file"])
    assert refused == ["fal_01_003.json"], "it is made to break parsers"
    assert decoder.skipped == 2, "exec and attach were recorded when they started only"
    assert len(events) == 49
    assert Counter(event.doc["outcome"] for event in events) == {"success": 49}
    actions = Counter(event.action for event in events)
    assert (actions["pods:create"], actions["clusterrolebindings:create"]) == (10, 2)
    for event in events:
        raw = event.doc["raw"]
        assert event.doc["actor"]["id"] == raw["user"]["username"]
        assert event.doc["actor"].get("groups", []) == raw["user"].get("groups", [])
        assert event.doc["actor"]["ip"] == raw["sourceIPs"][-1]
        assert event.id.startswith(raw["auditID"])


def test_google_cloud() -> None:
    decoder = Decoder("audit", "gcp")
    events: list[Event] = []
    refused = []
    for line in lines("gcp_csa/events.jsonl"):
        try:
            events += decoded(decoder, line["event"])
        except EventError as error:
            assert error.reason == Reason.UNMAPPED
            refused.append(line["fixture"].rpartition(".")[2])
    # three are of other logs, and one is a row of a BigQuery export
    assert refused == [
        "InsertJob-dataRead",
        "LoadBalancerLogEntry-Spring4Shell",
        "LoadBalancerLogEntry-handledbyIAP",
        "vpc_flows",
    ]
    assert len(events) == 14
    assert len({event.id for event in events}) == 12, "two samples are another one with a field changed"
    outcomes = {event.action: event.doc["outcome_raw"] for event in events if event.doc["outcome"] != "success"}
    assert outcomes == {
        "login:google.login.LoginService.loginFailure": "loginFailure",
        "storage:google.storage.objects.get": "PERMISSION_DENIED",
    }
    for event in events:
        raw = event.doc["raw"]
        assert event.tenant == raw["logName"].split("/")[1]
        assert event.action.endswith(":" + raw["protoPayload"]["methodName"])


def test_actiontrail() -> None:
    decoder = Decoder("audit", "actiontrail")
    samples = [line["data"] for line in lines("streamalert/classifier_samples.jsonl") if "actiontrail" in line["log"]]
    events = [event for sample in samples for event in decoded(decoder, sample)]
    assert [(event.tenant, event.action, event.doc["actor"]["name"]) for event in events] == [
        ("5105431946222327", "Ram:AttachPolicyToUser", "root"),
        ("43274", "Actiontrail:UpdateTrail", "Alice"),
        ("43274", "Ecs:StopInstance", "Bob"),
        ("1024405406196576", "Sts:AssumeRole", "lisi"),
    ]
    assert [event.doc.get("resource") for event in events] == [
        {"type": "Policy", "id": "AdministratorAccess"},
        None,
        None,
        None,
    ]


RULE = """\
name: Cluster role bound by an administrator
type: pattern
condition: {action: "clusterrolebindings:create", actor.groups: {contains: "system:masters"}}
"""


def test_backtest_reads_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audit, rules, out = tmp_path / "audit.json", tmp_path / "rule.yaml", tmp_path / "alerts.jsonl"
    audit.write_bytes(
        orjson.dumps({"kind": "EventList", "items": [line["event"] for line in lines("k8s_falco/events.jsonl")]})
    )
    rules.write_text(RULE)
    command = ["backtest", "--rules", str(rules), "--events", str(audit), "--format", "kubernetes", "-t", "cluster-1"]
    assert run([*command, "--matches", "-o", str(out)]) == 0, capsys.readouterr().err
    assert len(out.read_bytes().splitlines()) == 2
