"""`streamproc worker`: route and detect."""

from __future__ import annotations

import typer

from streamproc.runtime.logs import configure
from streamproc.runtime.process import run
from streamproc.runtime.worker import run_worker
from streamproc.settings import load_settings

app = typer.Typer()


@app.command()
def worker() -> None:
    """Evaluate rules on events as they arrive and write alerts, until told to stop.

    Several may run, also on one machine: they share the partitions. More than there are partitions stay idle.
    Ends with status 70 when something failed that must not be skipped; start it again then.
    """
    settings = load_settings()
    configure(settings, "worker")
    raise typer.Exit(run(lambda stop: run_worker(settings, stop)))
