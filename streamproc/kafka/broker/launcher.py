"""Runs one Kafka broker for the process that started this one, and stops it when that process goes away.

Started as a script by `java.py`, with the order for it as JSON in its one argument. Only the standard
library, so that it starts at once and stays small. It reports on standard output, one JSON object a line:
`{"state": "busy"}` another process runs a broker on this directory; `{"state": "failed", "message": …}`;
`{"state": "ready", "bootstrap": …}`.

The parent holds the other end of standard input. Its end, however it comes (an exit, a crash, SIGKILL),
closes that pipe, which stops the broker cleanly. Should this process itself be killed, the kernel stops the
broker (Linux).
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import fcntl
import json
import os
import select
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

START_SECONDS = 90.0
STOP_SECONDS = 30.0
_LOG_LIMIT = 10 << 20
_PR_SET_PDEATHSIG = 1
_METADATA, _METADATA_VERSION = 3, 1
_SASL_HANDSHAKE, _SASL_HANDSHAKE_VERSION = 17, 1
_SASL_AUTHENTICATE, _SASL_AUTHENTICATE_VERSION = 36, 0

BROKER_SETTINGS = {
    "auto.create.topics.enable": "false",
    "message.max.bytes": "2097152",
    "replica.fetch.max.bytes": "2097152",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "background.threads": "2",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "8",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "8",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "log.cleaner.enable": "true",
    "log.cleaner.dedupe.buffer.size": "16777216",
    "log.segment.delete.delay.ms": "10000",
}
"""What a small broker alone needs, wherever it runs: no replicas, little memory, quick groups."""

_LISTENING = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners={listener}://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners={listener}://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,{listener}:{listener}
log.dirs={log_dir}
"""


class LaunchError(Exception):
    """The broker cannot be started; the text is one line."""


def answers(host: str, port: int, timeout: float = 2.0, security: dict[str, Any] | None = None) -> bool:
    """Whether a Kafka broker there takes requests and counts itself as alive (by a Metadata request).

    `security` is the launcher's order for a locked listener; without it the listener is plain.
    """
    try:
        with contextlib.ExitStack() as open_:
            connection = open_.enter_context(socket.create_connection((host, port), timeout))
            if security is not None:
                trusted = ssl.create_default_context(cafile=security["authorities"])
                connection = open_.enter_context(trusted.wrap_socket(connection, server_hostname=host))
                _authenticate(connection, security["user"], security["password"])
            _, brokers = struct.unpack(
                ">ii", _asked(connection, _METADATA, _METADATA_VERSION, struct.pack(">i", 0))[:8]
            )
            return bool(brokers > 0)
    except (OSError, struct.error):
        return False


def _authenticate(connection: socket.socket, user: str, password: str) -> None:
    """SASL PLAIN; a refusal is an OSError, as everything else that keeps us from asking."""
    mechanism, proof = b"PLAIN", f"\0{user}\0{password}".encode()
    shake = struct.pack(">h", len(mechanism)) + mechanism
    for api, version, body in (
        (_SASL_HANDSHAKE, _SASL_HANDSHAKE_VERSION, shake),
        (_SASL_AUTHENTICATE, _SASL_AUTHENTICATE_VERSION, struct.pack(">i", len(proof)) + proof),
    ):
        (code,) = struct.unpack(">h", _asked(connection, api, version, body)[4:6])
        if code:
            raise ConnectionRefusedError(code)


def _asked(connection: socket.socket, api: int, version: int, body: bytes) -> bytes:
    """The answer to one request, from its correlation id on."""
    client = b"streamproc"
    request = struct.pack(">hhih", api, version, 1, len(client)) + client + body
    connection.sendall(struct.pack(">i", len(request)) + request)
    (size,) = struct.unpack(">i", _exactly(connection, 4))
    if not 6 <= size <= 1 << 20:
        raise ConnectionResetError
    return _exactly(connection, size)


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = connection.recv(count - len(data))
        if not part:
            raise ConnectionResetError
        data += part
    return data


