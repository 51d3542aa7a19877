"""`streamproc erase`: everything of one tenant, out of the topics and tables."""

from __future__ import annotations

import typer

from streamproc.cli.failures import FINDINGS, InputError
from streamproc.cli.output import note, print_json
from streamproc.cli.recording import entry, recording
from streamproc.cli.session import ask
from streamproc.kafka.topics import load_topics
from streamproc.model.event import EventError
from streamproc.model.rule import EVERY_TENANT
from streamproc.runtime.erase import Erased, erase, holdings, lives
from streamproc.settings import Settings, load_settings
from streamproc.sources.canonical import check_tenant

app = typer.Typer()

_DAY_MS = 86_400_000


@app.command("erase")
def erase_tenant(
    tenant: str = typer.Option(..., "--tenant", help="The tenant, as its events name it."),
    yes: bool = typer.Option(False, "--yes", help="Do it; without this, only say what there is."),
    purge: bool = typer.Option(
        False, "--purge", help="Also delete what was read already from `signals` and `notifications`, of all tenants."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Erase a tenant: its configuration, alerts, incidents, deliveries, and all state of its keys.

    Stop its producers first, let worker and delivery read to the end, then stop both; the API may run. Records on
    topics without keys of their own live until their retention ends, and are listed. Nothing can be undone. Status 1
    when something is still found afterwards: run it again.
    """
    try:
        check_tenant(tenant, "--tenant")
    except EventError as error:
        raise InputError(str(error)) from None
    settings = load_settings()
    if yes:
        erased = ask(_erase(settings, tenant, purge, as_json))
        if any(erased.remaining.values()):
            raise typer.Exit(FINDINGS)
        return
    found = ask(holdings(settings, tenant)).counts
    if as_json:
        print_json({"found": found, "lives": dict(lives(load_topics(settings)))})
    else:
        for name, count in found.items():
            print(f"{settings.topic(name)}\t{count} records")
    note("nothing was erased; --yes does it, with the state of the tenant's keys")


async def _erase(settings: Settings, tenant: str, purge: bool, as_json: bool) -> Erased:
    async with recording(settings) as record:
        erased = await erase(settings, tenant, purge, note)
        _print_erased(settings, erased, as_json)
        counts = [(name, n, 0) for name, n in {**erased.records, **erased.rows}.items() if n]
        # an entry of the operators': an event would be something new of a tenant that was to be gone
        await record([entry("tenant", EVERY_TENANT, tenant, "erase", counts)])
    return erased


def _print_erased(settings: Settings, erased: Erased, as_json: bool) -> None:
    kept = [(topic, span) for topic, span in lives(load_topics(settings)) if topic not in erased.cut]
    if as_json:
        print_json(
            {
                "records": erased.records,
                "rows": erased.rows,
                "cut": erased.cut,
                "remaining": erased.remaining,
                "lives": dict(kept),
            }
        )
        return
    for name, count in (*erased.records.items(), *erased.rows.items()):
        print(f"{settings.topic(name)}\t{count} erased")
    for topic in erased.cut:
        print(f"{topic}\tcut")
    for topic, span in kept:
        print(f"{topic}\tby age, {span / _DAY_MS:g} days at most")
