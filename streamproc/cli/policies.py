"""`streamproc config dry-run`: what an action policy would do with an alert, without doing it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import orjson
import typer
from rich.console import Console
from rich.text import Text

from streamproc.alerting.people import KINDS, PeopleBook
from streamproc.alerting.policy import dry_run
from streamproc.cli.failures import InputError
from streamproc.cli.output import print_json
from streamproc.cli.session import ask, read_snapshot
from streamproc.config.documents import read_documents
from streamproc.config.snapshot import Snapshot
from streamproc.model.document import DocumentError
from streamproc.model.policy import Policy, parse_policy
from streamproc.model.time_text import milliseconds
from streamproc.settings import load_settings


def try_policy(
    policy: str = typer.Argument(..., help="Id of a configured policy, or a file with one."),
    alert: Path | None = typer.Option(
        None, "--alert", help="A JSON file with an alert; default: what --severity says."
    ),
    severity: str = typer.Option("high", "--severity", help="Of the alert, where no file is given."),
    tenant: str = typer.Option(..., "--tenant", "-t", help="Whose policy, users and groups."),
    at: str | None = typer.Option(
        None, "--at", help="When it would happen, such as 2026-02-10T03:00:00Z; default: now."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Show which path an alert takes through a policy, who would be told, who not, and who next if nobody answers."""
    settings = load_settings()
    snapshot = ask(read_snapshot(settings))
    document = _policy(policy, tenant, snapshot)
    people = PeopleBook().fold([record for kind in KINDS for record in snapshot.records(kind, tenant)])
    answer = dry_run(document, _alert(alert, tenant, severity), _moment(at), people)
    if as_json:
        print_json(answer)
    else:
        _print(answer)


def _policy(name: str, tenant: str, snapshot: Snapshot) -> Policy:
    try:
        if Path(name).is_file():
            documents = read_documents([name])
            if len(documents) != 1:
                raise InputError(f"{name}: has {len(documents)} documents; one policy is wanted")
            return parse_policy({"id": "default", **documents[0].content, "tenant_id": tenant})
        record = snapshot.record("policy", tenant, name)
        if record is None:
            raise InputError(f"{name}: {tenant} has no such policy, and no such file is there")
        return parse_policy(record.document())
    except DocumentError as error:
        raise InputError(f"{name}: {error.problems[0]}") from None


def _alert(file: Path | None, tenant: str, severity: str) -> dict[str, Any]:
    if file is None:
        return {"id": "alt_dry_run", "tenant_id": tenant, "severity": severity, "status": "open"}
    try:
        alert = orjson.loads(file.read_bytes())
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from None
    except orjson.JSONDecodeError as error:
        raise InputError(f"{file}: is not JSON: {error}") from None
    if not isinstance(alert, dict):
        raise InputError(f"{file}: is not a JSON object")
    return {"id": "alt_dry_run", "status": "open", "severity": severity, **alert, "tenant_id": tenant}


def _moment(text: str | None) -> int:
    if text is None:
        return time.time_ns() // 1_000_000
    try:
        return milliseconds(text)
    except (ValueError, OverflowError):
        raise InputError(f"--at: {text!r} is not a time such as 2026-02-10T14:00:00Z") from None


def _print(answer: dict[str, Any]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for step in answer["path"]:
        depth = step["path"].count(".")
        line = Text("  " * depth + ("◇ " if step["node"] == "condition" else "● "))
        line.append(step["node"], style="bold").append(f"  {step['taken']}", style=_STYLES.get(step["taken"], "yellow"))
        console.print(line)
    for group in answer["told"]:
        console.print(_audience("told", group))
    for group in answer["withheld"]:
        opens = f", which begin {group['opens_at']}" if group["opens_at"] else ""
        console.print(Text(f"not told  {group['group']}: {group['reason']}{opens}", style="yellow"))
    for step in answer["escalations"]:
        line = Text(f"{step['at']}  ", style="dim")
        line.append(_audience(f"step {step['step'] + 1}", step))
        console.print(line.append(f"  not then: {step['withheld']}" if step["withheld"] else "", style="yellow"))


_STYLES = {"yes": "green", "told": "green", "no": "dim", "end": "dim"}


def _audience(word: str, group: dict[str, Any]) -> Text:
    line = Text(f"{word}  ", style="green").append(group["group"], style="bold default")
    line.append(f" by {', '.join(group['channels']) or 'the channels of the rule'}", style="default")
    if group["users"]:
        line.append(f" to {', '.join(group['users'])}", style="default")
    if group["quiet"]:
        line.append(f"; in their quiet hours: {', '.join(group['quiet'])}", style="yellow")
    for one in group["lacking"]:
        line.append(f"; {one['name']}: {one['reason']}", style="yellow")
    return line
