"""The documentation says what the code does: its lists are complete, its links lead somewhere, its examples work."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest
import yaml

from streamproc.alerting.lifecycle import opened
from streamproc.cli.main import GROUPS, LazyGroup
from streamproc.config.documents import Document, read_documents
from streamproc.config.kinds import KINDS, identify
from streamproc.model.delivery import Delivery, DeliveryState
from streamproc.rules import parse_rule
from streamproc.rules.types import TYPES
from streamproc.settings import PREFIX, Settings
from streamproc.sources.decode import Decoder

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CHANGELOG.md"])
EXAMPLES = sorted((ROOT / "examples").rglob("*.yaml"))

page = pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@page
def test_generated_parts_are_up_to_date(path: Path) -> None:
    text = path.read_text()
    assert generator().refreshed(text) == text, "run `make docs`"


def test_schemas_are_up_to_date() -> None:
    for file, wanted in generator().schemas().items():
        assert file.read_text() == wanted, "run `make docs`"


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_is_described(name: str) -> None:
    assert f"`{PREFIX}{name.upper()}`" in (REFERENCE / "settings.md").read_text()


@pytest.mark.parametrize("name", LazyGroup().list_commands(None))
def test_every_command_is_described(name: str) -> None:
    assert f"streamproc {name}" in (REFERENCE / "cli.md").read_text()
    assert GROUPS[name].help


@pytest.mark.parametrize("name", list(TYPES))
def test_every_rule_type_is_described(name: str) -> None:
    assert f"`{name}`" in (REFERENCE / "rules.md").read_text()


@pytest.mark.parametrize("name", list(KINDS))
def test_every_kind_of_document_is_described(name: str) -> None:
    assert f"`{name}`" in (REFERENCE / "config.md").read_text()


def test_every_field_of_an_alert_is_described() -> None:
    episode = opened(b"f" * 16, "acme", {}, ("event", "evt_1"), 0, 0, b"{}")
    text = (REFERENCE / "alerts.md").read_text()
    assert [name for name in orjson.loads(episode.record(b"f" * 16)) if f"`{name}`" not in text] == []


def test_every_field_of_a_delivery_is_described() -> None:
    delivery = Delivery("d", "acme", "a", "f", 1, None, "triggered", DeliveryState.PENDING, None, 0, 0)
    text = (REFERENCE / "deliveries.md").read_text()
    assert [name for name in orjson.loads(delivery.encode()) if f"`{name}`" not in text] == []


@page
def test_links_lead_somewhere(path: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", _without_code(path.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        found = (path.parent / file).resolve() if file else path
        if not found.exists() or (anchor and anchor not in _anchors(found)):
            broken.append(target)
    assert broken == []


@page
def test_files_that_are_named_exist(path: Path) -> None:
    named = re.findall(r"`((?:streamproc|tests|docs|examples)/[\w/.-]+)`", path.read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_page_can_be_reached_from_the_index() -> None:
    seen: set[Path] = set()
    waiting = [DOCS / "index.md"]
    while waiting:
        path = waiting.pop()
        if path in seen or path.suffix != ".md":
            continue
        seen.add(path)
        links = re.findall(r"\]\(([^)\s#]+)", _without_code(path.read_text()))
        waiting += [(path.parent / link).resolve() for link in links if ":" not in link]
    assert sorted(set(DOCS.rglob("*.md")) - seen) == []


def documents_in_pages() -> Iterator[Any]:
    """Every YAML document of the pages that says what it is: a `kind`, or a rule's `condition`."""
    for path in PAGES:
        for number, block in enumerate(re.findall(r"```yaml\n(.*?)```", path.read_text(), re.DOTALL)):
            for document in yaml.safe_load_all(block):
                for one in document if isinstance(document, list) else [document]:
                    if isinstance(one, dict) and {"kind", "condition", "conditions"} & one.keys():
                        yield pytest.param(one, id=f"{path.relative_to(ROOT)}-{number}")


@pytest.mark.parametrize("document", list(documents_in_pages()))
def test_examples_in_pages_are_accepted(document: dict[str, Any]) -> None:
    if document.get("kind", "rule") == "rule":
        content = {name: value for name, value in document.items() if name != "kind"}
        parse_rule(content, default_tenant="acme")
    else:
        accept(document)


def test_there_are_examples_in_pages() -> None:
    assert len(list(documents_in_pages())) > 10


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_files_are_accepted(path: Path) -> None:
    documents: list[Document] = list(read_documents([path]))
    assert documents
    for document in documents:
        accept(dict(document.content))


@pytest.mark.parametrize(
    "event", re.findall(r"```json event\n(.*?)```", (REFERENCE / "events.md").read_text(), re.DOTALL)
)
def test_example_events_are_accepted(event: str) -> None:
    (decoded,) = Decoder("events").decode(event.encode(), 0, 0, 1_770_733_935_123)
    assert decoded.tenant == "acme"


def accept(document: dict[str, Any]) -> None:
    kind, tenant, id, spec = identify(document, kind="rule", tenant="acme")
    KINDS[kind].parse({"tenant_id": tenant, "id": id, **spec})


def _without_code(text: str) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def _anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
