"""The command line on a real broker: apply, diff, get, list, delete, export, lint, topics, broker; exit statuses."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiokafka import AIOKafkaConsumer, TopicPartition

from streamproc.cli.main import run
from streamproc.kafka.client import client_options
from streamproc.kafka.config_writer import ConfigWriter
from streamproc.kafka.tailer import ConfigTailer
from streamproc.settings import Settings
from tests.command_line import environment_of, run_command

SECRET = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"
RULES = """
- {id: a, tenant_id: acme, name: A, type: pattern, condition: {action: user.login}, severity: low}
- {id: b, tenant_id: acme, name: B, type: pattern, condition: {action: user.logout}}
"""
WEBHOOK = f"{{kind: webhook, tenant_id: acme, id: w, url: 'https://soc.example.com/x', secret: {SECRET}}}"


class Cli:
    """Runs command lines in a process of their own with one test's settings."""

    def __init__(self, settings: Settings, directory: Path) -> None:
        self.settings, self.directory = settings, directory

    def __call__(self, *arguments: str, status: int = 0, stdin: str = "") -> str:
        done = run_command(self.settings, *arguments, directory=self.directory, stdin=stdin)
        assert done.returncode == status, done.stdout + done.stderr
        if status in (2, 3):
            assert done.stdout == ""
            return done.stderr
        return done.stdout

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json"))

    def file(self, name: str, text: str) -> str:
        path = self.directory / name
        path.write_text(text)
        return name


@pytest.fixture
def cli(settings_with_topics: Settings, tmp_path: Path) -> Cli:
    return Cli(settings_with_topics, tmp_path)


@pytest.mark.broker
async def test_the_life_of_a_configuration(cli: Cli, settings_with_topics: Settings) -> None:
    rules, webhook = cli.file("rules.yaml", RULES), cli.file("webhook.yaml", WEBHOOK)
    assert "create acme/webhook/w (revision 1)" in cli("config", "diff", webhook)
    assert cli.json("config", "list") == [], "diff writes nothing"
    assert "created acme/rule/a (revision 1)" in cli("rules", "apply", rules)
    assert "created acme/webhook/w (revision 1)" in cli("config", "apply", webhook)

    ends = await _config_end(settings_with_topics)
    assert cli("rules", "apply", rules) == "0 changed, 2 unchanged\n"
    assert cli("config", "apply", webhook) == "0 changed, 1 unchanged\n"
    assert cli("config", "diff", webhook, "--exit-code") == "0 to change, 1 unchanged\n"
    assert await _config_end(settings_with_topics) == ends, "nothing was written"

    raw = b"".join(await _config_bytes(settings_with_topics))
    assert b"soc.example.com" not in raw
    assert SECRET.encode() not in raw
    assert SECRET.removeprefix("whsec_").encode() not in raw
    assert b"user.login" in raw
    for command in (("config", "get", "webhook", "w"), ("config", "export"), ("config", "list")):
        assert SECRET not in cli(*command)
    assert yaml.safe_load(cli("config", "get", "webhook", "w"))["secret"] == "(sealed)"

    changed = cli.file("rules.yaml", RULES.replace("severity: low", "severity: high"))
    assert "    severity: 'low' → 'high'" in cli("config", "diff", cli.file("one.yaml", _as_config(changed, cli)))
    cli("config", "diff", "one.yaml", "--exit-code", status=1)
    (update, same) = cli.json("rules", "apply", changed)
    assert (update["action"], update["revision"]) == ("update", 2)
    assert same["action"] == "unchanged"
    assert update["fields"] == [{"path": "severity", "before": "low", "after": "high"}]

    listed = cli.json("rules", "list")
    assert [(row["id"], row["revision"], row["status"]) for row in listed] == [("a", 2, "active"), ("b", 1, "active")]
    exported = cli.file("export.yaml", cli("config", "export"))
    assert cli("config", "apply", exported) == "0 changed, 3 unchanged\n"

    only_b = cli.file("b.yaml", RULES.strip().splitlines()[1])
    assert "deleted acme/rule/a" in cli("rules", "apply", only_b, "--prune")
    assert [row["kind"] for row in cli.json("config", "list")] == ["rule", "webhook"]
    assert cli("config", "delete", "rule", "b") == "deleted acme/rule/b\n"
    assert cli.json("config", "list", "rule") == []
    assert "rule b is not configured" in cli("config", "delete", "rule", "b", status=2)


@pytest.mark.broker
async def test_an_inactive_rule_is_listed_with_its_error(cli: Cli, settings_with_topics: Settings) -> None:
    cli("rules", "apply", cli.file("rules.yaml", RULES))
    tailer = ConfigTailer(settings_with_topics)
    await tailer.start()
    await tailer.stop()
    record = tailer.snapshot.record("rule", "acme", "a")
    assert record is not None
    async with ConfigWriter(settings_with_topics) as writer:
        broken = type(record)("rule", "acme", "a", 2, {**record.spec, "type": "nonsense"}, "", "")
        await writer.put([broken])
    a, b = cli.json("rules", "list")
    assert (a["status"], b["status"]) == ("inactive", "active")
    assert "nonsense" in a["problem"]
    assert "created" not in cli("rules", "apply", "rules.yaml"), "the file's rule replaces it"
    assert cli.json("rules", "list")[0]["status"] == "active"


