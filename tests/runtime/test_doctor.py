"""What the doctor says of what it found, and what it finds on a real broker."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from streamproc.config.snapshot import ConfigProblem
from streamproc.kafka.admin import ClusterAdmin
from streamproc.kafka.client import BrokerUnavailableError
from streamproc.kafka.group_progress import Clocks, GroupProgress, TopicLag, broker_clock
from streamproc.kafka.topics import Difference, Finding, apply_topics, load_topics
from streamproc.runtime import doctor
from streamproc.runtime.doctor import Check, State
from streamproc.runtime.examine import CHECKS, examine
from streamproc.settings import HostPort, Settings
from tests.faults.harness import apply_config, produce, read_topic
from tests.mmdb import write_cities

NOW = 1_800_000_000_000


def only(checks: list[Check]) -> Check:
    (check,) = checks
    return check


@pytest.mark.parametrize(
    ("finding", "advice"),
    [
        (Finding("events", Difference.MISSING, "", "", ""), "topics apply"),
        (Finding("events", Difference.CONFIG, "cleanup.policy", "delete", "compact"), "topics apply"),
        (Finding("events", Difference.PARTITIONS, "partitions", "4", "8"), "resize"),
        (Finding("events", Difference.REPLICATION, "replication", "3", "1"), "reassigning"),
    ],
)
def test_each_difference_of_a_topic_has_its_remedy(finding: Finding, advice: str) -> None:
    check = only(doctor.topics(11, [finding]))
    assert (check.state, check.subject) == (State.WRONG, "events")
    assert advice in check.advice


@pytest.mark.parametrize(
    ("members", "oldest_s", "states"),
    [
        (2, None, [State.FINE]),
        (2, 60, [State.FINE]),
        (2, 61, [State.WRONG]),
        (0, 7200, [State.WRONG, State.WRONG]),
        (0, None, [State.WRONG]),
    ],
)
def test_lag_counts_by_how_long_a_record_waits(members: int, oldest_s: int | None, states: list[State]) -> None:
    oldest = None if oldest_s is None else NOW - oldest_s * 1000
    progress = GroupProgress("streamproc-worker", members, [TopicLag("events", 5, oldest)])
    checks = doctor.lag(progress, "worker", NOW)
    assert [check.state for check in checks if check.state is State.WRONG or members] == states
    assert all("streamproc worker" in check.advice for check in checks if check.state is State.WRONG)


def test_lag_says_how_long() -> None:
    progress = GroupProgress("g", 1, [TopicLag("events", 5, NOW - 3 * 86_400_000)])
    assert only(doctor.lag(progress, "worker", NOW)).said == "5 records wait, the oldest for 3 days"


@pytest.mark.parametrize(
    ("broker", "state", "said"),
    [
        (1000, State.FINE, "within"),
        (1040, State.FINE, "within"),
        (3041, State.WRONG, "behind the broker's"),
        (-1001, State.WRONG, "ahead of the broker's"),
        (-1000, State.FINE, "within"),
    ],
)
def test_clocks_are_compared_within_the_round_trip(broker: int, state: State, said: str) -> None:
    check = doctor.clock(Clocks(broker, 1000, 1040))
    assert check.state is state
    assert said in check.said


@pytest.mark.parametrize(
    ("path", "needing", "problem", "days", "state"),
    [
        (None, 0, None, None, State.FINE),
        (None, 2, None, None, State.WRONG),
        ("x.mmdb", 0, None, 3.0, State.FINE),
        ("x.mmdb", 0, None, 61.0, State.WRONG),
        ("x.mmdb", 0, "x.mmdb: cannot be read", None, State.WRONG),
    ],
)
def test_a_geoip_file_must_be_there_and_young(
    path: str | None, needing: int, problem: str | None, days: float | None, state: State
) -> None:
    check = doctor.geoip(None if path is None else Path(path), needing, problem, days)
    assert check.state is state
    assert bool(check.advice) == (state is State.WRONG)


@pytest.mark.parametrize(
    ("status", "answer", "members", "state"),
    [
        (200, {"status": "ready"}, 1, State.FINE),
        (503, {"status": "not ready", "recovering": {"1": 5}}, 1, State.WRONG),
        (None, {}, 0, State.WRONG),
        (None, {}, 2, State.UNKNOWN),
        (None, {}, None, State.WRONG),
    ],
)
def test_a_process_elsewhere_is_no_fault(
    status: int | None, answer: dict[str, Any], members: int | None, state: State
) -> None:
    check = doctor.site("worker", "http://127.0.0.1:8081/readyz", status, answer, members)
    assert check.state is state
    if status == 503:
        assert "recovering" in check.said


@pytest.mark.parametrize(
    ("free", "total", "state"),
    [(1 << 30, 100 << 30, State.FINE), (1 << 29, 100 << 30, State.WRONG), (1 << 29, 2 << 30, State.FINE)],
)
def test_a_disk_is_short_of_room_both_in_bytes_and_in_share(free: int, total: int, state: State) -> None:
    assert doctor.disk(Path("data"), free, total).state is state


@pytest.mark.parametrize(
    ("in_settings", "mode", "sealed", "state"),
    [
        (True, None, 3, State.FINE),
        (False, 0o600, 3, State.FINE),
        (False, 0o640, 3, State.WRONG),
        (False, 0o604, 0, State.WRONG),
        (False, None, 0, State.FINE),
        (False, None, 1, State.WRONG),
    ],
)
def test_the_keyring_is_ours_alone(in_settings: bool, mode: int | None, sealed: int, state: State) -> None:
    assert doctor.keyring(Path("secret.key"), in_settings, mode, sealed).state is state


def test_each_record_with_a_problem_is_named_with_the_command_that_deletes_it() -> None:
    problem = ConfigProblem("acme/rule/r1", "rule", "acme", "r1", 7, "type: 'x' is not a rule type")
    check = only(doctor.config(3, [problem]))
    assert check.said == problem.message
    assert "streamproc config delete rule r1 --tenant acme" in check.advice
    assert only(doctor.config(3, [])).state is State.FINE


def test_channels_that_tell_nobody_are_named() -> None:
    checks = doctor.channels(1, {"webhook acme/a": "url: missing"}, {"webhook acme/b": "by bob"})
    assert [(c.subject, c.state) for c in checks] == [
        ("webhook acme/a", State.WRONG),
        ("webhook acme/b", State.WRONG),
    ]


# on a real broker


@pytest.mark.broker
async def test_a_new_installation_without_processes(settings_with_topics: Settings) -> None:
    free = HostPort("127.0.0.1", _free_port())
    settings = settings_with_topics.model_copy(update={"worker_http": free, "http": free})
    checks = await examine(settings)
    assert {check.check for check in checks} == {"broker", *CHECKS}
    wrong = [(check.check, check.subject) for check in checks if check.state is State.WRONG]
    assert wrong == [
        ("lag", settings.group("streamproc-worker")),
        ("lag", settings.group("streamproc-delivery")),
        ("health", "worker"),
        ("health", "api"),
    ]
    assert all(check.advice for check in checks if check.state is State.WRONG)


@pytest.mark.broker
async def test_what_is_broken_is_found(
    settings_with_topics: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = settings_with_topics.data_dir / "secret.key"
    key.parent.mkdir(parents=True)
    key.write_text("x")
    key.chmod(0o644)
    rule = {"id": "broken", "tenant_id": "acme", "name": "broken", "type": "horoscope", "condition": {}}
    off = {"id": "off", "tenant_id": "acme", "name": "Off", "url": "https://example.com/x", "enabled": False}
    port = _free_port()
    shut = {"id": "shut", "tenant_id": "acme", "name": "Shut", "url": f"http://127.0.0.1:{port}/secret-path"}
    async with _site(503, {"status": "not ready", "recovering": {"2": 17}}) as address:
        monkeypatch.setattr(doctor, "GEOIP_OLD_DAYS", -1)  # a file of today is old, then
        settings = settings_with_topics.model_copy(
            update={"worker_http": address, "geoip_db": write_cities(tmp_path / "old.mmdb")}
        )
        await apply_config(settings, [rule])
        await apply_config(settings, [off, shut], kind="webhook")
        async with ClusterAdmin(settings) as admin:
            await admin.set_config({settings.topic("alerts"): {"cleanup.policy": "delete"}})
            await admin.delete([settings.topic("incidents")])
        checks = await examine(settings, endpoints=True, skip=["lag"])
    wrong = {(check.check, check.subject): check for check in checks if check.state is State.WRONG}
    expected = {
        ("topics", settings.topic("alerts")),
        ("topics", settings.topic("incidents")),
        ("config", "acme/rule/broken"),
        ("channels", "webhook acme/off"),
        ("endpoints", "webhook acme/shut"),
        ("geoip", str(tmp_path / "old.mmdb")),
        ("health", "worker"),
        ("keyring", str(key)),
    }
    assert expected <= wrong.keys()
    assert "17" in wrong["health", "worker"].said
    assert "secret-path" not in str(checks), "the path of a webhook may be its secret"


@pytest.mark.broker
async def test_records_that_nobody_reads_are_lag(settings_with_topics: Settings) -> None:
    settings = settings_with_topics
    await produce(settings, [("acme", b"{}", None)] * 7)
    checks = await examine(settings, skip=[name for name in CHECKS if name != "lag"])
    (events,) = [check for check in checks if check.subject.endswith("on " + settings.topic("events"))]
    assert events.said.startswith("7 records wait")


@pytest.mark.broker
async def test_asking_for_the_time_leaves_nothing_to_read(settings_with_topics: Settings) -> None:
    settings = settings_with_topics
    clocks = await broker_clock(settings, load_topics(settings))
    assert clocks.before <= clocks.after
    assert abs(clocks.broker - time.time() * 1000) < 60_000
    assert doctor.clock(clocks).state is State.FINE
    assert await read_topic(settings, "events") == []
    assert await read_topic(settings, "dead-letters") == []


async def test_without_a_broker_there_is_one_error(new_settings: Callable[..., Settings]) -> None:
    with pytest.raises(BrokerUnavailableError):
        await examine(new_settings(kafka=f"127.0.0.1:{_free_port()}"))


@pytest.mark.broker
@pytest.mark.slow
def test_the_command_answers_with_its_status(settings: Settings, tmp_path: Path) -> None:
    asyncio.run(apply_topics(settings))
    given = {
        "STREAMPROC_KAFKA": settings.kafka,
        "STREAMPROC_TOPIC_PREFIX": settings.topic_prefix,
        "STREAMPROC_DATA_DIR": str(tmp_path),
        "STREAMPROC_HTTP": "127.0.0.1:0",
    }

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "streamproc", "doctor", *arguments]
        return subprocess.run(command, env={**os.environ, **given, **more}, capture_output=True, text=True, check=False)

    healthy = run("--json", "--skip", "lag", "--skip", "health")
    assert healthy.returncode == 0, healthy.stdout + healthy.stderr
    rows = json.loads(healthy.stdout)
    assert {"check", "subject", "state", "said", "advice"} == set(rows[0])
    sick = run("--skip", "health")
    assert sick.returncode == 1
    assert "nobody is a member of the group" in sick.stdout
    nobody = run(STREAMPROC_KAFKA=f"127.0.0.1:{_free_port()}")
    assert nobody.returncode == 3
    assert len(nobody.stderr.splitlines()) == 1
    assert run("--skip", "teeth").returncode == 2


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


class _site:
    """A process that answers `/readyz` with this."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        async def answer(_: web.Request) -> web.Response:
            return web.json_response(body, status=status)

        app = web.Application()
        app.router.add_get("/readyz", answer)
        self._runner = web.AppRunner(app)

    async def __aenter__(self) -> HostPort:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return HostPort("127.0.0.1", self._runner.addresses[0][1])

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
