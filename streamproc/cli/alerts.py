"""`streamproc alerts`: list, follow and show alerts, and act on them, straight from the topics."""

from __future__ import annotations

import contextlib
import sys
import time
import uuid
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from streamproc.alerting.commanding import make_command
from streamproc.cli.alert_view import COLOURS, view
from streamproc.cli.failures import FINDINGS, InputError
from streamproc.cli.output import print_json, print_rows
from streamproc.cli.session import ask, author
from streamproc.kafka.alert_topic import Alert, AlertTopic
from streamproc.kafka.topics import check_topics, load_topics
from streamproc.model.command import Action
from streamproc.model.document import DocumentError
from streamproc.model.spans import milliseconds_of
from streamproc.model.time_text import milliseconds
from streamproc.settings import Settings, load_settings

app = typer.Typer(no_args_is_help=True)

OLD_NAMES = {"firing": "open"}
"""Trailbase's word for a status."""
WAIT_S = 30.0

AsJson = typer.Option(False, "--json", help="Print JSON.")
Tenant = typer.Option(None, "--tenant", help="Only this tenant's.")
Status = typer.Option(None, "--status", help="Only these: open, acknowledged, resolved, suppressed, escalated.")
Severity = typer.Option(None, "--severity", help="Only these: informational, low, medium, high, critical.")
RuleId = typer.Option(None, "--rule", help="Only this rule's.")
Note = typer.Option(None, "--note", help="What you found; kept with the alert.")
AlertId = typer.Argument(help="The alert's id, or enough of its beginning to be unique.")


@app.command("list")
def list_alerts(
    tenant: str | None = Tenant,
    status: list[str] | None = Status,
    severity: list[str] | None = Severity,
    rule: str | None = RuleId,
    limit: int = typer.Option(50, "--limit", min=1, help="At most this many, the newest."),
    as_json: bool = AsJson,
) -> None:
    """List alerts, the newest last."""
    settings = load_settings()
    alerts = [a for a in ask(_all(settings)).values() if _wanted(a, tenant, status, severity, rule)][-limit:]
    columns = ("id", "created_at", "tenant_id", "severity", "status", "trigger_count", "title", "reason")
    print_rows(columns, alerts, as_json)


@app.command()
def tail(
    tenant: str | None = Tenant,
    severity: list[str] | None = Severity,
    rule: str | None = RuleId,
    as_json: bool = AsJson,
) -> None:
    """Follow alerts as they come, until Ctrl-C."""
    settings = load_settings()
    console = Console(highlight=False, soft_wrap=True)

    async def follow() -> None:
        async with await _opened(settings) as topic:
            await topic.from_now()
            async for alert in topic.follow():
                if _wanted(alert, tenant, None, severity, rule):
                    if as_json:
                        print_json(alert)
                        sys.stdout.flush()
                    else:
                        console.print(_line(alert))

    with contextlib.suppress(KeyboardInterrupt):
        ask(follow())


@app.command()
def show(id: str = AlertId, as_json: bool = AsJson) -> None:
    """Show one alert with all that was done to it."""
    alert = _found(ask(_all(load_settings())), id)
    if as_json:
        print_json(alert)
    else:
        Console(highlight=False, soft_wrap=True).print(view(alert))


@app.command()
def ack(id: str = AlertId, note: str | None = Note, as_json: bool = AsJson) -> None:
    """Acknowledge an alert: somebody is looking at it."""
    _change(id, Action.ACKNOWLEDGE, as_json, note=note)


@app.command()
def resolve(
    id: str = AlertId,
    note: str | None = Note,
    resolution: str = typer.Option("resolved", "--resolution", help="How it ended, such as mitigated, false_positive."),
    as_json: bool = AsJson,
) -> None:
    """Resolve an alert; the rule's next trigger opens another."""
    _change(id, Action.RESOLVE, as_json, note=note, resolution=resolution)


@app.command()
def reopen(id: str = AlertId, note: str | None = Note, as_json: bool = AsJson) -> None:
    """Make an alert that was resolved within the last day open again."""
    _change(id, Action.REOPEN, as_json, note=note)


@app.command()
def escalate(
    id: str = AlertId,
    incident: str | None = typer.Option(None, "--incident", help="An incident that there is; without it, a new one."),
    note: str | None = Note,
    as_json: bool = AsJson,
) -> None:
    """Make an alert part of an incident."""
    _change(id, Action.ESCALATE, as_json, note=note, incident_id=incident or f"inc_{uuid.uuid4()}")


@app.command()
def assign(
    id: str = AlertId,
    user: str | None = typer.Argument(None, help="Who is to see to it."),
    nobody: bool = typer.Option(False, "--nobody", help="Take it from whoever has it."),
    note: str | None = Note,
    as_json: bool = AsJson,
) -> None:
    """Say who is to see to an alert."""
    if nobody == bool(user):
        raise InputError("USER: name somebody, or say --nobody")
    _change(id, Action.ASSIGN, as_json, note=note, assignee=user)