class Launcher:
    """One broker, start to stop.

    `order`: kafka_dir, bootstrap_file, java, classpath, heap, port or null, security: null, or the file that
    `Security.write` made.
    """

    def __init__(self, order: dict[str, Any]) -> None:
        self.directory = Path(order["kafka_dir"])
        self.bootstrap_file = Path(order["bootstrap_file"])
        self.command = [order["java"], *order["heap"], "-cp", order["classpath"]]
        self.fixed_port: int | None = order["port"]
        secured = order.get("security")
        self.security: dict[str, Any] | None = None if secured is None else json.loads(Path(secured).read_bytes())
        self.parent = os.getppid()
        self.broker: subprocess.Popen[bytes] | None = None
        self.lock = -1
        self._wake, wake_up = os.pipe()
        os.set_blocking(wake_up, False)
        signal.set_wakeup_fd(wake_up)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)

    def run(self) -> int:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.lock = os.open(self.directory / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _report(state="busy")
            return 0
        self.bootstrap_file.unlink(missing_ok=True)
        try:
            port = self._start()
            if port is None:
                return 0
            bootstrap = f"127.0.0.1:{port}"
            _write(self.bootstrap_file, bootstrap + "\n")
            _report(state="ready", bootstrap=bootstrap)
            while not self._told_to_stop(1.0) and self._running():
                pass
            return 0 if self._running() else 1
        except (LaunchError, OSError) as error:
            _report(state="failed", message=str(error))
            return 1
        finally:
            self.bootstrap_file.unlink(missing_ok=True)
            self._stop()

    def _start(self) -> int | None:
        """The port once the broker takes requests; None when told to stop before that."""
        log_dir = self.directory / "log"
        if "," in str(log_dir):
            raise LaunchError(f"a comma in the data directory's name is more than Kafka can take: {log_dir}")
        log = self.directory / "broker.log"
        if log.exists() and log.stat().st_size > _LOG_LIMIT:
            log.replace(log.with_suffix(".log.1"))
        for attempt in range(3):
            port, controller = self._port(attempt), free_port()
            properties = self.directory / "server.properties"
            _write(properties, self._properties(port, controller, log_dir), mode=0o600)
            with log.open("ab") as output:
                self._format(properties, log_dir, output)
                self.broker = subprocess.Popen(  # noqa: S603  # as ordered by our parent
                    [*self.command, "kafka.Kafka", str(properties)],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=(self.lock,),  # the directory stays locked while either of us lives
                    preexec_fn=_die_with_parent(),  # noqa: PLW1509  # this process has one thread
                )
            deadline = time.monotonic() + START_SECONDS
            while self._running() and time.monotonic() < deadline:
                if answers("127.0.0.1", port, security=self.security):
                    _write(self.directory / "port", str(port))
                    return port
                if self._told_to_stop(0.1):
                    return None
            if self._running():
                raise LaunchError(f"the broker did not take requests within {START_SECONDS:g} s; see {log}")
            if not _says_address_in_use(log):
                break
        raise LaunchError(f"the broker did not start: {_last_line(log)} (more in {log})")

    def _properties(self, port: int, controller: int, log_dir: Path) -> str:
        lock = self.security or {"listener": "PLAINTEXT", "properties": {}}
        listening = _LISTENING.format(
            listener=lock["listener"], port=port, controller=controller, log_dir=_escaped(str(log_dir))
        )
        settings = {**BROKER_SETTINGS, **lock["properties"]}
        return listening + "".join(f"{name}={_escaped(value)}\n" for name, value in settings.items())

    def _format(self, properties: Path, log_dir: Path, output: BinaryIO) -> None:
        if (log_dir / "meta.properties").exists():
            return
        cluster = self.directory / "cluster.id"
        if not cluster.exists():
            _write(cluster, base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="))
        # an id may begin with a dash, which only this form takes
        arguments = [f"--cluster-id={cluster.read_text().strip()}", "--ignore-formatted", "-c", str(properties)]
        if self.security is not None:
            # in a file that only we may read: a command line is there for everybody to see
            secret = self.directory / "format.arguments"
            _write(secret, "\n".join(self.security["format"]) + "\n", mode=0o600)
            arguments.append(f"@{secret}")
        done = subprocess.run(  # noqa: S603  # as ordered by our parent
            [*self.command, "kafka.tools.StorageTool", "format", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            check=False,
        )
        (self.directory / "format.arguments").unlink(missing_ok=True)
        if done.returncode:
            raise LaunchError(f"the data directory cannot be prepared: {_last_line(Path(output.name))}")

    def _port(self, attempt: int) -> int:
        if self.fixed_port is not None:
            if attempt or not is_free(self.fixed_port):
                raise LaunchError(f"STREAMPROC_BROKER_PORT: {self.fixed_port} is in use by another program")
            return self.fixed_port
        if not attempt:
            # the same port again lets clients of the broker before this one find it
            with contextlib.suppress(OSError, ValueError):
                last = int((self.directory / "port").read_text())
                if is_free(last):
                    return last
        return free_port()

    def _running(self) -> bool:
        return self.broker is not None and self.broker.poll() is None

    def _told_to_stop(self, seconds: float) -> bool:
        """Wait, and say whether the parent is gone, or it or a signal wants an end."""
        readable, _, _ = select.select([0, self._wake], [], [], seconds)
        if self._wake in readable:
            return True
        if 0 in readable and not os.read(0, 4096):
            return True
        return os.getppid() != self.parent

    def _stop(self) -> None:
        if self.broker is None or not self._running():
            return
        self.broker.terminate()
        try:
            self.broker.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.broker.kill()
            self.broker.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _die_with_parent() -> Callable[[], None] | None:
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl  # looked up before the fork: loading after it is not safe
    # "parent" is the thread that forks; it is this process's only one
    return lambda: prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _write(path: Path, text: str, mode: int = 0o666) -> None:
    """Whole or not at all: others read these files while they are written."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="ascii") as file:
        file.write(text)
    fresh.replace(path)


def _escaped(value: str) -> str:
    return "".join("\\\\" if char == "\\" else char if char.isascii() else f"\\u{ord(char):04x}" for char in value)


def _tail(log: Path) -> list[str]:
    with contextlib.suppress(OSError), log.open("rb") as content:
        content.seek(max(0, content.seek(0, os.SEEK_END) - 20_000))
        return content.read().decode(errors="replace").splitlines()
    return []


def _says_address_in_use(log: Path) -> bool:
    return any("Address already in use" in line or "BindException" in line for line in _tail(log))


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in _tail(log) if line.strip() and not line.startswith(("\tat ", "\t..."))]
    return lines[-1] if lines else "it said nothing"


def _report(**fields: str) -> None:
    with contextlib.suppress(OSError):
        sys.stdout.write(json.dumps(fields) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(Launcher(json.loads(sys.argv[1])).run())
