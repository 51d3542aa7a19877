"""`streamproc up`: everything on this machine."""

from __future__ import annotations

import asyncio

import typer
from rich.console import Console

from streamproc.runtime.logs import configure
from streamproc.runtime.up import run_up, stop_on_signals
from streamproc.settings import load_settings

app = typer.Typer()


@app.command()
def up(
    demo: bool = typer.Option(True, "--demo/--no-demo", help="Show a few rules at work at the first start."),
) -> None:
    """Run a broker, a worker, a delivery process and the API until told to stop.

    The first start applies a few example rules, plays events with three attacks in them and shows what fires and
    what a webhook receives. With STREAMPROC_KAFKA set, that broker is used instead of one of our own.
    """
    settings = load_settings()
    configure(settings, "up")

    async def run() -> int:
        stop = asyncio.Event()
        stop_on_signals(stop)
        return await run_up(settings, stop, demo=demo, console=Console(highlight=False, soft_wrap=True))

    raise typer.Exit(asyncio.run(run()))