@app.command()
def comment(
    id: str = AlertId, text: str = typer.Argument(help="What to keep with the alert."), as_json: bool = AsJson
) -> None:
    """Write something to an alert, whatever its status."""
    _change(id, Action.COMMENT, as_json, note=text)


@app.command()
def snooze(
    id: str = AlertId,
    until: str | None = typer.Option(None, "--until", help="A time, as 2026-02-10T14:00Z; without a zone it is UTC."),
    span: str | None = typer.Option(None, "--for", help="A span from now, as 30m, 2h, 1d."),
    note: str | None = Note,
    as_json: bool = AsJson,
) -> None:
    """Put an alert off: it is suppressed, and opens again by itself."""
    _change(id, Action.SNOOZE, as_json, note=note, until=_until(until, span))


@app.command()
def unsnooze(id: str = AlertId, note: str | None = Note, as_json: bool = AsJson) -> None:
    """Make an alert that was put off open again now."""
    _change(id, Action.UNSUPPRESS, as_json, note=note, reason="snooze")


def _until(until: str | None, span: str | None) -> int:
    if (until is None) == (span is None):
        raise InputError("--until, --for: say one of them")
    if until is not None:
        try:
            return milliseconds(until)
        except ValueError:
            raise InputError(f"--until: {until} is not a time, such as 2026-02-10T14:00Z") from None
    ms = milliseconds_of(span)
    if not ms:
        raise InputError(f"--for: {span} is not a span, such as 30m, 2h or 1d")
    return _now() + ms


def _now() -> int:
    return time.time_ns() // 1_000_000


def _change(id: str, action: Action, as_json: bool, **asked: Any) -> None:
    settings = load_settings()

    async def change() -> Alert | None:
        async with await _opened(settings) as topic:
            alert = _found(await topic.all(), id)
            try:
                command = make_command(alert, action, id=str(uuid.uuid4()), by=author(), at=_now(), **asked)
            except DocumentError as error:
                raise InputError(str(error)) from None
            return await topic.ask(command, WAIT_S)

    answer = ask(change())
    if answer is None:
        print(f"No worker answered within {WAIT_S:.0f} s; the command waits for one. Is `streamproc worker` running?")
        raise typer.Exit(FINDINGS)
    if as_json:
        print_json(answer)
    result = answer["last_command"]["result"]
    if not as_json:
        print(f"{answer['id']}: {_done(answer, action) if result == 'done' else result}")
    if result != "done":
        raise typer.Exit(FINDINGS)


def _done(alert: Alert, action: Action) -> str:
    match action:
        case Action.ESCALATE:
            return f"escalated, {alert['incident_id']}"
        case Action.ASSIGN:
            return f"assigned to {alert['assignee'] or 'nobody'}"
        case Action.SNOOZE:
            return f"suppressed until {alert['snoozed_until']}"
        case Action.COMMENT:
            return "noted"
        case _:
            return str(alert["status"])


def _found(alerts: dict[str, Alert], id: str) -> Alert:
    matches = [alert for known, alert in alerts.items() if known == id or known.startswith(id)]
    if len(matches) != 1:
        how_many = "no alert has" if not matches else f"{len(matches)} alerts have"
        raise InputError(f"{id}: {how_many} an id that begins so; `streamproc alerts list` shows them")
    return matches[0]


async def _opened(settings: Settings) -> AlertTopic:
    topics = load_topics(settings)
    await check_topics(settings, topics, names=["alerts", "signals"])
    return AlertTopic(settings, topics)


async def _all(settings: Settings) -> dict[str, Alert]:
    async with await _opened(settings) as topic:
        return await topic.all()


def _wanted(
    alert: Alert, tenant: str | None, status: list[str] | None, severity: list[str] | None, rule: str | None
) -> bool:
    wanted = {OLD_NAMES.get(name.lower(), name.lower()) for name in status or ()}
    return (
        (tenant is None or alert["tenant_id"] == tenant)
        and (not wanted or alert["status"] in wanted)
        and (not severity or alert["severity"] in severity)
        and (rule is None or alert["rule"]["id"] == rule)
    )


def _line(alert: Alert) -> Text:
    line = Text(f"{alert['updated_at']} ", style="dim")
    line.append(f"{alert['event_type'].removeprefix('alert.'):<13}", style="bold")
    line.append(f"{alert['severity']:<9}", style=COLOURS.get(alert["severity"], ""))
    line.append(f" {alert['tenant_id']} {alert['title']}: {alert['reason']}", style="default")
    line.append(f" ({alert['trigger_count']}×, {alert['id']})", style="dim")
    return line
