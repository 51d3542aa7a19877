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
        "", "--only", help="Parts to run, separated by commas; `all` for every one. Default: all but curves."
    ),
    runs: int | None = typer.Option(None, "--runs", min=1, help="Runs of each contestant (3; quick: 1)."),
    events: int | None = typer.Option(None, "--events", min=10_000, help="Events of a run (1,000,000; quick: 50,000)."),
    faust_events: int | None = typer.Option(
        None, "--faust-events", min=1_000, help="Events for stock Faust (200,000; quick: 20,000)."
    ),
    faust: bool = typer.Option(True, "--faust/--no-faust", help="Whether stock Faust takes part."),
    quix: bool | None = typer.Option(
        None,
        "--quix/--no-quix",
        help="Whether Quix Streams takes part, installed when need be (default: when it is installed).",
    ),
    kafka_streams: bool = typer.Option(
        False, "--kafka-streams", help="Whether Kafka Streams takes part, fetched when need be (needs a JDK and Maven)."
    ),
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
    output: Path = typer.Option(
        Path("bench-results"), "--output", "-o", help="Directory for reports, each in one of its own."
    ),
) -> None:
    """Measure throughput, cost, latency and recovery, check every alert, and write a report.

    Two workloads on preloaded events: streamproc's worker, a stock Faust worker, Quix Streams and a bare Kafka
    client, one after the other; the cost of 10,000 rules against ten; the time from an event to its webhook; the
    time from a worker's start until it is ready. Uses a broker of its own in DATA_DIR/bench, or STREAMPROC_KAFKA
    (topics that begin with `bench-`).
    Status 1 when something failed or an alert was wrong.
    """
    import uvloop

    from streamproc.bench.parts import DEFAULT, NAMES
    from streamproc.bench.report import write_report
    from streamproc.bench.results import Results
    from streamproc.bench.rival_tools import find_others
    from streamproc.bench.run import Bench
    from streamproc.bench.scale import FULL, QUICK
    from streamproc.bench.show import Show
    from streamproc.cli.session import ask
    from streamproc.kafka.broker.resolve import open_broker

    chosen = [part.strip() for part in only.split(",") if part.strip()] or list(DEFAULT)
    if chosen == ["all"]:
        chosen = list(NAMES)
    for part in chosen:
        if part not in NAMES:
            raise InputError(f"--only: {part!r} is not one of all, {', '.join(NAMES)}")
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
    compared = bool({"w1", "w2"} & set(chosen))
    others, absent = find_others(directory, quix, kafka_streams, note) if compared else ([], [])
    for reason in absent:
        note(reason)
    uvloop.install()
    with open_broker(own, note) as broker, Show(_console(stderr=False), _console(stderr=True)) as show:
        measured = own.model_copy(update={"kafka": broker.bootstrap})
        results: Results = ask(Bench(measured, runs_directory, scale, show).run(chosen, faust, others))
    results.absent = absent
    found = results.as_json()
    place = output / f"{runs_directory.name}{'-quick' if quick else ''}"
    place.mkdir(parents=True, exist_ok=True)
    (place / "results.json").write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))
    note(f"Report: {write_report(found, place)}")
    if not results.fine:
        note(f"Something is wrong; the processes' logs are in {runs_directory}")
        raise typer.Exit(FINDINGS)
    shutil.rmtree(runs_directory, ignore_errors=True)


def _console(stderr: bool) -> Console:
    """Wide enough for the tables where nobody says how wide it is."""
    console = Console(stderr=stderr, highlight=False)
    return console if console.is_terminal else Console(stderr=stderr, highlight=False, width=120)
