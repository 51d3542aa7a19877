"""`streamproc config preview-template`: what a content template makes of an alert, without telling anybody."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import orjson
import typer

from streamproc.alerting.content import ContentError, check, rendered
from streamproc.alerting.preview import SAMPLE, SECOND, built_in, message_of
from streamproc.cli.failures import FINDINGS, InputError
from streamproc.cli.output import note, print_json
from streamproc.cli.session import ask, read_snapshot
from streamproc.config.documents import read_documents
from streamproc.model.content import Content
from streamproc.model.content_template import LANGUAGES, METHODS, ContentTemplate, parse_content_template
from streamproc.model.document import DocumentError
from streamproc.settings import load_settings

BUILT_IN = "built-in"


def preview_template(
    template: str = typer.Argument(..., help="A file with one, the id of a configured one, or built-in."),
    method: str = typer.Option("email", "--method", "-m", help=f"One of {', '.join(METHODS)}."),
    language: str = typer.Option("en", "--language", "-l", help=f"One of {', '.join(LANGUAGES)}."),
    alert: Path | None = typer.Option(
        None, "--alert", help="A JSON file with an alert, or a list of several for one message; default: a sample."
    ),
    bundle: bool = typer.Option(False, "--bundle", help="Two sample alerts in one message."),
    tenant: str | None = typer.Option(None, "--tenant", "-t", help="Whose template, where an id is given."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Show what a content template makes of an alert. Status 1 when it fails, and the built-in text would be sent."""
    way = next((one for one in METHODS if one == method), None)
    if way is None:
        raise InputError(f"--method: {method!r} is not one of {', '.join(METHODS)}")
    if language not in LANGUAGES:
        raise InputError(f"--language: {language!r} is not one of {', '.join(LANGUAGES)}")
    message = message_of(_alerts(alert, bundle), "zh" if language == "zh" else "en")
    if template == BUILT_IN:
        _show(built_in(message, way), as_json)
        return
    found = _template(template, tenant)
    try:
        content = rendered(found, way, message)
    except ContentError as error:
        note(f"{error}; the built-in text would be sent")
        raise typer.Exit(FINDINGS) from None
    if content is None:
        note(f"{found.id} has nothing for {method}; the built-in text would be sent")
        content = built_in(message, way)
    _show(content, as_json)


def _template(name: str, tenant: str | None) -> ContentTemplate:
    try:
        if Path(name).is_file():
            documents = [one for one in read_documents([Path(name)]) if one.content.get("kind") in (None, "template")]
            if len(documents) != 1:
                raise InputError(f"{name}: has {len(documents)} content templates; one is wanted")
            made = parse_content_template({"id": "preview", "tenant_id": tenant or "preview", **documents[0].content})
        else:
            snapshot = ask(read_snapshot(load_settings()))
            records = [one for one in snapshot.records("template", tenant) if one.id == name]
            if len(records) != 1:
                several = "is of several tenants; say which with --tenant"
                hint = several if records else "is neither configured nor a file"
                raise InputError(f"template {name} {hint}")
            made = parse_content_template(records[0].document())
        check(made)
    except DocumentError as error:
        raise InputError(f"{name}: {error}") from None
    return made


def _alerts(path: Path | None, bundle: bool) -> list[dict[str, Any]]:
    if path is None:
        return [SAMPLE, SECOND] if bundle else [SAMPLE]
    try:
        content = orjson.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError:
        raise InputError(f"{path}: is not JSON") from None
    alerts = content if isinstance(content, list) else [content]
    if not alerts or not all(isinstance(one, dict) for one in alerts):
        raise InputError(f"{path}: is not an alert, nor a list of alerts")
    return alerts


def _show(content: Content, as_json: bool) -> None:
    parts = {"subject": content.subject, "text": content.text, "html": content.html}
    if as_json:
        print_json({**parts, "items": list(content.items)})
        return
    for name, text in [*parts.items(), *(("item", item) for item in content.items)]:
        if text:
            sys.stdout.write(f"--- {name}\n{text.rstrip()}\n")