@pytest.mark.broker
def test_several_tenants_and_standard_input(cli: Cli) -> None:
    for tenant in ("acme", "other"):
        cli("config", "apply", "-", "--tenant", tenant, stdin="{kind: list, id: vip, values: [a]}")
    assert "of several tenants" in cli("config", "get", "list", "vip", status=2)
    got = cli.json("config", "get", "list", "vip", "--tenant", "other")
    assert (got["tenant_id"], got["values"], got["revision"]) == ("other", ["a"], 1)
    assert len(cli.json("config", "list", "list")) == 2
    assert len(cli.json("config", "export", "--tenant", "acme")) == 1
    assert "KIND: 'gadget' is not one of rule" in cli("config", "list", "gadget", status=2)


@pytest.mark.broker
def test_topics_commands(settings: Settings, tmp_path: Path) -> None:
    cli = Cli(settings, tmp_path)
    assert f"topic {settings.topic('events')} is missing" in cli("topics", "check", status=1)
    assert "streamproc topics apply" in cli("config", "list", status=2)
    assert f"created {settings.topic('events')}" in cli("topics", "apply")
    assert cli("topics", "apply") == "nothing to do\n"
    assert cli.json("topics", "check") == []
    assert {row["name"] for row in cli.json("topics", "list")} >= {"events", "alerts", "config"}


@pytest.mark.broker
@pytest.mark.slow
def test_broker_prints_its_address_and_stops_on_sigterm(new_settings: Callable[..., Settings], tmp_path: Path) -> None:
    settings = new_settings()
    cli = Cli(settings, tmp_path)
    command = [sys.executable, "-m", "streamproc", "broker"]
    with subprocess.Popen(
        command, env=environment_of(cli.settings), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        address = run.stdout.readline().strip()
        assert settings.bootstrap_file.read_text().strip() == address
        assert cli("broker") == f"{address}\n", "a second one prints the first one's address"
        started = time.monotonic()
        run.send_signal(signal.SIGTERM)
        assert run.wait(20) == 0
        assert time.monotonic() - started < 15
    assert not settings.bootstrap_file.exists()


def test_lint_needs_no_broker_and_names_the_line(new_settings: Callable[..., Settings], tmp_path: Path) -> None:
    cli = Cli(new_settings(kafka="127.0.0.1:1"), tmp_path)
    assert cli("rules", "lint", cli.file("good.yaml", RULES)) == "2 fine\n"
    bad = cli.file("bad.yaml", RULES + "\n- id: c\n  name: C\n  type: nonsense\n  condition: {action: a}\n")
    assert "bad.yaml:7: type: nonsense is not one of" in cli("rules", "lint", bad, status=1)
    assert len(json.loads(cli("rules", "lint", bad, "--json", status=1))["problems"]) == 1


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("config", "list"), 3, "No broker answers at 127.0.0.1:1"),
        (("topics", "check"), 3, "No broker answers at 127.0.0.1:1"),
        (("config", "apply", "missing.yaml"), 2, "missing.yaml: cannot be read"),
        (("config", "apply"), 2, "Missing argument"),
        (("nothing",), 2, "No such command 'nothing'"),
        (("topcs",), 2, "Did you mean 'topics'?"),
        (("broker",), 2, "STREAMPROC_KAFKA: is set to 127.0.0.1:1"),
    ],
)
def test_a_failure_is_one_line_and_its_status(
    arguments: tuple[str, ...], status: int, message: str, new_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    said = Cli(new_settings(kafka="127.0.0.1:1"), tmp_path)(*arguments, status=status)
    assert message in said
    assert said.count("\n") == 1


def test_help_imports_no_group(capsys: pytest.CaptureFixture[str]) -> None:
    code = "import sys; from streamproc.cli.main import run; run(['--help']); print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *shown, modules = done.stdout.strip().splitlines()
    assert "topics" in "".join(shown)
    for heavy in ("aiokafka", "pydantic", "faust", "streamproc.cli.topics"):
        assert f"'{heavy}'" not in modules
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("streamproc ")


def test_an_unexpected_failure_is_not_taken_for_an_expected_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from streamproc.cli import topics

    def broken() -> Settings:
        raise KeyError("a defect")

    monkeypatch.setattr(topics, "load_settings", broken)
    assert run(["topics", "list"]) == 70
    assert "KeyError: 'a defect'" in capsys.readouterr().err


def _as_config(name: str, cli: Cli) -> str:
    rules = yaml.safe_load((cli.directory / name).read_text())
    return yaml.safe_dump([{"kind": "rule", **rule} for rule in rules])


async def _config_end(settings: Settings) -> int:
    partition = TopicPartition(settings.topic("config"), 0)
    async with AIOKafkaConsumer(**client_options(settings)) as consumer:
        return int((await consumer.end_offsets([partition]))[partition])


async def _config_bytes(settings: Settings) -> list[bytes]:
    partition = TopicPartition(settings.topic("config"), 0)
    found: list[bytes] = []
    async with AIOKafkaConsumer(**client_options(settings), auto_offset_reset="earliest") as consumer:
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        while await consumer.position(partition) < end:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += [bytes(part) for record in records for part in (record.key, record.value) if part]
    return found
