"""`streamproc api`: the HTTP API and the dashboard."""

from __future__ import annotations

import typer

from streamproc.runtime.logs import configure
from streamproc.runtime.process import run
from streamproc.settings import load_settings
from streamproc.web.server import run_api

app = typer.Typer()


@app.command()
def api() -> None:
    """Serve the HTTP API and the dashboard at STREAMPROC_HTTP, until told to stop.

    Several may run: each is complete. The first start of an installation makes an admin key, shows it once, and keeps
    it in DATA_DIR/admin.key.
    """
    settings = load_settings()
    configure(settings, "api")
    raise typer.Exit(run(lambda stop: run_api(settings, stop)))
