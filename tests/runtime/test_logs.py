"""What a process writes to standard error: one line per fact, and no library in a loop."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Iterator

import orjson
import pytest
import structlog

from streamproc.runtime import logs
from streamproc.settings import Settings


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[dict[str, object]]]]:
    """Configures logging as a worker does, and answers what was written since the last call."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure(Settings(log_format="json"), "worker")

    def read() -> list[dict[str, object]]:
        text = written.getvalue()
        written.seek(0)
        written.truncate()
        return [orjson.loads(line) for line in text.splitlines()]

    yield read
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.contextvars.clear_contextvars()
    structlog.reset_defaults()


def test_a_library_says_the_same_once_in_ten_seconds(lines, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(logging.time, "time", lambda: now[0])  # type: ignore[attr-defined]
    monkeypatch.setattr(logging.time, "time_ns", lambda: int(now[0] * 1e9), raising=False)  # type: ignore[attr-defined]
    client, other = logging.getLogger("aiokafka.client"), logging.getLogger("aiokafka.conn")
    for node in range(200):
        client.error("Unable to connect to node %s", node)
        now[0] += 0.01
    client.error("Something else: %s", 1)
    other.error("Unable to connect to node %s", 7)
    assert [line["event"] for line in lines()] == [
        "Unable to connect to node 0",
        "Something else: 1",
        "Unable to connect to node 7",
    ]
    now[0] += logs.REPEATED_S
    client.error("Unable to connect to node %s", 3)
    client.error("Unable to connect to node %s", 4)
    assert [line["event"] for line in lines()] == ["Unable to connect to node 3 [and 199 like it before]"]
    now[0] += logs.REPEATED_S
    client.error("Unable to connect to node %s", 5)
    assert [line["event"] for line in lines()] == ["Unable to connect to node 5 [and 1 like it before]"]


def test_nothing_of_ours_is_left_out(lines) -> None:
    log = structlog.get_logger("streamproc.any")
    for n in range(3):
        log.warning("rule.failed", rule=n, tenant="acme")
    found = lines()
    assert [(line["event"], line["rule"], line["tenant"], line["process"]) for line in found] == [
        ("rule.failed", n, "acme", "worker") for n in range(3)
    ]


def test_life_signs_of_services_are_left_out(lines) -> None:
    logging.getLogger("faust").warning("[^---Service]: told")
    logging.getLogger("streamproc").info("[^---Service]: starting")
    logging.getLogger("aiokafka").error("Group Coordinator Request failed: %s", "not available")
    assert [line["event"] for line in lines()] == ["[^---Service]: told"]
