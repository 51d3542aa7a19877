"""Brokers to hurt: one or three real ones, each with a second listener that is reached through a proxy."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from streamproc.kafka.broker.jars import fetch_jars, find_java
from streamproc.kafka.broker.launcher import BROKER_SETTINGS, answers
from streamproc.settings import Settings
from tests.conftest import JARS
from tests.faults.suite.proxy import Proxy

CLUSTER_ID = "c3RyZWFtcHJvYy1mYXVsdA"
_HEAP = ("-Xms64m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
_LOG = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Node:
    """One broker and controller. `direct` is its port for us, `proxied` the one for the processes under test."""

    def __init__(self, number: int, directory: Path, classpath: str) -> None:
        self.number = number
        self.directory = directory / f"node-{number}"
        self.direct, self.inner, self.controller = free_port(), free_port(), free_port()
        self.proxy = Proxy(self.inner)
        self._classpath = classpath
        self._process: subprocess.Popen[bytes] | None = None

    def configure(self, voters: str, size: int) -> None:
        """Write its properties and format its log."""
        factor = min(3, size)
        settings = BROKER_SETTINGS | {
            "process.roles": "broker,controller",
            "node.id": str(self.number),
            "controller.quorum.voters": voters,
            "listeners": f"DIRECT://127.0.0.1:{self.direct},INNER://127.0.0.1:{self.inner},"
            f"CONTROLLER://127.0.0.1:{self.controller}",
            "advertised.listeners": f"DIRECT://127.0.0.1:{self.direct},INNER://127.0.0.1:{self.proxy.port}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "DIRECT",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,DIRECT:PLAINTEXT,INNER:PLAINTEXT",
            "log.dirs": str(self.directory / "log"),
            "offsets.topic.replication.factor": str(factor),
            "transaction.state.log.replication.factor": str(factor),
            "transaction.state.log.min.isr": str(max(1, factor - 1)),
            "min.insync.replicas": str(max(1, factor - 1)),
        }
        self.directory.mkdir(parents=True)
        path = self.directory / "server.properties"
        path.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        self._java("kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(path)).wait()

    def start(self) -> None:
        self._process = self._java("kafka.Kafka", str(self.directory / "server.properties"))

    def _java(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [find_java(), *_HEAP, _LOG, "-cp", self._classpath, *arguments]
        with (self.directory / "broker.log").open("ab") as out:
            return subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True)

    def kill(self) -> None:
        """As a machine that loses its power."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()

    async def ready(self) -> None:
        """Wait until it takes requests."""
        deadline = time.monotonic() + 60
        while not await asyncio.to_thread(answers, "127.0.0.1", self.direct):
            if time.monotonic() > deadline:
                raise RuntimeError(f"broker {self.number} does not start; see {self.directory / 'broker.log'}")
            await asyncio.sleep(0.2)


class Cluster:
    """An async context manager."""

    def __init__(self, size: int, directory: Path) -> None:
        self.directory = directory
        settings = Settings(broker="java", data_dir=directory, broker_jars=JARS)
        classpath = fetch_jars(settings, lambda _: None)
        self.nodes = [Node(number + 1, directory, classpath) for number in range(size)]

    async def __aenter__(self) -> Cluster:
        voters = ",".join(f"{node.number}@127.0.0.1:{node.controller}" for node in self.nodes)
        for node in self.nodes:
            await node.proxy.start()
            await asyncio.to_thread(node.configure, voters, len(self.nodes))
            node.start()
        await asyncio.gather(*(node.ready() for node in self.nodes))
        return self

    async def __aexit__(self, *_: object) -> None:
        for node in self.nodes:
            await asyncio.to_thread(node.kill)
            await node.proxy.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def direct(self) -> str:
        """Bootstrap for the suite itself."""
        return ",".join(f"127.0.0.1:{node.direct}" for node in self.nodes)

    @property
    def proxied(self) -> str:
        """Bootstrap for the processes under test."""
        return ",".join(f"127.0.0.1:{node.proxy.port}" for node in self.nodes)

    def heal(self) -> None:
        for node in self.nodes:
            node.proxy.heal()
