"""`streamproc delivery`: notify and deliver."""

from __future__ import annotations

import typer

from streamproc.runtime.delivery import run_delivery
from streamproc.runtime.logs import configure
from streamproc.runtime.process import run
from streamproc.settings import load_settings

app = typer.Typer()


@app.command()
def delivery() -> None:
    """Tell people and systems about alerts, until told to stop.

    Several may run: they share the partitions. Ends with status 70 when something failed that must not be
    skipped; start it again then.
    """
    settings = load_settings()
    configure(settings, "delivery")
    raise typer.Exit(run(lambda stop: run_delivery(settings, stop)))
