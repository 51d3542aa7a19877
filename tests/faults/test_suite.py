"""A short run of `make test-faults`: a few of its faults, once each."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(400)]

FAULTS = ("broker-kill", "network-cut", "state-damaged", "poison-storm")
"""Those that no other test here has: processes that are killed or paused have tests of their own."""


def test_some_faults_lose_nothing_and_invent_nothing(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.suite", "--runs", "1", "--report", report, "--only", *FAULTS],
        cwd=Path(__file__).parents[2],
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
    )
    assert done.returncode == 0, "\n" + done.stdout[-4000:] + done.stderr[-20_000:]
    found = orjson.loads(report.read_bytes())
    assert found.keys() == set(FAULTS)
    for name, one in found.items():
        assert (one["runs"], one["lost"], one["extra"], one["wrong"]) == (1, 0, 0, 0), name
        assert one["alerts"] > 0, name
        assert one["state_equal"] is not False, name
