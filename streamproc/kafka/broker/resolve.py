"""Which broker to use: the operator's, else one in Docker, else one under Java."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Protocol

from streamproc.kafka.broker.docker import DockerMissingError, check_engine, start_docker_broker
from streamproc.kafka.broker.jars import JavaMissingError, Progress
from streamproc.kafka.broker.java import BrokerStartError, has_log, start_java_broker
from streamproc.kafka.broker.security import Security
from streamproc.kafka.client import BrokerUnavailableError, unreachable
from streamproc.settings import Settings

_CONNECT_SECONDS = 5.0


class Broker(Protocol):
    """A broker that takes requests. `kind`: external, docker, java, or shared (another process's)."""

    @property
    def kind(self) -> str: ...
    @property
    def bootstrap(self) -> str: ...
    @property
    def alive(self) -> bool: ...
    def stop(self) -> None: ...


class ExternalBroker:
    """The operator's own: used as it is, never stopped."""

    kind = "external"

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap

    @property
    def alive(self) -> bool:
        return any(_accepts(server) for server in self.bootstrap.split(","))

    def stop(self) -> None:
        """Leaves it to its owner."""


def start_broker(settings: Settings, progress: Progress = lambda _: None, security: Security | None = None) -> Broker:
    """A broker, started when need be; blocks until it takes requests.

    `progress` is told in a line each what takes time. `security` locks a broker of our own, which then runs under
    Java; the settings for its clients are the caller's. Raises BrokerUnavailableError, which names the ways to
    get one and what is missing for each.
    """
    if settings.kafka:
        external = ExternalBroker(settings.kafka)
        if not external.alive:
            raise unreachable(settings)
        return external
    missing: list[str] = []
    try:
        # records stay where they are: once a broker under Java has some here, Docker would not see them
        if security is None and (settings.broker == "docker" or (settings.broker == "auto" and not has_log(settings))):
            try:
                check_engine()
                return start_docker_broker(settings, progress)
            except DockerMissingError as reason:
                missing.append(str(reason))
        if security is not None or settings.broker in ("auto", "java"):
            try:
                return start_java_broker(settings, progress, security)
            except JavaMissingError as reason:
                missing.append(str(reason))
    except BrokerStartError as error:
        raise BrokerUnavailableError(f"The broker of our own does not start: {error}") from None
    raise BrokerUnavailableError(
        f"No Kafka broker: {'; '.join(missing)}. Either set STREAMPROC_KAFKA=host:port to use yours, "
        "or start Docker, or install Java 17 or newer and Maven."
    )


@contextlib.contextmanager
def open_broker(
    settings: Settings, progress: Progress = lambda _: None, security: Security | None = None
) -> Iterator[Broker]:
    """`start_broker`, and `stop` at the end."""
    broker = start_broker(settings, progress, security)
    try:
        yield broker
    finally:
        broker.stop()


def _accepts(server: str) -> bool:
    host, _, port = server.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
    except (OSError, ValueError):
        return False
    return True
