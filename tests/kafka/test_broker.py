"""The broker of our own: it keeps its data, ends with its parent, is shared, and says what is missing."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from streamproc.kafka.admin import ClusterAdmin
from streamproc.kafka.broker import docker, jars, resolve
from streamproc.kafka.broker.docker import DockerMissingError
from streamproc.kafka.broker.jars import find_java, jar_directory
from streamproc.kafka.broker.launcher import answers, free_port, is_free
from streamproc.kafka.broker.resolve import open_broker, start_broker
from streamproc.kafka.client import BrokerUnavailableError, bootstrap_servers, client_options
from streamproc.kafka.topics import apply_topics
from streamproc.settings import Settings

NewSettings = Callable[..., Settings]

RUN_A_BROKER = """
import os, sys, time
from pathlib import Path
from streamproc.kafka.broker.resolve import start_broker
from streamproc.settings import Settings
broker = start_broker(Settings(broker="java", data_dir=Path(sys.argv[1]), broker_jars=Path(sys.argv[2])))
print(broker.kind, broker.bootstrap, flush=True)
os.fork()  # the fork holds our end of the launcher's pipe, and outlives us
time.sleep(30)
"""


@pytest.fixture
def own(new_settings: NewSettings) -> Settings:
    """Settings for a broker that only this test uses."""
    return new_settings(topic_prefix="")


@pytest.fixture
def parent(own: Settings) -> Iterator[subprocess.Popen[str]]:
    """Another process, which runs a broker on the same data directory."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUN_A_BROKER, str(own.data_dir), str(own.broker_jars)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    yield process
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


@pytest.mark.broker
@pytest.mark.slow
async def test_records_and_the_cluster_survive_a_restart(own: Settings) -> None:
    with open_broker(own) as first:
        assert first.kind == "java"
        assert own.bootstrap_file.read_text().strip() == first.bootstrap == bootstrap_servers(own)
        await apply_topics(own)
        async with AIOKafkaProducer(**client_options(own), acks="all") as producer:
            await producer.send_and_wait("events", b"kept", partition=0)
    assert not first.alive
    assert not own.bootstrap_file.exists()
    cluster = (own.data_dir / "kafka" / "cluster.id").read_text()

    with open_broker(own) as second:
        assert (own.data_dir / "kafka" / "cluster.id").read_text() == cluster
        assert second.bootstrap == first.bootstrap, "a free port is used again, so that clients find it"
        assert await _first_record(own, "events") == b"kept"
    with (
        socket.create_server(("127.0.0.1", int(first.bootstrap.rpartition(":")[2]))),
        open_broker(own) as third,
    ):
        assert third.bootstrap != first.bootstrap, "another program has the port now"
        assert await _first_record(own, "events") == b"kept"


@pytest.mark.broker
@pytest.mark.slow
def test_the_broker_ends_with_its_parent_even_by_sigkill(own: Settings, parent: subprocess.Popen[str]) -> None:
    bootstrap = _told(parent)
    family = psutil.Process(parent.pid).children(recursive=True)
    broker = [process for process in family if "java" in process.name() or _is_launcher(process)]
    assert len(broker) == 2

    parent.send_signal(signal.SIGKILL)
    parent.wait(10)
    _, alive = psutil.wait_procs(broker, timeout=20)
    assert not alive, "the broker outlived the process that started it"
    assert not own.bootstrap_file.exists()
    assert not answers(*_address(bootstrap))
    with open_broker(own) as again:
        assert again.kind == "java", "the lock ended with the broker"


@pytest.mark.broker
@pytest.mark.slow
def test_the_broker_ends_with_its_launcher(parent: subprocess.Popen[str]) -> None:
    _told(parent)
    launcher = next(filter(_is_launcher, psutil.Process(parent.pid).children()))
    (java,) = launcher.children()
    launcher.send_signal(signal.SIGKILL)
    psutil.wait_procs([java], timeout=20)
    assert not java.is_running()


