"""The compose file and the image hold together, and name only what the product has."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from streamproc.cli.main import GROUPS
from streamproc.kafka.broker.docker import IMAGE
from streamproc.kafka.topics import load_topics
from streamproc.settings import PREFIX, HostPort, Settings
from tests.deploy.files import DEPLOY, ROOT, TEXTS, settings_named

COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"] == "streamproc"}
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
FIELDS = {
    *("annotations", "build", "cap_add", "cap_drop", "command", "configs", "container_name", "depends_on", "deploy"),
    *("entrypoint", "environment", "expose", "healthcheck", "hostname", "image", "init", "labels", "logging"),
    *("networks", "ports", "read_only", "restart", "secrets", "security_opt", "stop_grace_period", "stop_signal"),
    *("tmpfs", "ulimits", "user", "volumes", "working_dir"),
}
"""Of a service, by the Compose Specification; those that we might want."""


def exists(words: list[str]) -> bool:
    """Whether `streamproc` has this command."""
    group = GROUPS.get(words[0])
    if group is None:
        return False
    module = __import__(f"streamproc.cli.{group.module}", fromlist=["app"])
    command: Any = get_command(module.app)
    inner = getattr(command, "commands", None)
    return len(words) == 1 if inner is None else len(words) == 2 and words[1] in inner


def image_settings() -> dict[str, str]:
    """The settings that the image is made with."""
    return dict(re.findall(r"(STREAMPROC_\w+)=(\S+)", DOCKERFILE))


@pytest.mark.parametrize(("file", "name"), sorted(set(settings_named())))
def test_every_setting_exists(file: str, name: str) -> None:
    known = {PREFIX + field.upper() for field in Settings.model_fields} | {f"{PREFIX}SETTINGS_FILE"}
    assert name in known or any(one.startswith(f"{name}_") for one in known), f"{file}: {name} is not a setting"


def test_the_images_settings_are_accepted() -> None:
    given = {name.removeprefix(PREFIX).lower(): value for name, value in image_settings().items()}
    settings = Settings(**given)
    assert settings.log_format == "json"
    assert str(settings.data_dir) in DOCKERFILE.partition("VOLUME")[2]


def test_ports_are_those_of_the_settings() -> None:
    ports = {name: HostPort(*value.rsplit(":")).port for name, value in image_settings().items() if "HTTP" in name}
    defaults = {
        f"{PREFIX}{name.upper()}": str(getattr(Settings.model_construct(), name).port)
        for name in ("http", "worker_http", "delivery_http")
    }
    assert ports == defaults
    assert sorted(ports.values()) == re.findall(r"\d+", next(x for x in DOCKERFILE.splitlines() if "EXPOSE" in x))
    assert SERVICES["api"]["ports"] == [f"127.0.0.1:8080:{ports['STREAMPROC_HTTP']}"]
    jobs = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yaml").read_text())["scrape_configs"]
    scraped = {one["names"][0]: str(one["port"]) for job in jobs for one in job.get("dns_sd_configs", ())}
    assert scraped == {
        "worker": ports["STREAMPROC_WORKER_HTTP"],
        "delivery": ports["STREAMPROC_DELIVERY_HTTP"],
        "api": ports["STREAMPROC_HTTP"],
    }


@pytest.mark.parametrize("name", OURS)
def test_every_command_exists(name: str) -> None:
    assert exists(OURS[name]["command"])


def test_a_command_that_is_not_there_is_noticed() -> None:
    assert not exists(["topics", "conjure"])
    assert not exists(["workers"])


def test_it_is_what_was_asked_for() -> None:
    assert sum(service["image"] == IMAGE for service in SERVICES.values()) == 3, "three brokers, of our version"
    assert SERVICES["worker"]["deploy"]["replicas"] == 2
    assert {"delivery", "api", "prometheus", "grafana"} <= SERVICES.keys()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_the_specifications_shape(name: str) -> None:
    service = SERVICES[name]
    assert service.keys() - FIELDS == set()
    for other, how in (service.get("depends_on") or {}).items() if isinstance(service.get("depends_on"), dict) else ():
        assert other in SERVICES
        assert how["condition"] in ("service_started", "service_healthy", "service_completed_successfully")
        assert how["condition"] != "service_healthy" or "healthcheck" in SERVICES[other]
    for volume in service.get("volumes", ()):
        source = volume.split(":")[0]
        assert (DEPLOY / source).exists() if source.startswith(".") else source in COMPOSE["volumes"], volume
    for value in service.get("environment", {}).values():
        assert isinstance(value, str), "numbers and booleans are for quotes"


@pytest.mark.parametrize("name", OURS)
def test_ours_have_few_rights(name: str) -> None:
    service = OURS[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_brokers_know_each_other() -> None:
    brokers = {name: one["environment"] for name, one in SERVICES.items() if one["image"] == IMAGE}
    voters = next(iter(brokers.values()))["KAFKA_CONTROLLER_QUORUM_VOTERS"].split(",")
    for name, environment in brokers.items():
        assert f"{environment['KAFKA_NODE_ID']}@{name}:9093" in voters
        assert environment["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{name}:9092"
        assert environment["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    assert {f"{name}:9092" for name in brokers} == set(OURS["worker"]["environment"]["STREAMPROC_KAFKA"].split(","))


def test_its_environment_is_declared_and_fits_its_brokers() -> None:
    chosen = OURS["worker"]["environment"]["STREAMPROC_ENVIRONMENT"]
    topics = load_topics(Settings.model_construct(environment=chosen, topics_file=None, topic_prefix=""))
    assert {spec.replication for spec in topics.values()} == {3}


def test_what_the_image_copies_reaches_the_builder() -> None:
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignore[1] == "*"
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
        *sources, _ = line.split()
        for source in sources:
            assert f"!{source}" in ignore, f"{source} is kept from the builder"
            assert (ROOT / source).exists()


def test_the_image_does_not_run_as_root() -> None:
    final = DOCKERFILE.rpartition("\nFROM ")[2]
    assert final.index("\nUSER 10001:10001") < final.index("\nENTRYPOINT")
    assert "--require-hashes" in DOCKERFILE
    assert "\nHEALTHCHECK " in final


def test_files_of_the_repository_are_those_that_are_read() -> None:
    assert [path.name for path in TEXTS if path.suffix in (".yml", ".swp", ".orig")] == []


def check(**environment: str) -> int:
    script = DEPLOY / "healthcheck.py"
    return subprocess.run([sys.executable, script], env=environment, check=False).returncode


def test_the_health_check_asks_what_listens() -> None:
    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/healthz" and alive else 503)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    alive = True
    server = HTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        there, nothing = f"0.0.0.0:{server.server_port}", "127.0.0.1:1"
        assert check(STREAMPROC_HTTP=nothing, STREAMPROC_WORKER_HTTP=there) == 0
        assert check(STREAMPROC_HTTP=nothing) == 1
        alive = False
        assert check(STREAMPROC_WORKER_HTTP=there) == 1
    finally:
        server.shutdown()
        server.server_close()


def test_docker_reads_the_compose_file() -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker compose is not installed")
    run = subprocess.run(
        [docker, "compose", "-f", str(DEPLOY / "compose.yaml"), "config", "--format", "json"],
        env={"STREAMPROC_SECRET_KEY": "x", "GRAFANA_PASSWORD": "x", "PATH": str(Path(docker).parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["services"].keys() == SERVICES.keys()


def test_what_the_image_installs_is_complete(tmp_path: Path) -> None:
    """The package is built from nothing but what the Dockerfile copies, and has every file that the code reads."""
    pytest.importorskip("hatchling", reason="hatchling, which builds the package, is not installed")
    source = tmp_path / "build"
    for line in re.findall(r"^COPY (?!--from)(.+) /build/\S*$", DOCKERFILE, re.MULTILINE):
        for name in line.split():
            there = source / name
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, there, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                there.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, there)
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    run = subprocess.run(build, cwd=source, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    [wheel] = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    wanted = {str(path.relative_to(source)) for path in (source / "streamproc").rglob("*") if path.is_file()} | {
        "streamproc/topics.yaml"
    }
    assert wanted - packed == set()
    assert any(name.endswith("METADATA") for name in packed)
    assert (
        "streamproc = streamproc.cli.main:main"
        in zipfile.ZipFile(wheel).read(next(name for name in packed if name.endswith("entry_points.txt"))).decode()
    )
