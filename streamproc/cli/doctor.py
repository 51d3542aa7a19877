"""`streamproc doctor`: what is wrong with an installation, and what to do about it."""

from __future__ import annotations

import typer

from streamproc.cli.failures import FINDINGS, InputError
from streamproc.cli.output import print_rows
from streamproc.cli.session import ask
from streamproc.runtime.doctor import State
from streamproc.runtime.examine import CHECKS, examine
from streamproc.settings import load_settings

app = typer.Typer()


@app.command()
def doctor(
    endpoints: bool = typer.Option(False, "--endpoints", help="Also connect to every channel's endpoint."),
    skip: list[str] = typer.Option([], "--skip", help=f"Leave a check out: {', '.join(CHECKS)}. Repeatable."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Look at broker, topics, configuration, lag, clocks, GeoIP file, channels, processes, disk and keyring.

    Status 0 when nothing is wrong, 1 when something is, 3 when the broker cannot be reached. Nothing is changed, and
    with --endpoints nothing is sent: a connection is opened and closed.
    """
    unknown = [name for name in skip if name not in CHECKS]
    if unknown:
        raise InputError(f"--skip: {unknown[0]!r} is not one of {', '.join(CHECKS)}")
    checks = ask(examine(load_settings(), endpoints=endpoints, skip=skip))
    print_rows(("check", "subject", "state", "said", "advice"), [check.row() for check in checks], as_json)
    if any(check.state is State.WRONG for check in checks):
        raise typer.Exit(FINDINGS)
