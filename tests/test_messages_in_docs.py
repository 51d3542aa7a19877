"""The pictures of messages are of what is sent, and the examples of content templates make what the page says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import orjson
import pytest
import yaml
from typer.testing import CliRunner

from streamproc.alerting.content import check, rendered
from streamproc.alerting.content_variables import variables
from streamproc.alerting.message import Message
from streamproc.alerting.preview import SAMPLE
from streamproc.alerting.sandbox import known_filters
from streamproc.cli.config import app
from streamproc.cli.failures import InputError
from streamproc.model.content_template import METHODS, ContentTemplate, parse_content_template
from streamproc.model.notification import Purpose

DOCS = Path(__file__).parents[1] / "docs"
PAGE = DOCS / "how-to" / "content-templates.md"
[EXAMPLE] = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)


def drawing() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_images_draw", DOCS / "images" / "draw.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def template() -> ContentTemplate:
    made = parse_content_template(yaml.safe_load(EXAMPLE))
    check(made)
    return made


def preview(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["preview-template", *arguments])


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "soc.yaml"
    path.write_text(EXAMPLE)
    return str(path)


def test_pictures_are_up_to_date() -> None:
    drawn = drawing().pictures()
    assert len(drawn) == 13
    for path, content in drawn.items():
        assert path.read_text() == content, "run `python docs/images/draw.py`"
        ElementTree.fromstring(content)


def test_every_picture_is_shown() -> None:
    pages = "".join(path.read_text() for path in (DOCS / "how-to" / "channels").glob("*.md"))
    for path in drawing().pictures():
        assert f"../../images/{path.name})" in pages


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_example_makes_something_for_every_method(method: Any, language: Any) -> None:
    content = rendered(template(), method, Message(SAMPLE, Purpose.TRIGGERED, language=language))
    if method in ("eventbridge", "function_compute"):
        assert content is None  # it has nothing for them, and `default` is for people
    else:
        assert content is not None
        assert content.text or content.items


def test_what_the_page_prints_is_what_the_command_prints(file: str) -> None:
    [shown] = re.findall(r"```console\n\$ streamproc config (.*?)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    command, output = shown
    result = preview(*command.replace("soc.yaml", file).split()[1:])
    assert (result.exit_code, result.stdout) == (0, output)


def test_the_page_names_every_method_and_variable() -> None:
    text = PAGE.read_text()
    assert [method for method in METHODS if f"`{method}`" not in text] == []
    found = variables(Message(SAMPLE, Purpose.TRIGGERED))
    plain = [name for name in found if name == name.lower() and name not in ("alert", "event")]
    assert [name for name in plain if f"`{name}`" not in text] == []
    assert {"json", "date"} <= set(known_filters())


def test_preview_prints_json_of_a_bundle(file: str) -> None:
    result = preview(file, "--method", "webhook", "--bundle", "--json")
    assert result.exit_code == 0
    items = [orjson.loads(item) for item in orjson.loads(result.stdout)["items"]]
    assert [item["alert_name"] for item in items] == ["Excessive Failed Logins", "Root login"]


def test_preview_takes_alerts_of_ones_own(file: str, tmp_path: Path) -> None:
    own = tmp_path / "alert.json"
    own.write_bytes(orjson.dumps({"id": "a", "title": "Mine", "reason": "why", "severity": "low"}))
    assert "Subject" not in preview(file, "--alert", str(own)).stdout
    assert "--- subject\n[LOW] Mine\n" in preview(file, "--alert", str(own)).stdout
    assert "2 条告警" in preview("built-in", "--bundle", "--language", "zh").stdout


def test_preview_of_a_template_that_fails_has_status_1(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text('kind: template\nid: x\ncontents: {sms: "{{ 1 | divided_by: 0 }}"}\n')
    result = preview(str(path), "--method", "sms", "--tenant", "acme")
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--method", "fax"], "--method: 'fax' is not one of email"),
        (["--language", "fr"], "--language: 'fr' is not one of en, zh"),
        (["--alert", "/nowhere"], "/nowhere: cannot be read"),
    ],
)
def test_what_preview_refuses(arguments: list[str], problem: str, file: str) -> None:
    error = preview(file, *arguments).exception
    assert isinstance(error, InputError)
    assert problem in str(error)
