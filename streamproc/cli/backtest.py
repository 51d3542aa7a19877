"""`streamproc backtest`: rules over recorded events, without a broker."""

from __future__ import annotations

import contextlib
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson
import typer

from streamproc.backtest.replay import Result, backtest, matches
from streamproc.backtest.source import EventFiles, Rejected, SourceError
from streamproc.cli.failures import InputError
from streamproc.cli.output import note
from streamproc.cli.places import chosen_geoip
from streamproc.config.changes import DocumentsError, Wanted, check_documents
from streamproc.config.documents import Document, read_documents
from streamproc.config.keyring import Keyring
from streamproc.config.kinds import KINDS
from streamproc.config.snapshot import LIST, RULE
from streamproc.model.event import EventError
from streamproc.model.rule import EVERY_TENANT
from streamproc.model.times import iso
from streamproc.rules import CompiledRule, RuleIndex, compile_rule
from streamproc.runtime.redaction import redactor_of
from streamproc.settings import load_settings
from streamproc.sources.canonical import check_tenant
from streamproc.sources.registry import FORMATS, unknown_format

app = typer.Typer()

MAX_NAMED = 5


@dataclass(frozen=True, slots=True)
class _Rules:
    index: RuleIndex
    owners: frozenset[str]
    disabled: int


@app.command(name="backtest")
def backtest_(
    rules: list[Path] = typer.Option(
        ..., "--rules", "-r", help="Files or directories of rules, and of the lists that they name."
    ),
    events: list[str] = typer.Option(
        ..., "--events", "-e", help="JSON lines, arrays or files of records; .gz too; - is standard input."
    ),
    format: str = typer.Option("event", "--format", help=f"What the events are: {', '.join(FORMATS)}."),
    tenant: str | None = typer.Option(
        None,
        "--tenant",
        "-t",
        help="Whose the events are, and the rules that name no tenant. Without it such rules hold for every tenant. "
        "Alerts have the ids that they have live when it is the tenant that the rules were applied for.",
    ),
    delivery_order: bool = typer.Option(
        False, "--delivery-order", help="Take the events in the order of the files, not in that of their time."
    ),
    geoip: Path | None = typer.Option(
        None, "--geoip", help="MMDB file that gives addresses country and coordinates; default STREAMPROC_GEOIP_DB."
    ),
    output: Path | None = typer.Option(None, "-o", "--output", help="Where to write; default standard output."),
    only_matches: bool = typer.Option(
        False,
        "--matches",
        help="Write {line, rule_id} for each event that a rule's filter matches, not alerts; lines count from 0 "
        "and on from file to file, as do the records of an array.",
    ),
) -> None:
    """Write the alerts that rules would have made: one record a line, the last revision of each.

    A summary goes to standard error. Time runs on past the last event until what is held back has been sent; what
    only more quiet would do, resolving alerts, is not played.
    """
    if format not in FORMATS:
        raise InputError(f"--format: {unknown_format(format)}")
    if tenant is not None:
        try:
            check_tenant(tenant, "--tenant")
        except EventError as error:
            raise InputError(str(error)) from None
    chosen = _chosen(rules, tenant)
    enrich = chosen_geoip(geoip)
    started = time.perf_counter()
    with _progress(events) as progress, _opened(output) as out:
        files = EventFiles(events, format, tenant, progress, enrich)
        try:
            if only_matches:
                found = 0
                for line, rule_id in matches(chosen.index, files):
                    out.write(orjson.dumps({"line": line, "rule_id": rule_id}) + b"\n")
                    found += 1
            else:
                result = backtest(
                    chosen.index,
                    (event for _, event in files),
                    by_time=not delivery_order,
                    redactor=redactor_of(load_settings()),
                )
                for alert in result.alerts.values():
                    out.write(orjson.dumps(alert) + b"\n")
        except SourceError as error:
            raise InputError(str(error)) from None
    if only_matches:
        note(f"{found:,} matches")
    else:
        _summary(result, time.perf_counter() - started)
    _remarks(chosen, files, enrich is None)


