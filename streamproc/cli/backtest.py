"""`streamproc backtest`: rules over recorded events, without a broker."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import orjson
import typer

from streamproc.backtest.replay import Result, backtest, matches
from streamproc.backtest.source import EventFiles, Rejected
from streamproc.cli.failures import InputError
from streamproc.cli.output import note
from streamproc.config.changes import DocumentsError, check_documents
from streamproc.config.documents import read_documents
from streamproc.config.keyring import Keyring
from streamproc.model.rule import EVERY_TENANT
from streamproc.rules import CompiledRule, RuleIndex, compile_rule
from streamproc.sources.files import RecordFileError
from streamproc.sources.registry import FORMATS

app = typer.Typer()


@app.command(name="backtest")
def backtest_(
    rules: list[Path] = typer.Option(..., "--rules", "-r", help="Rule files or directories."),
    events: list[str] = typer.Option(..., "--events", "-e", help="Files of events; .gz too; - is standard input."),
    format: str = typer.Option("event", "--format", help=f"What the events are: {', '.join(FORMATS)}."),
    tenant: str | None = typer.Option(
        None, "--tenant", "-t", help="Owner of rules that name no tenant (default: every tenant), and of the events."
    ),
    delivery_order: bool = typer.Option(
        False, "--delivery-order", help="Take the events as they stand in the files, not by their time."
    ),
    output: Path | None = typer.Option(None, "-o", "--output", help="Where to write; default standard output."),
    only_matches: bool = typer.Option(
        False, "--matches", help="Write {line, rule_id} for each event that a rule's filter matches, not alerts."
    ),
) -> None:
    """Write the alerts that rules would have made: one record a line, the last revision of each.

    A summary goes to standard error. Time runs on past the last event until what is held back has been sent.
    """
    if format not in FORMATS:
        raise InputError(f"--format: {format} is not one of {', '.join(FORMATS)}")
    index = _index(rules, tenant)
    with _progress(events) as progress, _opened(output) as out:
        files = EventFiles(events, format, tenant, progress)
        started = time.perf_counter()
        try:
            if only_matches:
                found = 0
                for line, rule_id in matches(index, files):
                    out.write(orjson.dumps({"line": line, "rule_id": rule_id}) + b"\n")
                    found += 1
                note(f"{found:,} matches")
            else:
                recorded: Iterator[Any] = (event for _, event in files)
                if not delivery_order:
                    recorded = iter(sorted(recorded, key=lambda event: event.time))
                result = backtest(index, recorded)
                for alert in result.alerts.values():
                    out.write(orjson.dumps(alert) + b"\n")
        except (RecordFileError, OSError) as error:
            raise InputError(str(error)) from None
        seconds = time.perf_counter() - started
    if not only_matches:
        _summary(result, seconds)
    _rejected(files.rejected)


def _index(paths: list[Path], tenant: str | None) -> RuleIndex:
    try:
        wanted = check_documents(read_documents(paths), Keyring([]), kind="rule", tenant=tenant or EVERY_TENANT)
    except DocumentsError as error:
        for problem in error.problems[1:]:
            note(problem)
        raise InputError(error.problems[0]) from None
    owners: dict[str, list[CompiledRule]] = {}
    for one in wanted:
        if one.meaning.enabled:
            owners.setdefault(one.meaning.tenant_id, []).append(compile_rule(one.meaning, 1))
    if not owners:
        raise InputError(f"{', '.join(map(str, paths))}: no rule that is enabled")
    return RuleIndex.empty.with_tenants(owners)


def _summary(result: Result, seconds: float) -> None:
    alerts = list(result.alerts.values())
    rate = f"{result.events / seconds:,.0f} events/s" if seconds else ""
    note(
        f"{result.events:,} events, {result.hits:,} hits, {result.triggers:,} triggers, {len(alerts):,} alerts "
        f"in {seconds:.1f} s ({rate}); {result.late:,} late, {result.duplicates:,} duplicate"
    )
    severity = {alert["rule"]["id"]: alert["severity"] for alert in alerts}
    for rule_id, count in Counter(alert["rule"]["id"] for alert in alerts).most_common():
        note(f"  {count:>6,}  {severity[rule_id]:<13} {rule_id}")


def _rejected(rejected: Rejected) -> None:
    if not rejected.reasons:
        return
    reasons = ", ".join(f"{count} {reason}" for reason, count in rejected.reasons.most_common())
    note(f"{rejected.reasons.total():,} records are not events: {reasons}")
    for line in rejected.first:
        note(f"  {line}")


@contextlib.contextmanager
def _opened(path: Path | None) -> Iterator[IO[bytes]]:
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        with path.open("wb") as file:
            yield file
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None


@contextlib.contextmanager
def _progress(files: list[str]) -> Iterator[Callable[[str, int], None]]:
    """A bar on a terminal, over the bytes of the files; nothing elsewhere."""
    sizes = {name: Path(name).stat().st_size for name in files if name != "-" and Path(name).is_file()}
    if not sys.stderr.isatty() or not sizes:
        yield lambda _file, _bytes: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        tasks = {name: bar.add_task(Path(name).name, total=size) for name, size in sizes.items()}
        yield lambda file, position: bar.update(tasks[file], completed=position) if file in tasks else None
