"""Every client of ours on a broker with TLS, SASL and access control, and what a refused one is told."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from streamproc.config.record import ConfigRecord
from streamproc.kafka.admin import AdminError
from streamproc.kafka.broker.resolve import open_broker
from streamproc.kafka.broker.security import Security
from streamproc.kafka.client import BrokerUnavailableError, client_options
from streamproc.kafka.config_writer import ConfigWriter
from streamproc.kafka.ledger import Fenced, Ledger, LedgerSettings, Output
from streamproc.kafka.tailer import ConfigTailer
from streamproc.kafka.topics import apply_topics, check_topics
from streamproc.model.times import iso
from streamproc.settings import Settings, SettingsError
from tests.conftest import JARS
from tests.faults.harness import Process, apply_config, latest, produce, read_topic
from tests.kafka.certificates import Authority

pytestmark = [pytest.mark.broker, pytest.mark.slow]

OPERATOR, PASSWORD = "operator", 'a "password" with \\ and ü, 123'
STRANGER = "stranger"
"""A user whom no access control list allows anything."""


class Locked(NamedTuple):
    """A broker that takes SASL_SSL alone."""

    bootstrap: str
    authority: Authority
    directory: Path


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    directory = tmp_path_factory.mktemp("locked")
    authority = Authority.make(directory, "authority")
    security = Security(
        certificate=authority.issue(directory / "broker.pem"),
        authorities=authority.pem,
        users={OPERATOR: PASSWORD, STRANGER: "known"},
        admins=frozenset({OPERATOR}),
        acls=True,
    )
    settings = Settings(broker="java", data_dir=directory / "data", broker_jars=JARS)
    with open_broker(settings, print, security) as started:
        yield Locked(started.bootstrap, authority, directory)


@pytest.fixture
def secure(locked: Locked, new_settings: Callable[..., Settings]) -> Callable[..., Settings]:
    """Settings of a client that is let in; overrides win."""

    def make(**overrides: Any) -> Settings:
        given = {
            "kafka": locked.bootstrap,
            "kafka_security_protocol": "SASL_SSL",
            "kafka_security_mechanism": "SCRAM-SHA-512",
            "kafka_security_username": OPERATOR,
            "kafka_security_password": PASSWORD,
            "kafka_security_cafile": locked.authority.pem,
        }
        return new_settings(**(given | overrides))

    return make


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_topics_are_made_and_records_go_both_ways(secure: Callable[..., Settings], mechanism: str) -> None:
    settings = secure(kafka_security_mechanism=mechanism)
    applied = await apply_topics(settings)
    assert settings.topic("alerts") in applied.created
    assert await check_topics(settings) == []

    topic = settings.topic("events")
    async with AIOKafkaProducer(**client_options(settings), acks="all", enable_idempotence=True) as producer:
        await producer.send_and_wait(topic, b"secret on its way", partition=0)
    consumer = AIOKafkaConsumer(
        topic, **client_options(settings), group_id=settings.group("readers"), auto_offset_reset="earliest"
    )
    async with consumer:
        record = await asyncio.wait_for(consumer.getone(), 20)
        await consumer.commit()
    assert record.value == b"secret on its way"


async def test_the_config_topic_is_followed(secure: Callable[..., Settings]) -> None:
    settings = secure()
    await apply_topics(settings)
    tailer = ConfigTailer(settings)
    await tailer.start()
    try:
        record = ConfigRecord("list", "acme", "vips", 1, {"id": "vips", "values": ["a"]}, iso(0), "test")
        async with ConfigWriter(settings) as writer:
            offset = await writer.put([record])
        assert offset is not None
        snapshot = await asyncio.wait_for(tailer.wait_for(offset), 20)
        assert [found.id for found in snapshot.records("list")] == ["vips"]
    finally:
        await tailer.stop()


async def test_a_ledger_commits_and_fences(secure: Callable[..., Settings], tmp_path: Path) -> None:
    settings = secure()
    await apply_topics(settings)
    made = [
        Ledger(
            LedgerSettings(client_options(settings), 10.0),
            settings.topic("detectors-changelog"),
            0,
            tmp_path / name,
            lambda _key, _value: None,
        )
        for name in ("former", "owner")
    ]
    former, owner = made
    alert = Output(settings.topic("alerts"), 0, b"alt_1", b"{}")
    try:
        await former.open()
        await former.commit({b"k": b"1"}, (), (), [alert], {"signals": 3})
        await owner.open()
        assert (owner.table.get(b"k"), owner.position("signals")) == (b"1", 3)
        with pytest.raises(Fenced):
            await former.commit({b"k": b"2"}, (), (), [alert], {"signals": 4})
    finally:
        for ledger in made:
            await ledger.close()
    assert [(r.key, r.value) for r in await read_topic(settings, "alerts")] == [(b"alt_1", b"{}")]


@pytest.mark.timeout(120)
async def test_a_worker_turns_events_into_alerts(
    secure: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = secure(session_timeout=6.0)
    await apply_topics(settings)
    for name, value in _environment(settings).items():
        monkeypatch.setenv(name, value)
    rule = {"id": "seen", "tenant_id": "acme", "name": "seen", "type": "pattern", "condition": {"action": "seen"}}
    await apply_config(settings, [rule])
    event = (
        b'{"id": "e1", "tenant_id": "acme", "action": "seen", "event_time": "%s"}'
        % iso(int(time.time() * 1000)).encode()
    )
    await produce(settings, [("acme", event, None)])
    worker = Process(["worker"], settings, tmp_path, "worker")
    worker.start()
    try:
        found: dict[str, Any] = {}
        deadline = time.monotonic() + 60
        while not found and time.monotonic() < deadline:
            await asyncio.sleep(0.3)
            found = latest(await read_topic(settings, "alerts"))
        assert [alert["rule"]["id"] for alert in found.values()] == ["seen"], worker.tail()
    finally:
        status = worker.stop()
    assert status == 0, worker.tail()
    said = worker.log.read_text()
    assert PASSWORD not in said
    opened = re.search(r"partitions\.assigned .*seconds=([\d.]+)", said)
    assert opened is not None, said
    assert float(opened[1]) < 15, "closing a TLS connection waited for the broker's goodbye (30 s)"


async def test_who_is_not_allowed_is_told_so(secure: Callable[..., Settings]) -> None:
    settings = secure(kafka_security_username=STRANGER, kafka_security_password="known")
    with pytest.raises(AdminError, match=r"topic t-.*AuthorizationFailed"):
        await apply_topics(settings)


def _refused(secure: Callable[..., Settings], locked: Locked, tmp_path: Path) -> dict[str, tuple[Settings, list[str]]]:
    other = Authority.make(tmp_path, "another")
    login = ["KAFKA_SECURITY_USERNAME", "KAFKA_SECURITY_PASSWORD", "KAFKA_SECURITY_MECHANISM", repr(OPERATOR)]
    with socket.create_server(("127.0.0.1", 0)) as plain:
        free = plain.getsockname()[1]
    return {
        "wrong password": (secure(kafka_security_password="guessed"), login),
        "wrong password, plain": (secure(kafka_security_password="guessed", kafka_security_mechanism="PLAIN"), login),
        "untrusted certificate": (
            secure(kafka_security_cafile=other.pem),
            ["not trusted", "KAFKA_SECURITY_CAFILE", locked.bootstrap],
        ),
        "another name": (
            secure(kafka=locked.bootstrap.replace("127.0.0.1", "localhost")),
            ["another name", "STREAMPROC_KAFKA"],
        ),
        "no TLS": (secure(kafka_security_protocol="PLAINTEXT"), ["No broker answers", locked.bootstrap]),
        "nobody there": (secure(kafka=f"127.0.0.1:{free}"), ["No broker answers", str(free)]),
    }


@pytest.mark.parametrize(
    "case",
    ["wrong password", "wrong password, plain", "untrusted certificate", "another name", "no TLS", "nobody there"],
)
async def test_a_refusal_says_what_to_do_in_one_line(
    secure: Callable[..., Settings], locked: Locked, tmp_path: Path, case: str
) -> None:
    settings, expected = _refused(secure, locked, tmp_path)[case]
    for client in (apply_topics(settings), ConfigTailer(settings).start(), ConfigWriter(settings).__aenter__()):
        with pytest.raises(BrokerUnavailableError) as refused:
            await client
        for part in expected:
            assert part in str(refused.value)
        assert "\n" not in str(refused.value)
        assert "guessed" not in str(refused.value)


@pytest.mark.parametrize("case", ["wrong password", "untrusted certificate"])
@pytest.mark.parametrize("command", [("topics", "check"), ("worker",)])
def test_commands_end_with_status_3_and_one_line(
    secure: Callable[..., Settings], locked: Locked, tmp_path: Path, case: str, command: tuple[str, ...]
) -> None:
    settings, expected = _refused(secure, locked, tmp_path)[case]
    done = subprocess.run(
        [sys.executable, "-m", "streamproc", *command],
        env={**os.environ, **_environment(settings)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 3, done.stderr
    *_, last = done.stderr.splitlines()
    for part in expected:
        assert part in last
    assert "Traceback" not in done.stderr
    assert "guessed" not in done.stderr


def test_a_file_that_holds_no_certificate_is_named(secure: Callable[..., Settings], tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("nothing")
    with pytest.raises(SettingsError, match="certificates cannot be used"):
        client_options(secure(kafka_security_cafile=empty))
    with pytest.raises(SettingsError, match=r"CAFILE.*is not a readable file"):
        client_options(secure(kafka_security_cafile=tmp_path / "missing.pem"))


def test_no_password_is_left_where_others_may_read_it(locked: Locked) -> None:
    holding = [
        path
        for path in (locked.directory / "data" / "kafka").rglob("*")
        if path.is_file() and path.stat().st_size < 100_000 and b"PlainLoginModule" in path.read_bytes()
    ]
    assert holding, "the test looks for the right word"
    assert [oct(path.stat().st_mode & 0o077) for path in holding] == ["0o0"] * len(holding)
    assert not (locked.directory / "data" / "kafka" / "format.arguments").exists()


def test_a_user_needs_a_plain_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'a,b' is not a name"):
        Security(tmp_path / "c.pem", tmp_path / "a.pem", {"a,b": "x"})
    assert "hush" not in repr(Security(tmp_path / "c.pem", tmp_path / "a.pem", {"bob": "hush"}))


def _environment(settings: Settings) -> dict[str, str]:
    password = settings.kafka_security_password
    assert password is not None
    return {
        "STREAMPROC_KAFKA": settings.kafka,
        "STREAMPROC_TOPIC_PREFIX": settings.topic_prefix,
        "STREAMPROC_DATA_DIR": str(settings.data_dir),
        "STREAMPROC_WORKER_HTTP": "127.0.0.1:0",
        "STREAMPROC_KAFKA_SECURITY_PROTOCOL": settings.kafka_security_protocol,
        "STREAMPROC_KAFKA_SECURITY_MECHANISM": settings.kafka_security_mechanism,
        "STREAMPROC_KAFKA_SECURITY_USERNAME": str(settings.kafka_security_username),
        "STREAMPROC_KAFKA_SECURITY_PASSWORD": password.get_secret_value(),
        "STREAMPROC_KAFKA_SECURITY_CAFILE": str(settings.kafka_security_cafile),
    }
