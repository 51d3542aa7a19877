"""`streamproc config preview-template`: what a content template makes of an alert, without telling anybody."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import typer

from streamproc.alerting.content import ContentError, check, rendered
from streamproc.alerting.message import Message
from streamproc.alerting.render import headline, plain
from streamproc.alerting.render_email import email
from streamproc.cli.failures import FINDINGS, InputError
from streamproc.cli.output import note, print_json
from streamproc.cli.session import ask, read_snapshot
from streamproc.config.documents import read_documents
from streamproc.model.channel_settings import Language
from streamproc.model.content import Content
from streamproc.model.content_template import LANGUAGES, METHODS, ContentTemplate, Method, parse_content_template
from streamproc.model.document import DocumentError
from streamproc.model.notification import Purpose
from streamproc.settings import load_settings

BUILT_IN = "built-in"

SAMPLE: dict[str, Any] = {
    "event_type": "alert.triggered",
    "id": "alt_4f7a8b9c-0d1e-4f3a-8b5c-6d7e8f9a0b1c",
    "revision": 1,
    "tenant_id": "acme",
    "status": "open",
    "severity": "high",
    "category": "identity",
    "title": "Excessive Failed Logins",
    "description": "Somebody tries passwords.",
    "reason": "5 events in 300 s for actor.ip 203.0.113.7",
    "rule": {"id": "excessive-failed-logins", "revision": 3, "name": "Excessive Failed Logins", "type": "threshold"},
    "group": {"actor.ip": "203.0.113.7"},
    "trigger_count": 1,
    "context": {"count": 5, "window_seconds": 300},
    "event": {
        "id": "evt_01",
        "action": "user.login",
        "outcome": "failure",
        "actor": {"id": "user_alice", "email": "alice@example.com", "ip": "203.0.113.7", "country": "DE"},
        "resource": {"type": "session", "id": "session_1"},
        "region": "eu-west-1",
    },
    "runbook": "https://wiki.example.com/failed-logins",
    "created_at": "2026-02-10T14:32:15.123Z",
    "triggered_at": "2026-02-10T14:32:15.123Z",
}
"""The alert of previews where none is given."""
SECOND: dict[str, Any] = {
    **SAMPLE,
    "id": "alt_9c8b7a6f-1e0d-4a2b-9c4d-0f1e2d3c4b5a",
    "severity": "critical",
    "title": "Root login",
    "reason": "console.login by root from 198.51.100.23",
    "group": {"actor.id": "root"},
    "triggered_at": "2026-02-10T14:40:02.000Z",
}


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
    message = _message(_alerts(alert, bundle), "zh" if language == "zh" else "en")
    if template == BUILT_IN:
        _show(_built_in(message, way), as_json)
        return
    found = _template(template, tenant)
    try:
        content = rendered(found, way, message)
    except ContentError as error:
        note(f"{error}; the built-in text would be sent")
        raise typer.Exit(FINDINGS) from None
    if content is None:
        note(f"{found.id} has nothing for {method}; the built-in text would be sent")
        content = _built_in(message, way)
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


def _message(alerts: list[dict[str, Any]], language: Language) -> Message:
    each = tuple(Message(one, _purpose(one), language=language) for one in alerts)
    return each[0] if len(each) == 1 else replace(each[-1], members=each)


def _purpose(alert: dict[str, Any]) -> Purpose:
    """As its record says what has happened."""
    names = {"alert.acknowledged": Purpose.ACKNOWLEDGED, "alert.resolved": Purpose.RESOLVED}
    return names.get(str(alert.get("event_type")), Purpose.TRIGGERED)


def _built_in(message: Message, method: Method) -> Content:
    if method == "email":
        mail = email(message)
        return Content(mail.subject, mail.text, mail.html)
    return Content(headline(message), plain(message))


def _show(content: Content, as_json: bool) -> None:
    parts = {"subject": content.subject, "text": content.text, "html": content.html}
    if as_json:
        print_json({**parts, "items": list(content.items)})
        return
    for name, text in [*parts.items(), *(("item", item) for item in content.items)]:
        if text:
            sys.stdout.write(f"--- {name}\n{text.rstrip()}\n")
