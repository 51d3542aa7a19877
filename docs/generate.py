"""Writes the parts of the reference that the code knows better than any author.

`make docs` runs it; `tests/test_docs.py` fails when a page is not as it would write it. In a page, what stands
between `<!-- generated: name -->` and `<!-- end -->` is replaced by what the function of that name answers.
"""

import ast
import importlib
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from prometheus_client import Counter, Gauge, Histogram
from pydantic_core import PydanticUndefined
from typer.main import get_command

from streamproc import metrics as exported
from streamproc import settings as settings_module
from streamproc.cli.main import GROUPS, PROGRAM, LazyGroup
from streamproc.kafka.topics import load_topics
from streamproc.model.delivery import DeliveryState, OutcomeKind
from streamproc.model.delivery import Reason as DeliveryReason
from streamproc.model.event import Reason as EventReason
from streamproc.model.records import SCHEMAS
from streamproc.settings import PREFIX, Settings
from streamproc.web.openapi import openapi_document
from streamproc.web.routes.registry import all_routes

DOCS = Path(__file__).parent
_BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [columns, tuple("---" for _ in columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)


def attribute_docs(source: object) -> dict[str, str]:
    """Name → the text that follows the assignment of that name in a class, on one line."""
    body = ast.parse(inspect.getsource(source)).body[0]  # type: ignore[arg-type]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for statement, following in zip(body.body, [*body.body[1:], None], strict=True):
        if isinstance(statement, ast.AnnAssign):
            target: Any = statement.target
        elif isinstance(statement, ast.Assign):
            target = statement.targets[0]
        else:
            continue
        match following:
            case ast.Expr(value=ast.Constant(value=str(text))):
                found[target.id] = " ".join(text.split())
            case _:
                found[target.id] = ""
    return found


def settings() -> str:
    """Every setting."""
    docs = attribute_docs(settings_module.Settings)
    rows = []
    for name, field in Settings.model_fields.items():
        choices = (
            [str(value) for value in get_args(field.annotation)] if get_origin(field.annotation) is Literal else []
        )
        text = docs[name]
        if choices:
            text = f"{text} One of {', '.join(choices)}.".strip()
        rows.append((f"`{PREFIX}{name.upper()}`", _default(field.default), text))
    return table(("variable", "default", "meaning"), rows)


def _default(value: Any) -> str:
    return "" if value in (None, "", (), PydanticUndefined) else f"`{value}`"


def commands() -> str:
    """Every command with its arguments and options."""
    known = LazyGroup().list_commands(None)
    return "\n\n".join(section for name in known for section in _group(name))


def _group(name: str) -> Iterator[str]:
    module = importlib.import_module(f"streamproc.cli.{GROUPS[name].module}")
    command: Any = get_command(module.app)
    inner = getattr(command, "commands", None)
    if inner is None:
        yield _command(f"{PROGRAM} {name}", command)
        return
    yield f"## {PROGRAM} {name}\n\n{GROUPS[name].help}"
    for sub, found in inner.items():
        yield _command(f"{PROGRAM} {name} {sub}", found, "###")


def _command(name: str, command: Any, level: str = "##") -> str:
    rows = []
    for parameter in command.params:
        if parameter.name in ("help", "install_completion", "show_completion"):
            continue
        names = [*parameter.opts, *parameter.secondary_opts]
        if parameter.param_type_name == "argument":
            names = [(parameter.metavar or parameter.name or "").upper()]
        text = " ".join((getattr(parameter, "help", None) or "").split())
        default = parameter.default
        shown = default is not None and not callable(default) and not isinstance(default, bool | list | tuple)
        if shown and default != "" and type(default) in (int, float, str):
            text = f"{text} Default: `{default}`."
        rows.append((" ".join(f"`{one}`" for one in names), text.strip()))
    text = "\n\n".join(" ".join(part.split()) for part in inspect.cleandoc(command.help or "").split("\n\n"))
    return "\n\n".join(part for part in (f"{level} {name}", text, table(("", ""), rows) if rows else "") if part)


def topics() -> str:
    """Every topic as topics.yaml declares it."""
    rows = [
        (
            f"`{spec.name}`",
            spec.about,
            str(spec.partitions),
            spec.cleanup,
            spec.key or "",
            spec.partition_by or "",
            f"{', '.join(spec.writer)} → {', '.join(spec.readers)}",
        )
        for spec in load_topics(Settings.model_construct(environment="", topics_file=None, topic_prefix="")).values()
    ]
    columns = ("topic", "holds", "partitions", "cleanup", "key", "partition by", "written by → read by")
    return table(columns, rows)


def metrics() -> str:
    """Every metric."""
    rows = []
    for metric in vars(exported).values():
        if not isinstance(metric, Counter | Gauge | Histogram):
            continue
        (family,) = metric.describe()
        name = f"{family.name}_total" if isinstance(metric, Counter) else family.name
        labels = ", ".join(metric._labelnames)
        rows.append((f"`{name}`", type(metric).__name__.lower(), labels, family.documentation))
    return table(("metric", "kind", "labels", "meaning"), rows)


def event_reasons() -> str:
    """Why a record is a dead letter."""
    return ", ".join(f"`{reason}`" for reason in EventReason)


def delivery_states() -> str:
    """Where a delivery can stand."""
    return ", ".join(f"`{state}`" for state in DeliveryState)


def delivery_reasons() -> str:
    """Why a delivery is where it stands."""
    docs = attribute_docs(DeliveryReason)
    return table(("reason", "means"), [(f"`{reason}`", docs[reason.name]) for reason in DeliveryReason])


def attempt_outcomes() -> str:
    """What an attempt can come to."""
    return ", ".join(f"`{kind}`" for kind in OutcomeKind)


def api() -> str:
    """Every route of the API, by tag, from the OpenAPI document."""
    document = openapi_document(all_routes())
    named: dict[str, Any] = document["components"]["schemas"]
    sections = []
    for tag in (tag["name"] for tag in document["tags"]):
        sections.append(f"## {tag}")
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                if tag in operation["tags"]:
                    sections += _route(f"{method.upper()} {path}", operation, named)
    return "\n\n".join(sections)


def _route(heading: str, operation: dict[str, Any], named: dict[str, Any]) -> Iterator[str]:
    yield f"### {heading}\n\n{operation['summary']}. {operation['description']}".rstrip()
    rows = [
        (f"`{one['name']}`", one["in"], _shape(one["schema"]), " ".join(one.get("description", "").split()))
        for one in operation["parameters"]
        if one["name"] != "Idempotency-Key"
    ]
    if rows:
        yield table(("parameter", "in", "type", "meaning"), rows)
    body = operation.get("requestBody", {}).get("content", {})
    for content in list(body.values())[:1]:
        kinds = " or ".join(f"`{kind}`" for kind in body)
        fields = _fields(content["schema"], named)
        yield f"Body: {kinds}" + (", with these fields:" if fields else ".")
        if fields:
            yield table(("field", "type", "meaning"), fields)
        if "example" in content:
            example = content["example"]
            text = example if isinstance(example, str) else json.dumps(example, ensure_ascii=False)
            yield f"```\n{text}\n```"
    wanted = [status for status in operation["responses"] if status < "400"]
    answer = operation["responses"][wanted[0]]
    schemas = [content["schema"] for content in answer.get("content", {}).values()]
    shape = f": {_shape(schemas[0])}" if schemas else ""
    errors = ", ".join(status for status in operation["responses"] if status >= "400" and status not in ("500", "503"))
    yield f"Answers {' or '.join(wanted)}{shape}." + (f" Refuses with {errors}." if errors else "")
    fields = _fields(schemas[0], named, marked=False) if schemas else []
    if fields:
        yield table(("field", "type", "meaning"), fields)


def _fields(schema: dict[str, Any], named: dict[str, Any], *, marked: bool = True) -> list[tuple[str, ...]]:
    """The fields of an object, or of a page's items; `marked`: with which of them are required."""
    found = named.get(schema.get("$ref", "").rpartition("/")[2], schema)
    properties = found.get("properties", {})
    if properties.keys() == {"items", "next_cursor"}:
        return _fields(properties["items"]["items"], named, marked=marked)
    required = found.get("required", ()) if marked else ()
    return [
        (
            f"`{name}`" + (" (required)" if name in required and "default" not in part else ""),
            _shape(part),
            " ".join(part.get("description", "").split()),
        )
        for name, part in properties.items()
    ]


def _shape(schema: dict[str, Any]) -> str:
    """A schema in a few words."""
    if "$ref" in schema:
        return re.sub(r"^Page_(.*)_$", r"a page of \1", schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " or ".join(_shape(option) for option in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_shape(schema.get('items', {}))}"
    limits = ""
    if "minimum" in schema or "maximum" in schema:
        limits = f" {schema.get('minimum', '')}–{schema.get('maximum', '')}"
    default = f", default `{schema['default']}`" if schema.get("default") not in (None, "") else ""
    return f"{schema.get('type', 'any')}{limits}{default}"


def faults() -> str:
    """What the fault suite found, by fault; `make test-faults ARGS="--report docs/reference/reliability.json"`."""
    found = json.loads((DOCS / "reference" / "reliability.json").read_text())
    rows = []
    for name, one in found.items():
        if one["skipped"] is not None:
            rows.append((f"`{name}`", one["about"], "skipped", "", "", "", "", one["skipped"]))
            continue
        same = {True: "yes", False: "no", None: "not looked at"}[one["state_equal"]]
        counts = (str(one["runs"]), str(one["alerts"]), str(one["lost"]), str(one["extra"] + one["wrong"]))
        rows.append((f"`{name}`", one["about"], *counts, f"{one['longest_pause_s']:.1f} s", same))
    columns = ("fault", "what", "runs", "alerts", "lost", "extra or wrong", "longest pause", "state is the changelog's")
    return table(columns, rows)


GENERATED: dict[str, Callable[[], str]] = {
    function.__name__: function
    for function in (
        settings,
        commands,
        topics,
        metrics,
        event_reasons,
        delivery_states,
        delivery_reasons,
        attempt_outcomes,
        api,
        faults,
    )
}


def refreshed(text: str) -> str:
    """A page with its generated parts as they should be. Raises KeyError for a part that nobody generates."""
    return _BLOCK.sub(lambda match: f"{match[1]}\n{GENERATED[match[2]]()}\n\n{match[3]}", text)


def schemas() -> dict[Path, str]:
    """The JSON Schema of each topic's values, by file."""
    found = {}
    for name, model in SCHEMAS.items():
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema(by_alias=True)}
        found[DOCS / "reference" / "schemas" / f"{name}.json"] = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    return found


def pages() -> list[Path]:
    """Every page of the documentation."""
    return sorted(DOCS.rglob("*.md"))


def main() -> None:
    """Rewrite the pages that are out of date."""
    for page in pages():
        text = page.read_text()
        wanted = refreshed(text)
        if wanted != text:
            page.write_text(wanted)
            sys.stdout.write(f"{page.relative_to(DOCS.parent)}\n")
    for file, wanted in schemas().items():
        file.parent.mkdir(exist_ok=True)
        if not file.exists() or file.read_text() != wanted:
            file.write_text(wanted)
            sys.stdout.write(f"{file.relative_to(DOCS.parent)}\n")


if __name__ == "__main__":
    main()