@pytest.mark.broker
@pytest.mark.slow
def test_a_second_process_joins_the_first_ones_broker(own: Settings, parent: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not (own.data_dir / "kafka" / "lock").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    broker = start_broker(own)  # while the other one is still starting
    assert broker.kind == "shared"
    assert broker.bootstrap == _told(parent)
    broker.stop()
    assert answers(*_address(broker.bootstrap)), "it is not ours to stop"


@pytest.mark.broker
@pytest.mark.slow
async def test_a_chosen_port_is_used_and_one_in_use_is_named(new_settings: NewSettings) -> None:
    port = free_port()
    settings = new_settings(broker_port=port)
    with (
        socket.create_server(("127.0.0.1", port)),
        pytest.raises(BrokerUnavailableError, match=f"BROKER_PORT: {port}"),
    ):
        start_broker(settings)
    with open_broker(settings) as broker:
        assert broker.bootstrap == f"127.0.0.1:{port}"
        await apply_topics(settings)
        async with ClusterAdmin(settings) as admin:
            assert len(await admin.topics([settings.topic("events")])) == 1


@pytest.mark.broker
def test_the_operators_broker_is_used_as_it_is(broker: str, new_settings: NewSettings) -> None:
    settings = new_settings(kafka=broker)
    with open_broker(settings) as external:
        assert (external.kind, external.bootstrap) == ("external", broker)
    assert external.alive
    assert not settings.data_dir.exists(), "nothing is stored for a broker that is not ours"


def test_an_unreachable_broker_is_named(new_settings: NewSettings) -> None:
    with pytest.raises(BrokerUnavailableError, match=r"127\.0\.0\.1:1\b.*STREAMPROC_KAFKA"):
        start_broker(new_settings(kafka="127.0.0.1:1"))


def test_without_any_way_the_error_names_all_three(
    new_settings: NewSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    with pytest.raises(BrokerUnavailableError) as error:
        start_broker(new_settings(broker="auto"))
    text = str(error.value)
    for part in ("STREAMPROC_KAFKA", "Docker", "Java 17", "Maven", "not installed"):
        assert part in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ('openjdk version "11.0.22" 2024-01-16', "is Java 11, and 17 or newer is needed"),
        ('java version "1.8.0_392"', "is Java 8, and 17 or newer is needed"),
        ('openjdk version "17.0.15" 2025-04-15', None),
        ('openjdk version "25-ea" 2025-09-16', None),
        ("what?", "is Java unknown, and 17 or newer is needed"),
    ],
)
def test_java_must_be_new_enough(
    said: str, reason: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\necho '{said}' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    if reason is None:
        assert find_java() == str(java)
    else:
        with pytest.raises(jars.JavaMissingError, match=reason):
            find_java()


def test_cached_jars_need_no_maven(new_settings: NewSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = new_settings(broker_jars=tmp_path / "cache")
    directory = jar_directory(settings)
    directory.mkdir(parents=True)
    (directory / "kafka_2.13.jar").touch()
    monkeypatch.setenv("PATH", "")
    assert jars.fetch_jars(settings, print) == str(directory / "kafka_2.13.jar")


def test_a_failed_download_leaves_no_cache(
    new_settings: NewSettings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    maven = tmp_path / "mvn"
    maven.write_text("#!/bin/sh\necho '[ERROR] no route to the repository'\nexit 1\n")
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    settings = new_settings(broker_jars=tmp_path / "cache")
    with pytest.raises(jars.JavaMissingError, match="no route to the repository"):
        jars.fetch_jars(settings, print)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_docker_engine_that_does_not_answer_is_given_up_quickly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and says nothing
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        with pytest.raises(DockerMissingError, match="no Docker engine answers"):
            docker.check_engine()
    assert time.monotonic() - started < 10


def test_a_broker_in_docker_is_set_up_as_one_under_java() -> None:
    environment = docker.environment(5000)
    assert environment["KAFKA_ADVERTISED_LISTENERS"] == "PLAINTEXT://127.0.0.1:5000"
    assert environment["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert environment["KAFKA_TRANSACTION_STATE_LOG_MIN_ISR"] == "1"
    assert "4.1" in docker.IMAGE
    assert f"<version>{docker.IMAGE.rpartition(':')[2]}</version>" in jars.POM.read_text()


def test_docker_is_not_asked_once_java_holds_the_records(
    new_settings: NewSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = new_settings(broker="auto")
    stored = settings.data_dir / "kafka" / "log" / "meta.properties"
    stored.parent.mkdir(parents=True)
    stored.touch()
    asked: list[str] = []
    monkeypatch.setattr(resolve, "check_engine", lambda: asked.append("docker"))
    monkeypatch.setattr(resolve, "start_java_broker", lambda *_: resolve.ExternalBroker("127.0.0.1:1"))
    assert start_broker(settings).bootstrap == "127.0.0.1:1"
    assert asked == []


def test_what_listens_without_being_kafka_does_not_count_as_a_broker() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert not answers("127.0.0.1", silent.getsockname()[1], timeout=0.2)
        assert not is_free(silent.getsockname()[1])


def _told(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    kind, bootstrap = process.stdout.readline().split()
    assert kind == "java"
    return bootstrap


def _is_launcher(process: psutil.Process) -> bool:
    return any(part.endswith("launcher.py") for part in process.cmdline())


def _address(bootstrap: str) -> tuple[str, int]:
    host, _, port = bootstrap.rpartition(":")
    return host, int(port)


async def _first_record(settings: Settings, topic: str) -> bytes | None:
    consumer = AIOKafkaConsumer(topic, **client_options(settings), auto_offset_reset="earliest")
    async with consumer:
        record = await asyncio.wait_for(consumer.getone(), 10)
    return bytes(record.value) if record.value is not None else None
