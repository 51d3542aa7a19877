"""Contestants that need what is not ours: whether it is there, and how to get it.

Quix Streams lives in a virtual environment of its own, so that none of its dependencies meets one of ours; Kafka
Streams in a directory of jars, which Maven fetches, and of the one class that the JDK compiles for it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import venv
from collections.abc import Callable, Sequence
from pathlib import Path

import streamproc
from streamproc.bench.contestant import Contestant
from streamproc.bench.rivals import KafkaStreamsWorker, QuixStreams
from streamproc.kafka.broker.jars import JavaMissingError, find_java

QUIX = "3.28.1"
_PEERS = Path(__file__).with_name("peers")
_POM, _SOURCE = _PEERS / "kafka_streams.pom.xml", _PEERS / "KafkaStreamsWorker.java"
_INSTALL_LIMIT_S = 600.0

Tell = Callable[[str], None]


class NotInstalledError(Exception):
    """What a contestant needs cannot be had; the text is a clause."""


def find_others(
    directory: Path, quix: bool | None, kafka_streams: bool, tell: Tell
) -> tuple[list[Contestant], list[str]]:
    """(who can take part, why others cannot), what they need being in `directory`.

    `quix` None: when it is there; True: install it when it is not. `kafka_streams` installs, too.
    """
    found: list[Contestant] = []
    absent: list[str] = []
    if quix is not False:
        try:
            found.append(QuixStreams(quix_python(directory, bool(quix), tell)))
        except NotInstalledError as reason:
            absent.append(f"Quix Streams takes no part: {reason}")
    if kafka_streams:
        try:
            found.append(KafkaStreamsWorker(*streams_classes(directory, tell)))
        except (NotInstalledError, JavaMissingError) as reason:
            absent.append(f"Kafka Streams takes no part: {reason}")
    return found, absent


def quix_python(directory: Path, install: bool, tell: Tell) -> Path:
    """The Python of its environment. Raises NotInstalledError."""
    home = directory / f"quix-{QUIX}"
    python, complete = home / "bin" / "python", home / "complete"
    if complete.exists():
        return python
    if not install:
        raise NotInstalledError("not installed (--quix installs it)")
    tell(f"Installing Quix Streams {QUIX} into {home} (once)")
    try:
        venv.create(home, clear=True, with_pip=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise NotInstalledError(f"not installed: {error}") from None
    _run([str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet", f"quixstreams=={QUIX}"])
    # our package last on its path: it finds our contestant there, and its own packages before any of ours
    (site,) = home.glob("lib/python*/site-packages")
    (site / "streamproc-bench.pth").write_text(f"{Path(streamproc.__file__).absolute().parents[1]}\n")
    complete.touch()
    return python


def streams_classes(directory: Path, tell: Tell) -> tuple[str, str]:
    """(Java, class path). Raises NotInstalledError, JavaMissingError."""
    java = find_java()
    javac = shutil.which("javac", path=f"{Path(java).resolve().parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if javac is None:
        raise NotInstalledError("a JDK is needed, and only a Java to run things is installed")
    home = (directory / "kafka-streams").absolute()
    jars, classes = home / "jars", home / "classes"
    if not (home / "complete").exists():
        maven = shutil.which("mvn")
        if maven is None:
            raise NotInstalledError("Maven (mvn) is not installed, which fetches it")
        tell(f"Fetching Kafka Streams into {home} (once; about 85 MB)")
        home.mkdir(parents=True, exist_ok=True)
        shutil.copy(_POM, home / "pom.xml")
        fetch = ["dependency:copy-dependencies", f"-DoutputDirectory={jars}"]
        _run([maven, "-B", "-q", "--strict-checksums", "-f", str(home / "pom.xml"), *fetch])
        (home / "complete").touch()
    path = os.pathsep.join(str(jar) for jar in sorted(jars.glob("*.jar")))
    _run([javac, "-d", str(classes), "-cp", path, str(_SOURCE)])
    return java, f"{classes}{os.pathsep}{path}"


def _run(command: Sequence[str]) -> None:
    """Or NotInstalledError with what it said last."""
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_INSTALL_LIMIT_S)
    except subprocess.CalledProcessError as error:
        said = f"{error.stdout}\n{error.stderr}".strip().splitlines()
        raise NotInstalledError(f"not installed: {said[-1] if said else error}") from None
    except (OSError, subprocess.SubprocessError) as error:
        raise NotInstalledError(f"not installed: {error}") from None
