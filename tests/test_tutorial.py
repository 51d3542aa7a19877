"""The tutorial's files are accepted and do what it says; commands and topics of some other pages are right."""

from __future__ import annotations

import base64
import importlib
import importlib.util
import os
import re
import shlex
import threading
import time
import urllib.error
import urllib.request
from http.server import HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest
import yaml
from typer.main import get_command as built
from typer.testing import CliRunner

from streamproc.backtest.rule_tests import play
from streamproc.channels.sign import standard
from streamproc.cli.main import GROUPS
from streamproc.cli.rules import app as rules_app
from streamproc.config.kinds import KINDS, identify
from streamproc.kafka.topic_file import declared_topics
from streamproc.model.webhook import Webhook, standard_key
from streamproc.rules import compile_rule, parse_rule
from streamproc.settings import Settings
from streamproc.sources.decode import Decoder
from streamproc.web.routes.registry import all_routes

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "tutorial.md").read_text()
PLAN = (DOCS / "concepts" / "scaling.md").read_text()
OTHERS = ("scale", "upgrade", "recover", "size-a-deployment")
"""How-to pages whose commands are read too."""
FILES = dict(re.findall(r"^```\w+ file=(\S+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))


def shell(page: str) -> str:
    """What a page has people type, a command a line."""
    return "\n".join(re.findall(r"^```sh\n(.*?)^```", page, re.DOTALL | re.MULTILINE)).replace("\\\n", " ")


SHELL = shell(PAGE)
EVERYWHERE = "\n".join([SHELL, *(shell((DOCS / "how-to" / f"{name}.md").read_text()) for name in OTHERS)])
COMMANDS = sorted({one.strip() for one in re.findall(r"streamproc [a-z][^`|)>#\n]*", EVERYWHERE)})


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the tutorial's files, as somebody has who followed it."""
    for name, content in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def webhook() -> Webhook:
    document = yaml.safe_load(FILES["first/webhook.yaml"])
    kind, tenant, id, spec = identify(document, kind=None, tenant=None)
    made = KINDS[kind].parse({"tenant_id": tenant, "id": id, **spec})
    assert isinstance(made, Webhook)
    return made


def rule() -> Any:
    return parse_rule(yaml.safe_load(FILES["first/rule.yaml"]), default_tenant="acme")


def receiver(directory: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("tutorial_receiver", directory / "first" / "receiver.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_files_are_those_that_the_commands_name() -> None:
    named = {one for one in re.findall(r"first/[\w.]+", SHELL + PAGE) if "." in one}
    assert named == FILES.keys() == {"first/rule.yaml", "first/receiver.py", "first/webhook.yaml", "first/events.jsonl"}


def test_the_rule_names_the_webhook_and_both_are_accepted() -> None:
    assert list(rule().webhook_ids) == [webhook().id]


def test_lint_and_the_rules_own_tests_pass_as_printed(directory: Path) -> None:
    linted = CliRunner().invoke(rules_app, ["lint", "--strict", "first/rule.yaml"])
    assert linted.exit_code == 0, linted.output
    tested = CliRunner().invoke(rules_app, ["test", "first/rule.yaml"])
    assert tested.exit_code == 0, tested.output
    [printed] = re.findall(r"^```console\n\$ streamproc rules test first/rule.yaml\n(.*?)^```", PAGE, re.DOTALL | re.M)
    seconds = re.compile(r"in [\d.]+ s")
    assert seconds.sub("", tested.output) == seconds.sub("", printed)


def test_with_the_count_that_is_suggested_a_test_fails(directory: Path) -> None:
    path = directory / "first" / "rule.yaml"
    path.write_text(path.read_text().replace("  count: 3\n", "  count: 4\n"))
    assert CliRunner().invoke(rules_app, ["test", "first/rule.yaml"]).exit_code == 1


def test_the_events_make_the_alert_that_the_receiver_prints() -> None:
    decoder, now = Decoder("events"), int(time.time() * 1000)
    lines = FILES["first/events.jsonl"].splitlines()
    events = [one for n, line in enumerate(lines) for one in decoder.decode(line.encode(), 0, n, now + n)]
    [alert] = play([compile_rule(rule(), 1)], events)
    assert f"alert.triggered | {alert['title']} | {alert['reason']}\n" in PAGE


def test_the_receiver_takes_what_is_signed_and_nothing_else(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    module = receiver(directory)
    [secret] = [one.value.get_secret_value() for one in webhook().all_secrets]
    assert secret == module.SECRET
    assert len(standard_key(secret)) == 32
    server = HTTPServer(("127.0.0.1", 0), module.Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        body = orjson.dumps({"type": "alert.triggered", "data": {"title": "T", "reason": "why"}})

        def post(key: str) -> int:
            headers = {
                "webhook-id": "dlv_1",
                "webhook-timestamp": "1770733935",
                "webhook-signature": standard("dlv_1", 1770733935, body, [key]),
            }
            asked = urllib.request.Request(f"http://127.0.0.1:{server.server_port}/alerts", body, headers)
            try:
                with urllib.request.urlopen(asked, timeout=10) as answer:
                    return int(answer.status)
            except urllib.error.HTTPError as error:
                return error.code

        assert post(secret) == 200
        assert post("whsec_" + base64.b64encode(os.urandom(32)).decode()) == 401
    finally:
        server.shutdown()
        server.server_close()
    assert capsys.readouterr().out == "alert.triggered | T | why\n"


def test_the_address_is_the_receivers() -> None:
    url = webhook().url.get_secret_value()
    assert url == "http://127.0.0.1:9000/alerts"
    assert 'HTTPServer(("127.0.0.1", 9000)' in FILES["first/receiver.py"]


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_is_one(line: str) -> None:
    """Each is read by the command line's own parser, with its options and arguments."""
    name, *words = shlex.split(line.replace('"$id"', "alt_1"))[1:]
    assert name in GROUPS
    command: Any = built(importlib.import_module(f"streamproc.cli.{GROUPS[name].module}").app)
    if hasattr(command, "commands"):
        name, *words = words
        command = command.commands[name]
    command.make_context(name, words)  # raises a usage error


def test_the_overlay_of_the_plan_can_be_used(tmp_path: Path) -> None:
    [overlay] = re.findall(r"^```yaml\nenvironments:\n(.*?)^```", PLAN, re.DOTALL | re.MULTILINE)
    path = tmp_path / "topics.yaml"
    path.write_text(f"{(DOCS.parent / 'topics.yaml').read_text().rstrip()}\n{overlay}")
    partitions = {
        spec.name: spec.partitions for spec in declared_topics(Settings(topics_file=path, environment="million"))
    }
    assert (partitions["events"], partitions["signals"]) == (96, 48)


def test_every_address_is_a_route() -> None:
    asked = set()
    for line in SHELL.splitlines():
        if path := re.search(r'"\$url(/[^"?]*)', line):
            method = re.search(r"-X (\w+)", line)
            asked.add((method[1] if method else "POST" if " -d " in line else "GET", path[1]))
    assert len(asked) >= 5
    patterns = [(route.method, re.sub(r"\{\w+\}", "[^/]+", route.path)) for route in all_routes()]
    unknown = [one for one in asked if not any(one[0] == m and re.fullmatch(p, one[1]) for m, p in patterns)]
    assert unknown == []
    assert ("GET", "/docs") in patterns
