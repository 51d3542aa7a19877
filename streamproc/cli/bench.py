"""`streamproc bench`: what it costs to run, on this machine, beside other ways to do the same."""

from __future__ import annotations

import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import typer
from rich.console import Console

from streamproc.cli.failures import FINDINGS, InputError
from streamproc.cli.output import note
from streamproc.settings import load_settings

app = typer.Typer()


@app.command()
def bench(
    quick: bool = typer.Option(False, "--quick", help="A small run, to see that everything works."),
    only: str = typer.Option(
        "w1,w2,rules,types,keys,backtest,latency,readmodel,deliver", "--only", help="Parts to run, separated by commas."
    ),
    runs: int | None = typer.Option(None, "--runs", min=1, help="Runs of each contestant (3; quick: 1)."),
    events: int | None = typer.Option(None, "--events", min=10_000, help="Events of a run (1,000,000; quick: 50,000)."),
    faust_events: int | None = typer.Option(
        None, "--faust-events", min=1_000, help="Events for stock Faust (200,000; quick: 20,000)."
    ),
    faust: bool = typer.Option(True, "--faust/--no-faust", help="Whether stock Faust takes part."),
    seconds: float | None = typer.Option(None, "--seconds", min=1, help="Length of the latency part (30; quick: 5)."),
    quiet: float | None = typer.Option(
        None, "--quiet", min=0, help="Seconds to wait for a quiet machine before each run (120; quick: 0)."
    ),
    alerts: int | None = typer.Option(
        None, "--alerts", min=1_000, help="Alerts in the read model (1,000,000; quick: 20,000)."
    ),
    cloudtrail: Path | None = typer.Option(
        None, "--cloudtrail", exists=True, help="CloudTrail records (JSON lines) for the backtest part; default drawn."
    ),
    cloudtrail_rules: list[Path] | None = typer.Option(
        None, "--cloudtrail-rules", exists=True, help="Rules for the backtest part; default the AWS pack."
    ),
    output: Path = typer.Option(Path("bench-results"), "--output", "-o", help="Directory for the results as JSON."),
) -> None:
    """Measure throughput and latency, and check every alert.

    Two workloads on preloaded events: streamproc's worker, a stock Faust worker and a bare Kafka client, one
    after the other; the cost of 10,000 rules against ten; and the time from an event to its webhook.
    Uses a broker of its own in DATA_DIR/bench, or STREAMPROC_KAFKA (topics that begin with `bench-`).
    Status 1 when something failed or an alert was wrong.
    """
    import uvloop

    from streamproc.bench.parts import FULL, NAMES, QUICK
    from streamproc.bench.run import Bench, Results
    from streamproc.bench.show import Show
    from streamproc.cli.session import ask
    from streamproc.kafka.broker.resolve import open_broker

    chosen = [part.strip() for part in only.split(",") if part.strip()]
    for part in chosen:
        if part not in NAMES:
            raise InputError(f"--only: {part!r} is not one of {', '.join(NAMES)}")
    given: dict[str, Any] = {
        "runs": runs,
        "events": events,
        "faust_events": faust_events,
        "latency_s": seconds,
        "quiet_s": quiet,
        "read_model_alerts": alerts,
        "cloudtrail": cloudtrail,
        "cloudtrail_rules": tuple(cloudtrail_rules) if cloudtrail_rules else None,
    }
    scale = replace(QUICK if quick else FULL, **{name: value for name, value in given.items() if value is not None})
    if not scale.quiet_s:
        scale = replace(scale, repeats=0)  # who does not wait for a quiet machine does not insist on one either
    if not Path("/proc/self/task").is_dir():
        raise InputError("bench: CPU and memory are read from /proc, which only Linux has")
    settings = load_settings()
    directory = settings.data_dir / "bench"
    jars = settings.broker_jars or settings.data_dir / "kafka" / "jars"
    own = settings.model_copy(update={"data_dir": directory, "broker_jars": jars, "topic_prefix": ""})
    runs_directory = directory / "runs" / time.strftime("%Y%m%dT%H%M%S", time.gmtime())
    uvloop.install()
    with open_broker(own, note) as broker, Show(_console(stderr=False), _console(stderr=True)) as show:
        measured = own.model_copy(update={"kafka": broker.bootstrap})
        results: Results = ask(Bench(measured, runs_directory, scale, show).run(chosen, faust))
    output.mkdir(parents=True, exist_ok=True)
    file = output / f"{runs_directory.name}{'-quick' if quick else ''}.json"
    file.write_bytes(orjson.dumps(results.as_json(), option=orjson.OPT_INDENT_2))
    note(f"Results: {file}")
    if not results.fine:
        note(f"Something is wrong; the processes' logs are in {runs_directory}")
        raise typer.Exit(FINDINGS)
    shutil.rmtree(runs_directory, ignore_errors=True)


def _console(stderr: bool) -> Console:
    """Wide enough for the tables where nobody says how wide it is."""
    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=120)
