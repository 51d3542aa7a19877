"""The OpenAPI document as a page: routes by tag, with parameters, bodies, answers. No scripts, no outside resource."""

from __future__ import annotations

from html import escape
from typing import Any


def api_page(document: dict[str, Any]) -> str:
    """The page's HTML."""
    tags = [tag["name"] for tag in document["tags"]]
    sections = {tag: [] for tag in tags}  # type: dict[str, list[str]]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            for tag in operation.get("tags", ()):
                sections[tag].append(_operation(method, path, operation))
    contents = "".join(f'<li><a href="#{escape(tag)}">{escape(tag)}</a></li>' for tag in tags)
    schemas = "".join(
        f'<details id="schema-{escape(name)}"><summary><code>{escape(name)}</code></summary>{_fields(schema)}</details>'
        for name, schema in document["components"]["schemas"].items()
    )
    body = "".join(
        f'<section><h2 id="{escape(tag)}">{escape(tag)}</h2>{"".join(sections[tag])}</section>' for tag in tags
    )
    intro = "".join(f"<p>{_text(part)}</p>" for part in document["info"]["description"].strip().split("\n\n"))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>streamproc API</title>'
        '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/docs.css"></head><body>'
        f'<header><h1>streamproc API</h1>{intro}<p><a href="/openapi.json">openapi.json</a></p></header>'
        f'<nav aria-label="Contents"><ul>{contents}<li><a href="#schemas">schemas</a></li></ul></nav>'
        f'<main>{body}<section><h2 id="schemas">schemas</h2>{schemas}</section></main></body></html>'
    )


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(one['name'])}</code></td><td>{escape(one['in'])}</td>"
        f"<td>{_type(one['schema'])}</td><td>{_text(one.get('description', ''))}</td></tr>"
        for one in operation["parameters"]
    )
    parameters = f"<h4>Parameters</h4><table>{rows}</table>" if rows else ""
    body = ""
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        body += f"<p>Body <code>{escape(kind)}</code>: {_type(content['schema'])}</p>"
    answers = "".join(
        f"<tr><td>{escape(status)}</td><td>{escape(answer['description'])}</td><td>{_content(answer)}</td></tr>"
        for status, answer in operation["responses"].items()
    )
    text = "".join(f"<p>{_text(part)}</p>" for part in operation["description"].split("\n\n") if part)
    return (
        f'<details id="{escape(operation["operationId"])}"><summary><b class="{method}">{method.upper()}</b> '
        f"<code>{escape(path)}</code> {escape(operation['summary'])}</summary>"
        f"{text}{parameters}{body}<h4>Answers</h4><table>{answers}</table></details>"
    )


def _content(answer: dict[str, Any]) -> str:
    return ", ".join(_type(one["schema"]) for one in answer.get("content", {}).values())


def _fields(schema: dict[str, Any]) -> str:
    required = schema.get("required", ())
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code>{' *' if name in required else ''}</td><td>{_type(part)}</td>"
        f"<td>{_text(part.get('description', ''))}</td></tr>"
        for name, part in schema.get("properties", {}).items()
    )
    text = f"<p>{_text(schema['description'])}</p>" if "description" in schema else ""
    return f"{text}<table>{rows}</table>" if rows else f"{text}<p>{_type(schema)}</p>"


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#schema-{escape(name)}">{escape(name)}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(option) for option in schema["anyOf"])
    if "enum" in schema:
        return " ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    if "const" in schema:
        return f"<code>{escape(str(schema['const']))}</code>"
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    limits = [f"{name} {schema[name]}" for name in ("minimum", "maximum", "default") if name in schema]
    return escape(str(schema.get("type", "any")) + (f" ({', '.join(limits)})" if limits else ""))


def _text(text: str) -> str:
    """Escaped, with `code` as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))
