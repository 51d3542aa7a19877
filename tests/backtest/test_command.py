"""`streamproc backtest` as people run it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from streamproc.cli.main import run

RULE = {
    "id": "r",
    "name": "Exports",
    "type": "threshold",
    "condition": {"action": "export", "count": 2, "window": "1m"},
}


def event(second: int, **fields: Any) -> dict[str, Any]:
    at = f"2026-02-10T12:00:{second:02d}.000Z"
    return {"id": f"e{second}", "tenant_id": "acme", "action": "export", "event_time": at} | fields


class Files:
    """Rules and events in a folder; `backtest` runs the command on them: (status, output lines, summary)."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[bytes]) -> None:
        self.folder, self._capture = folder, capture

    def rules(self, *documents: Any, name: str = "rules.yaml") -> Path:
        path = self.folder / name
        path.write_text(yaml.safe_dump_all(documents))
        return path

    def events(self, *events: Any, name: str = "events.jsonl") -> Path:
        path = self.folder / name
        path.write_bytes(b"".join((e if isinstance(e, bytes) else orjson.dumps(e)) + b"\n" for e in events))
        return path

    def backtest(self, rules: Path, events: Path, *options: str) -> tuple[int, list[Any], str]:
        status = run(["backtest", "--rules", str(rules), "--events", str(events), *options])
        output, summary = self._capture.readouterr()
        return status, [orjson.loads(line) for line in output.splitlines()], summary.decode()


@pytest.fixture
def files(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> Files:
    return Files(tmp_path, capsysbinary)


def test_alerts_on_standard_output_and_a_summary_beside_it(files: Files) -> None:
    rules, events = files.rules(RULE | {"severity": "high"}), files.events(event(0), event(5), event(9), b"nonsense")
    status, [alert], summary = files.backtest(rules, events)
    assert status == 0
    assert (alert["rule"]["id"], alert["trigger_count"], alert["event"]["id"]) == ("r", 2, "e5")
    assert "3 events from 2026-02-10T12:00:00.000Z to 2026-02-10T12:00:09.000Z" in summary
    assert "3 hits, 2 triggers, 1 alerts" in summary
    assert ["1", "high", "r"] in [line.split() for line in summary.splitlines()]
    assert f"{events}:4: " in summary
    assert "1 not_json" in summary


def test_output_into_a_file(files: Files) -> None:
    rules, events, out = files.rules(RULE), files.events(event(0), event(5)), files.folder / "alerts.jsonl"
    status, printed, _ = files.backtest(rules, events, "-o", str(out))
    assert (status, printed) == (0, [])
    assert orjson.loads(out.read_bytes())["trigger_count"] == 1


def test_order_of_time_or_of_delivery(files: Files) -> None:
    rules, events = files.rules(RULE), files.events(event(9), event(5), event(0))
    _, [by_time], _ = files.backtest(rules, events)
    _, [delivered], _ = files.backtest(rules, events, "--delivery-order")
    assert (by_time["event"]["id"], delivered["event"]["id"]) == ("e5", "e5")
    assert (by_time["triggered_at"], by_time["created_at"]) == ("2026-02-10T12:00:05.000Z",) * 2
    assert delivered["created_at"] == "2026-02-10T12:00:09.000Z"


def test_matches(files: Files) -> None:
    rules = files.rules(RULE)
    status, found, summary = files.backtest(rules, files.events(event(0), event(1, action="x"), event(2)), "--matches")
    assert (status, found) == (0, [{"line": 0, "rule_id": "r"}, {"line": 2, "rule_id": "r"}])
    assert "2 matches" in summary


def test_a_rule_without_a_tenant_holds_for_all_or_for_the_one_that_is_named(files: Files) -> None:
    rules = files.rules(RULE)
    events = files.events(event(0), event(1), event(2, tenant_id="other"), event(3, tenant_id="other"))
    _, alerts, _ = files.backtest(rules, events)
    assert [(a["tenant_id"], a["rule"]["owner"]) for a in alerts] == [("acme", "*"), ("other", "*")]
    _, alerts, summary = files.backtest(rules, events, "--tenant", "acme")
    assert [(a["tenant_id"], a["rule"]["owner"]) for a in alerts] == [("acme", "acme")]
    assert "2 foreign_tenant" in summary


def test_rules_of_another_tenant_than_the_events(files: Files) -> None:
    status, alerts, summary = files.backtest(files.rules(RULE | {"tenant_id": "elsewhere"}), files.events(event(0)))
    assert (status, alerts) == (0, [])
    assert "no event is of a tenant that has rules (elsewhere), but of acme" in summary


def test_a_folder_may_hold_lists_and_other_kinds(files: Files) -> None:
    listed = RULE | {"condition": {"actor": {"id": {"in": {"list": "vips"}}}}, "type": "pattern"}
    files.rules(listed, {"kind": "list", "tenant_id": "*", "id": "vips", "values": ["ann"]}, name="a.yaml")
    files.rules({"kind": "webhook", "tenant_id": "acme", "id": "w", "url": "https://example.com"}, name="b.yaml")
    events = files.events(event(0, actor={"id": "ann"}), event(1, actor={"id": "bob"}))
    rules = files.folder
    events = events.rename(files.folder.parent / "events-elsewhere.jsonl")
    status, [alert], _ = files.backtest(rules, events)
    assert (status, alert["event"]["id"], alert["trigger_count"]) == (0, "e0", 1)


def test_disabled_rules_are_left_out_and_said(files: Files) -> None:
    rules = files.rules(RULE, RULE | {"id": "off", "enabled": False})
    status, alerts, summary = files.backtest(rules, files.events(event(0), event(1)))
    assert (status, [a["rule"]["id"] for a in alerts]) == (0, ["r"])
    assert "1 of the rules disabled" in summary


def test_only_disabled_rules_are_nothing_to_run(files: Files) -> None:
    status, _, said = files.backtest(files.rules(RULE | {"enabled": False}), files.events(event(0)))
    assert status == 2
    assert "every rule is disabled" in said


def test_a_bad_rule_is_named_with_its_line(files: Files) -> None:
    rules = files.folder / "rules.yaml"
    rules.write_text("id: r\nname: n\ntype: threshold\ncondition:\n  action: a\n  count: 0\n  window: 1m\n")
    status, alerts, said = files.backtest(rules, files.events(event(0)))
    assert (status, alerts) == (2, [])
    assert f"{rules}:6: condition.count: 0 is not" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--format", "cloudtrial"], "did you mean cloudtrail?"),
        (["--tenant", "a/*"], "--tenant: "),
        (["-o", "/nowhere/at/all"], "/nowhere/at/all: cannot be written"),
    ],
)
def test_bad_usage_is_one_line(files: Files, options: list[str], said: str) -> None:
    made = files.rules(RULE | {"tenant_id": "acme"}), files.events(event(0))
    status, _, summary = files.backtest(*made, *options)
    assert status == 2
    assert said in summary
    assert len(summary.splitlines()) == 1


def test_events_that_cannot_be_read(files: Files) -> None:
    broken = files.events(b'[{"a":')
    status, _, said = files.backtest(files.rules(RULE), broken)
    assert status == 2
    assert f"{broken}:2: " in said
    status, _, said = files.backtest(files.rules(RULE), files.folder / "missing")
    assert status == 2
    assert "missing: cannot be read" in said
