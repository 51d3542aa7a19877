"""Kafka under Java as a child of this process, by way of `launcher.py`."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from streamproc.kafka.broker.jars import Progress, fetch_jars, find_java
from streamproc.kafka.broker.launcher import START_SECONDS, STOP_SECONDS, answers
from streamproc.kafka.broker.security import Security
from streamproc.settings import Settings

_LAUNCHER = Path(__file__).with_name("launcher.py")
_JVM = (
    "-Xms64m",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)
"""A small broker for small machines; its warnings go to DATA_DIR/kafka/broker.log.

Only the quick compiler: the optimising one took half a core of two for minutes after the start, which doubled the
time from event to webhook, and what it gains a broker of this size never earns back.
"""


class BrokerStartError(Exception):
    """A broker of our own cannot be started; the text is one line."""


class JavaBroker:
    """A running broker. It stops on `stop()`, or when this process ends in any way."""

    kind = "java"

    def __init__(self, process: subprocess.Popen[str], bootstrap: str) -> None:
        self._process = process
        self.bootstrap = bootstrap

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """Stop cleanly and wait for it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS + 5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


class SharedBroker:
    """Another process's broker on the same data directory: ours to use, not to stop."""

    kind = "shared"

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    @property
    def alive(self) -> bool:
        host, _, port = self.bootstrap.rpartition(":")
        return answers(host, int(port))

    def stop(self) -> None:
        """Leaves it to its owner."""


def has_log(settings: Settings) -> bool:
    """Whether a broker under Java has stored anything in this data directory."""
    return (settings.data_dir / "kafka" / "log" / "meta.properties").exists()


def start_java_broker(
    settings: Settings, progress: Progress, security: Security | None = None
) -> JavaBroker | SharedBroker:
    """Start a broker on the data directory, or join the one that another process runs there.

    One with `security` is not shared: a second start says that the directory is held.
    Raises JavaMissingError when this machine cannot run one, BrokerStartError when it should but does not.
    """
    order = {
        "kafka_dir": str(settings.data_dir / "kafka"),
        "bootstrap_file": str(settings.bootstrap_file),
        "java": find_java(),
        "classpath": fetch_jars(settings, progress),
        "heap": _JVM,
        "port": settings.broker_port,
        "security": None if security is None else str(security.write(settings.data_dir / "kafka")),
    }
    deadline = time.monotonic() + START_SECONDS
    while True:
        process = subprocess.Popen(  # noqa: S603  # our own Python and our own file
            [sys.executable, "-I", str(_LAUNCHER), json.dumps(order)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C is for us: we stop the broker last
        )
        report = _first_report(process)
        match report.get("state"):
            case "ready":
                return JavaBroker(process, report["bootstrap"])
            case "busy":
                process.wait()
                shared = running_broker(settings) if security is None else None
                if shared is not None:
                    return shared
                if time.monotonic() > deadline:
                    raise BrokerStartError(
                        f"another process holds {order['kafka_dir']}/lock, but its broker does not answer"
                    )
                time.sleep(0.2)
            case _:
                process.wait()
                raise BrokerStartError(report.get("message", f"the launcher ended ({process.returncode})"))


def running_broker(settings: Settings) -> SharedBroker | None:
    """The broker that some process runs on the data directory, if it answers."""
    try:
        broker = SharedBroker(settings.bootstrap_file.read_text().strip())
        return broker if broker.alive else None
    except (OSError, ValueError):
        return None


def _first_report(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    report: dict[str, Any] = json.loads(line) if line else {}
    return report
