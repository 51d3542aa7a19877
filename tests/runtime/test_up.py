"""`streamproc up` on a real, embedded broker: from nothing to delivered alerts, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests.conftest import JARS

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(240)]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class Up:
    """One `streamproc up` in a directory."""

    def __init__(self, directory: Path) -> None:
        self.environment = {
            **os.environ,
            "STREAMPROC_BROKER": "java",
            "STREAMPROC_BROKER_JARS": str(JARS),
            "STREAMPROC_DATA_DIR": str(directory / "data"),
            "STREAMPROC_WORKER_HTTP": f"127.0.0.1:{free_port()}",
            "STREAMPROC_DELIVERY_HTTP": f"127.0.0.1:{free_port()}",
            "STREAMPROC_HTTP": f"127.0.0.1:{free_port()}",
        }
        self.log = directory / "up.log"

    def start(self) -> None:
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streamproc", "up"], env=self.environment, stdout=out, stderr=out
            )
        self.family: set[psutil.Process] = set()

    @property
    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, text: str, limit_s: float) -> None:
        deadline = time.monotonic() + limit_s
        while text not in self.text:
            assert self.process.poll() is None, self.text
            assert time.monotonic() < deadline, self.text
            time.sleep(0.1)
            self.family |= set(psutil.Process(self.process.pid).children(recursive=True))

    def left(self, limit_s: float) -> list[psutil.Process]:
        """Processes of the family that still run after a while."""
        _, alive = psutil.wait_procs(list(self.family), timeout=limit_s)
        return list(alive)


def test_the_first_start_shows_three_attacks_and_stops_cleanly(tmp_path: Path) -> None:
    up = Up(tmp_path)
    started = time.monotonic()
    up.start()
    up.wait_for("every signature verified", 120)
    took = time.monotonic() - started
    for title in ("Brute force from one address", "Mass deletion", "Mass export"):
        assert f"{title}: " in up.text
        assert f"{title}: signature verified" in up.text
    assert "3 alerts for 3 attacks, 3 delivered to the webhook" in up.text

    listed = subprocess.run(
        [sys.executable, "-m", "streamproc", "alerts", "list", "--json"],
        env={**up.environment, "STREAMPROC_KAFKA": (tmp_path / "data" / "bootstrap").read_text().strip()},
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout.count('"status":"open"') == 3, took

    key = (tmp_path / "data" / "admin.key").read_text().strip()
    asked = urllib.request.Request(
        f"http://{up.environment['STREAMPROC_HTTP']}/v1/session", headers={"Authorization": f"Bearer {key}"}
    )
    with urllib.request.urlopen(asked, timeout=10) as answer:
        assert json.load(answer)["operator"] is True
    assert up.text.count(key) == 1, "the admin key is shown once"

    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait(40) == 0, up.text
    assert not up.left(5)
    assert "Traceback" not in up.text

    # data survives, the demonstration is not repeated
    again = Up(tmp_path)
    before = len(again.text)
    again.start()
    deadline = time.monotonic() + 90
    while "streamproc is up" not in again.text[before:]:
        assert time.monotonic() < deadline and again.process.poll() is None, again.text[before:]
        time.sleep(0.1)
    again.family |= set(psutil.Process(again.process.pid).children(recursive=True))
    time.sleep(1)
    assert "Playing" not in again.text[before:]

    # and when it is killed, nothing outlives it
    again.process.kill()
    again.process.wait(5)
    assert not again.left(30)
