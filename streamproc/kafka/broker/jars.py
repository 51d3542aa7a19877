"""What a broker under Java needs: a Java that is new enough, and Kafka's jars from the shipped pom.xml."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from streamproc.settings import Settings

POM = Path(__file__).with_name("pom.xml")
OLDEST_JAVA = 17
Progress = Callable[[str], None]


class JavaMissingError(Exception):
    """What keeps us from running Kafka under Java; the text is a clause, such as `Java is not installed`."""


def find_java() -> str:
    """Path of a Java that can run the broker: JAVA_HOME's, else the one on the path."""
    home = os.environ.get("JAVA_HOME")
    in_home = Path(home, "bin", "java") if home else None
    java = str(in_home) if in_home is not None and in_home.is_file() else shutil.which("java")
    if java is None:
        raise JavaMissingError(f"Java {OLDEST_JAVA} or newer is not installed")
    try:
        said = subprocess.run(  # noqa: S603  # the Java that the operator installed
            [java, "-version"], capture_output=True, text=True, timeout=20, check=True
        ).stderr
    except (OSError, subprocess.SubprocessError):
        raise JavaMissingError(f"{java} does not run") from None
    version = re.search(r'version "(?:1\.)?(\d+)', said)
    if version is None or int(version[1]) < OLDEST_JAVA:
        found = version[1] if version else "unknown"
        raise JavaMissingError(f"{java} is Java {found}, and {OLDEST_JAVA} or newer is needed")
    return java


def jar_directory(settings: Settings) -> Path:
    """Where this release's jars belong; another pom.xml is another directory."""
    root = settings.broker_jars or settings.data_dir / "kafka" / "jars"
    return root.expanduser().absolute() / hashlib.sha256(POM.read_bytes()).hexdigest()[:12]


def fetch_jars(settings: Settings, progress: Progress) -> str:
    """The broker's class path. Downloads once, into the cache; from then on no network is needed."""
    directory = jar_directory(settings)
    if not directory.is_dir():
        maven = shutil.which("mvn")
        if maven is None:
            raise JavaMissingError("Maven (mvn) is not installed, which fetches Kafka the first time")
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".fetch-") as scratch:
            fetched = Path(scratch, "jars")
            _run_maven(maven, Path(scratch), fetched, progress)
            try:
                fetched.rename(directory)
            except OSError:  # another process was faster; its jars are the same
                if not directory.is_dir():
                    raise
    return os.pathsep.join(str(jar) for jar in sorted(directory.glob("*.jar")))


def _run_maven(maven: str, scratch: Path, target: Path, progress: Progress) -> None:
    progress("Fetching Kafka 4.1 from Maven Central (once; about 45 MB)")
    pom = shutil.copy(POM, scratch / "pom.xml")
    command = [
        *(maven, "-B", "--strict-checksums", "-f", str(pom)),
        *("dependency:copy-dependencies", f"-DoutputDirectory={target}"),
    ]
    lines: list[str] = []
    fetched = 0
    with subprocess.Popen(  # noqa: S603  # the Maven that the operator installed
        command,
        cwd=scratch,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as run:
        assert run.stdout is not None
        for line in run.stdout:
            lines.append(line.rstrip())
            jar = re.match(r".*Downloaded from \S+: \S+/(\S+\.jar) \((.*)\)", line)
            if jar:
                fetched += 1
                progress(f"  {fetched:3d} {jar[1]} ({jar[2]})")
    if run.returncode or not any(target.glob("kafka_*.jar")):
        cause = next((line for line in lines if line.startswith("[ERROR]")), "[ERROR] it said nothing")
        raise JavaMissingError(f"Maven could not fetch Kafka: {cause.removeprefix('[ERROR] ')}")
