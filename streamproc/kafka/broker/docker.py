"""Kafka in a container of a running Docker engine, through testcontainers.

The container ends with this process: testcontainers has a companion container remove it when our connection
to that one closes. Its records are in a volume named after the data directory, so they outlive it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import time
from typing import Any

from streamproc.kafka.broker.jars import Progress
from streamproc.kafka.broker.java import BrokerStartError, SharedBroker, running_broker
from streamproc.kafka.broker.launcher import (
    BROKER_SETTINGS,
    START_SECONDS,
    STOP_SECONDS,
    answers,
    free_port,
    is_free,
)
from streamproc.settings import Settings

IMAGE = "apache/kafka:4.1.0"
_ENGINE_SECONDS = 2
_PORT = 9092


class DockerMissingError(Exception):
    """Why Docker cannot be used; the text is a clause, such as `no Docker engine answers`."""


def check_engine() -> None:
    """Return when a Docker engine answers quickly, else raise DockerMissingError."""
    try:
        import docker  # type: ignore[import-untyped]  # ships no types
    except ImportError:
        raise DockerMissingError("testcontainers is not installed (the extra `docker`)") from None
    try:
        client = docker.from_env(timeout=_ENGINE_SECONDS)
        try:
            client.ping()
        finally:
            client.close()
    except Exception:  # the library raises its own, requests' and the system's errors for the same thing
        raise DockerMissingError("no Docker engine answers") from None


def environment(port: int) -> dict[str, str]:
    """Settings of the broker in the container, which clients on this machine reach at 127.0.0.1:`port`."""
    return {
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_NODE_ID": "1",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_LISTENERS": f"PLAINTEXT://:{_PORT},CONTROLLER://localhost:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{port}",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "KAFKA_LOG_DIRS": "/var/lib/kafka/data",
        **{f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in BROKER_SETTINGS.items()},
        "KAFKA_HEAP_OPTS": "-Xms64m -Xmx512m",
    }


class DockerBroker:
    """A running broker in a container."""

    kind = "docker"

    def __init__(self, container: Any, bootstrap: str, lock: int, settings: Settings) -> None:
        self._container = container
        self._lock = lock
        self._settings = settings
        self.bootstrap = bootstrap

    @property
    def alive(self) -> bool:
        host, _, port = self.bootstrap.rpartition(":")
        return answers(host, int(port))

    def stop(self) -> None:
        """Stop the broker cleanly and remove its container; the volume stays."""
        self._settings.bootstrap_file.unlink(missing_ok=True)
        try:
            self._container.get_wrapped_container().stop(timeout=int(STOP_SECONDS))
            self._container.stop(delete_volume=False)
        finally:
            os.close(self._lock)


def start_docker_broker(settings: Settings, progress: Progress) -> DockerBroker | SharedBroker:
    """Start a broker for the data directory, or join another process's. Raises BrokerStartError."""
    directory = settings.data_dir / "kafka"
    directory.mkdir(parents=True, exist_ok=True)
    lock = os.open(directory / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            shared = running_broker(settings)
            if shared is not None or time.monotonic() > deadline:
                os.close(lock)
            if shared is not None:
                return shared
            if time.monotonic() > deadline:
                raise BrokerStartError(
                    f"another process holds {directory}/lock, but its broker does not answer"
                ) from None
            time.sleep(0.2)
    try:
        return _start(settings, progress, lock)
    except BaseException:
        os.close(lock)
        raise


def _start(settings: Settings, progress: Progress, lock: int) -> DockerBroker:
    from testcontainers.core.container import DockerContainer

    settings.bootstrap_file.unlink(missing_ok=True)
    if settings.broker_port is not None and not is_free(settings.broker_port):
        raise BrokerStartError(f"STREAMPROC_BROKER_PORT: {settings.broker_port} is in use by another program")
    port = settings.broker_port or free_port()
    volume = f"streamproc-{hashlib.sha256(str(settings.data_dir).encode()).hexdigest()[:12]}"
    container = DockerContainer(IMAGE).with_volume_mapping(volume, "/var/lib/kafka/data", "rw")
    for name, value in environment(port).items():
        container = container.with_env(name, value)
    container.ports[f"{_PORT}/tcp"] = ("127.0.0.1", port)  # with_bind_ports would open it to the network
    progress(f"Starting {IMAGE} in Docker (the first time its image is fetched)")
    try:
        container.start()
        deadline = time.monotonic() + START_SECONDS
        while not answers("127.0.0.1", port):
            if time.monotonic() > deadline:
                raise BrokerStartError(f"{IMAGE} did not take requests within {START_SECONDS:g} s")
            time.sleep(0.2)
    except BaseException as error:
        with contextlib.suppress(Exception):
            container.stop(delete_volume=False)
        if isinstance(error, BrokerStartError) or not isinstance(error, Exception):
            raise
        raise BrokerStartError(f"Docker could not start {IMAGE}: {error}") from error
    bootstrap = f"127.0.0.1:{port}"
    fresh = settings.bootstrap_file.with_name(".bootstrap.fresh")
    fresh.write_text(bootstrap + "\n")
    fresh.replace(settings.bootstrap_file)
    return DockerBroker(container, bootstrap, lock, settings)
