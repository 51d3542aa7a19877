"""`streamproc backfill`: rules over the past, so that they need not learn from nothing."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import typer

from streamproc.alerting.fingerprint import partition_of
from streamproc.backtest.backfill import Backfill, Reached, past_alert, ref_of, seeds
from streamproc.backtest.source import EventFiles, SourceError
from streamproc.cli.failures import InputError
from streamproc.cli.output import note
from streamproc.cli.places import chosen_geoip
from streamproc.cli.session import ask, read_snapshot
from streamproc.config.snapshot import RULE, Snapshot
from streamproc.engine.frame import Seed, pack_seed
from streamproc.kafka.backfill_state import BackfillState
from streamproc.kafka.client import client_options
from streamproc.kafka.history import History
from streamproc.kafka.producer import AwaitedProducer
from streamproc.kafka.topics import Topics, check_topics, load_topics
from streamproc.model.event import Event, EventError
from streamproc.model.spans import milliseconds_of
from streamproc.rules import CompiledRule, RuleIndex
from streamproc.runtime.redaction import redactor_of
from streamproc.settings import Settings, load_settings
from streamproc.sources.decode import Decoder
from streamproc.sources.registry import FORMATS, unknown_format

app = typer.Typer()

CHECKPOINT_EVENTS = 20_000
SEND_BATCH = 500


@app.command(name="backfill")
def backfill(
    since: str | None = typer.Option(None, "--since", help="How far back in the source topics: 90d, 12h."),
    events: list[str] | None = typer.Option(None, "--events", "-e", help="Files of events instead of the topics."),
    format: str = typer.Option("event", "--format", help=f"What the files hold: {', '.join(FORMATS)}."),
    tenant: str | None = typer.Option(None, "--tenant", "-t", help="Whose the events in the files are."),
    rules: list[str] | None = typer.Option(None, "--rules", "-r", help="Only rules of these ids."),
    notify: bool = typer.Option(False, "--notify", help="Tell people of the alerts too."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Say what there would be; seed and tell nothing."),
) -> None:
    """Play past events through the rules in force, and seed what they learn from: baselines and first-seen values.

    Alerts of the past go to the alerts topic marked `backfill`, resolved, and nobody is told unless asked. It runs
    beside the workers in a state of its own, goes on where it was interrupted, and may be repeated: what is learnt
    twice is learnt once.
    """
    if (since is None) == (not events):
        raise InputError("give either --since (how far back in the topics) or --events (files)")
    span_ms = 0
    if since is not None:
        found = milliseconds_of(since)
        if found is None:
            raise InputError(f"--since: {since!r} is not a span such as 90d or 12h")
        span_ms = found
    if format not in FORMATS:
        raise InputError(f"--format: {unknown_format(format)}")
    settings = load_settings()
    task = _Task(settings, span_ms, events or [], format, tenant, tuple(sorted(rules or [])))
    ask(task.run(notify, dry_run))


class _Task:
    """One backfill, known by its arguments: run again with the same, it goes on."""

    def __init__(
        self,
        settings: Settings,
        span_ms: int,
        files: list[str],
        format: str,
        tenant: str | None,
        rules: tuple[str, ...],
    ) -> None:
        self._settings = settings
        self._span_ms = span_ms
        self._files = files
        self._format = format
        self._tenant = tenant
        self._rules = rules
        self._path = settings.data_dir / "backfill" / "state"

    async def run(self, notify: bool, dry_run: bool) -> None:
        """All of it. Raises InputError and BrokerUnavailableError."""
        await check_topics(self._settings)
        topics = load_topics(self._settings)
        snapshot = await read_snapshot(self._settings)
        index, counted = self._chosen(snapshot)
        state, checkpoint = self._state(counted)
        try:
            reached = Reached(checkpoint["number"], checkpoint["last"])
            work = Backfill(index, state, reached, redactor_of(self._settings))
            if checkpoint["number"]:
                note(f"going on after {checkpoint['number']:,} events")
            if self._files:
                await self._play_files(work, state, checkpoint)
            else:
                await self._play_topics(work, state, checkpoint, topics)
            ended = int(time.time() * 1000)
            work.finish(ended)
            told, seeded = await self._tell(index, state, topics, ended, notify, dry_run)
        finally:
            state.close()
        if not dry_run:
            shutil.rmtree(self._path, ignore_errors=True)
        what = "would be " if dry_run else ""
        total = work.flush().number
        note(f"{total:,} events; {seeded:,} keys {what}seeded, {told:,} alerts of the past {what}told")

    def _chosen(self, snapshot: Snapshot) -> tuple[RuleIndex, str]:
        """The rules to play, and a text that changes when what they count does."""
        owners: dict[str, list[CompiledRule]] = {}
        for record in snapshot.records(RULE):
            rule = snapshot.rule(record.tenant, record.id)
            if rule is not None and rule.rule.enabled and (not self._rules or rule.id in self._rules):
                owners.setdefault(rule.owner, []).append(rule)
        known = {rule.id for group in owners.values() for rule in group}
        missing = [rule_id for rule_id in self._rules if rule_id not in known]
        if missing:
            raise InputError(f"--rules: no rule {missing[0]} is in force; `streamproc rules list` shows them")
        if not owners:
            raise InputError("no rule is in force, so there is nothing to learn; see `streamproc rules apply`")
        hashes = sorted(f"{rule.owner}/{rule.id}:{rule.counting_hash.hex()}" for g in owners.values() for rule in g)
        redacted = (f"redact {path}" for path in self._settings.redact)  # group values are counted as they are told
        return RuleIndex.empty.with_tenants(owners), ",".join([*hashes, *redacted])

    def _state(self, counted: str) -> tuple[BackfillState, dict[str, Any]]:
        """The state to go on with, or a new one when the last was for something else."""
        same = {
            "since": self._span_ms,
            "files": self._files,
            "format": self._format,
            "tenant": self._tenant,
            "counted": counted,
        }
        state = BackfillState(self._path)
        checkpoint = state.checkpoint
        if checkpoint is None or {name: checkpoint.get(name) for name in same} != same:
            state.close()
            shutil.rmtree(self._path, ignore_errors=True)
            state = BackfillState(self._path)
            checkpoint = {**same, "number": 0, "last": 0, "records": 0, "span": None}
        return state, checkpoint

    async def _play_files(self, work: Backfill, state: BackfillState, checkpoint: dict[str, Any]) -> None:
        files = EventFiles(self._files, self._format, self._tenant, enrich=chosen_geoip())
        fed = 0
        try:
            for _, event in files:
                fed += 1
                if fed <= checkpoint["number"]:
                    continue
                work.feed(event)
                if fed % CHECKPOINT_EVENTS == 0:
                    self._keep(work, state, checkpoint)
        except SourceError as error:
            raise InputError(str(error)) from None
        self._keep(work, state, checkpoint)
        rejected = files.rejected.reasons.total()
        if rejected:
            note(f"{rejected:,} records are not events, and left out")

    async def _play_topics(
        self, work: Backfill, state: BackfillState, checkpoint: dict[str, Any], topics: Topics
    ) -> None:
        enrich = chosen_geoip()
        decoders = {
            spec.topic: Decoder(spec.topic, spec.format or "event", spec.tenant, enrich) for spec in topics.sources
        }
        async with History(self._settings, topics.sources) as history:
            if checkpoint["span"] is None:
                checkpoint["span"] = await history.span(int(time.time() * 1000) - self._span_ms)
                state.keep(checkpoint)
            span = {name: (start, end) for name, (start, end) in checkpoint["span"].items()}
            fed, rejected = 0, 0
            with _progress(sum(end - start for start, end in span.values())) as advance:
                async for tp, record in history.read(span):
                    found = _events(decoders[tp.topic], record, tp.partition)
                    rejected += not found
                    for event in found:
                        work.feed(event, record.timestamp)
                    span[f"{tp.topic}/{tp.partition}"] = (record.offset + 1, span[f"{tp.topic}/{tp.partition}"][1])
                    fed += 1
                    if fed % CHECKPOINT_EVENTS == 0:
                        advance(CHECKPOINT_EVENTS)
                        self._keep(work, state, checkpoint | {"span": span})
            self._keep(work, state, checkpoint | {"span": span})
        if rejected:
            note(f"{rejected:,} records made no event, and were left out")

    def _keep(self, work: Backfill, state: BackfillState, checkpoint: dict[str, Any]) -> None:
        reached = work.flush()
        state.keep(checkpoint | {"number": reached.number, "last": reached.last})

    async def _tell(
        self, index: RuleIndex, state: BackfillState, topics: Topics, ended: int, notify: bool, dry_run: bool
    ) -> tuple[int, int]:
        """Send what was learnt and found to the partitions that own it; how many alerts and keys."""
        counts = {"alerts": 0, "keys": 0}

        def found() -> Iterator[Seed]:
            for seed in seeds(index, state.keys()):
                counts["keys"] += 1
                yield seed
            for record in state.alerts():
                counts["alerts"] += 1
                alert, past = past_alert(record, ended, notify)
                yield Seed(ref_of(alert), bytes.fromhex(alert["fingerprint"]), (), 0, None, [past])

        if dry_run:
            for _ in found():
                pass
            return counts["alerts"], counts["keys"]
        letters = topics["dead-letters"]
        producer = AwaitedProducer(client_options(self._settings), 60.0, letters.topic, letters.partitions)
        await producer.start()
        try:
            async for batch in _batches(found()):
                records: dict[tuple[str, int], list[Any]] = {}
                for seed in batch:
                    partition = partition_of(seed.fingerprint, topics["signals"].partitions)
                    records.setdefault((topics["signals"].topic, partition), []).append((None, pack_seed(seed), []))
                await producer.send(records)
        finally:
            await producer.stop()
        return counts["alerts"], counts["keys"]


async def _batches(found: Iterator[Seed]) -> AsyncIterator[list[Seed]]:
    batch: list[Seed] = []
    for seed in found:
        batch.append(seed)
        if len(batch) == SEND_BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _events(decoder: Decoder, record: Any, partition: int) -> list[Event]:
    if record.value is None:
        return []
    try:
        return decoder.decode(record.value, partition, record.offset, record.timestamp, record.headers or ())
    except EventError:
        return []


@contextlib.contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal; nothing elsewhere."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _count: None
        return
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("events", total=total)
        yield lambda count: bar.advance(task, count)
