"""SigmaHQ's audit-log rules, imported, over two recorded CloudTrail sets, against what other evaluators found."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from streamproc.cli.main import run

pytest.importorskip("sigma", reason="pySigma is not installed (the extra `sigma`)")

ROOT = Path(__file__).parents[2]
DATA = ROOT / os.environ.get("STREAMPROC_REAL_DATA", "../shared/data")
RULES = DATA / "sigma" / "rules"
FEWEST, ALL = 290, 294

pytestmark = pytest.mark.skipif(
    not RULES.is_dir(), reason=f"{RULES} is not there; set STREAMPROC_REAL_DATA to the folder of captured logs"
)


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sigma") / "rules"
    assert run(["rules", "import-sigma", str(RULES), "-o", str(out)]) in (0, 1)
    return out


def test_nearly_all_are_carried_over_and_the_others_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = run(["rules", "import-sigma", str(RULES), "-o", str(tmp_path), "--json"])
    told = orjson.loads(capsys.readouterr().out)
    assert len(told["imported"]) + len(told["refused"]) == ALL
    assert len(told["imported"]) >= FEWEST
    assert status == (1 if told["refused"] else 0)
    assert all(one["reason"] and one["title"] and one["source"] for one in told["refused"])
    assert {Path(one["file"]) for one in told["imported"]} == set(tmp_path.iterdir())


def test_they_can_be_applied(imported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = run(["rules", "lint", str(imported), "--json"])
    found = orjson.loads(capsys.readouterr().out)
    assert found["problems"] == []
    assert [one for one in found["findings"] if one["level"] == "error"] == []
    assert status == 0


@pytest.mark.parametrize("name", ["cloudtrail_invictus", "cloudtrail_stratus"])
def test_they_match_the_events_that_other_evaluators_say(imported: Path, name: str, tmp_path: Path) -> None:
    out = tmp_path / "matches.jsonl"
    events = DATA / name / "events.jsonl"
    command = ["backtest", "--matches", "--rules", str(imported), "--events", str(events), "--format", "cloudtrail"]
    assert run([*command, "-o", str(out)]) == 0
    expected = _rows(DATA / "sigma" / "expected" / f"{name}.jsonl")
    assert expected
    assert _rows(out) == expected


def _rows(file: Path) -> Counter[tuple[int, Any]]:
    rows = (orjson.loads(line) for line in file.read_bytes().splitlines())
    return Counter((row["line"], row["rule_id"]) for row in rows)