def _chosen(paths: Sequence[Path], tenant: str | None) -> _Rules:
    """The rules of some files, with the named lists in them; other kinds of documents may be there too."""
    documents = [document for document in read_documents(paths) if not _other(document)]
    try:
        wanted = check_documents(documents, Keyring([]), kind=RULE, tenant=tenant or EVERY_TENANT)
    except DocumentsError as error:
        for problem in error.problems[1:]:
            note(problem)
        raise InputError(error.problems[0]) from None
    lists: dict[str, dict[str, Any]] = {}
    for one in wanted:
        if one.kind == LIST:
            lists.setdefault(one.tenant, {})[one.id] = one.spec["values"]
    return _compiled([one for one in wanted if one.kind == RULE], lists, paths)


def _compiled(wanted: Sequence[Wanted], lists: dict[str, dict[str, Any]], paths: Sequence[Path]) -> _Rules:
    owners: dict[str, list[CompiledRule]] = {}
    for one in wanted:
        if one.meaning.enabled:
            owners.setdefault(one.tenant, []).append(compile_rule(one.meaning, 1, lists.get(one.tenant)))
    enabled = sum(map(len, owners.values()))
    if not enabled:
        what = "every rule is disabled" if wanted else "there is no rule"
        raise InputError(f"{', '.join(map(str, paths))}: {what}, so there is nothing to run")
    return _Rules(RuleIndex.empty.with_tenants(owners), frozenset(owners), len(wanted) - enabled)


def _other(document: Document) -> bool:
    kind = document.content.get("kind")
    return isinstance(kind, str) and kind in KINDS and kind not in (RULE, LIST)


def _summary(result: Result, seconds: float) -> None:
    alerts = list(result.alerts.values())
    rate = f"{result.events / seconds:,.0f} events/s" if seconds else ""
    between = ""
    if result.first is not None and result.last is not None:
        between = f" from {iso(result.first)} to {iso(result.last)}"
    note(f"{result.events:,} events{between} in {seconds:.1f} s ({rate})")
    note(
        f"{result.hits:,} hits, {result.triggers:,} triggers, {len(alerts):,} alerts; "
        f"{result.late:,} late, {result.duplicates:,} duplicate, {result.ungrouped:,} without a value to count by"
    )
    severity = {alert["rule"]["id"]: alert["severity"] for alert in alerts}
    for rule_id, count in Counter(alert["rule"]["id"] for alert in alerts).most_common():
        note(f"  {count:>6,}  {severity[rule_id]:<13} {rule_id}")


def _remarks(chosen: _Rules, files: EventFiles, placeless: bool) -> None:
    """What may explain that less was found than expected."""
    if chosen.disabled:
        note(f"{chosen.disabled} of the rules disabled, and left out")
    if files.tenants and EVERY_TENANT not in chosen.owners and chosen.owners.isdisjoint(files.tenants):
        note(
            f"no event is of a tenant that has rules ({_named(chosen.owners)}), but of {_named(files.tenants)}; "
            "--tenant says whose they are"
        )
    needing = chosen.index.needing_place
    if placeless and needing:
        note(
            f"{needing} of the rules {'needs' if needing == 1 else 'need'} country or coordinates, and there is no "
            "GeoIP file: only events that bring them count; --geoip names one"
        )
    _rejected(files.rejected)


def _named(tenants: frozenset[str] | set[str]) -> str:
    shown = sorted(tenants)[:MAX_NAMED]
    return ", ".join(shown) + (", …" if len(tenants) > len(shown) else "")


def _rejected(rejected: Rejected) -> None:
    if not rejected.reasons:
        return
    reasons = ", ".join(f"{count} {reason}" for reason, count in rejected.reasons.most_common())
    note(f"{rejected.reasons.total():,} records are not events, and left out: {reasons}")
    for line in rejected.first:
        note(f"  {line}")


@contextlib.contextmanager
def _opened(path: Path | None) -> Iterator[IO[bytes]]:
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        file = path.open("wb")
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}") from None
    with file:
        yield file


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
