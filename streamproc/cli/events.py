"""`streamproc events send` and `streamproc events generate`."""

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from streamproc.cli.event_sender import Message, SendStopped, Tally, TopicMissingError, console, send_all
from streamproc.generate import ATTACKS, Plan, generate
from streamproc.kafka.client import BrokerUnavailableError
from streamproc.kafka.topics import load_topics
from streamproc.model.event import EventError
from streamproc.settings import Settings, SettingsError, load_settings
from streamproc.sources.canonical import check_tenant
from streamproc.sources.decode import FORMAT_HEADER, TENANT_HEADER, Decoder
from streamproc.sources.files import RecordFile, RecordFileError
from streamproc.sources.registry import CANONICAL, FORMATS, SOURCES, unknown_format
from streamproc.sources.times import parse_time

app = typer.Typer(no_args_is_help=True, help="Send events to Kafka, or generate some.")

BAD_INPUT = 2
NO_BROKER = 3


class InputError(ValueError):
    """What was asked for cannot be done; the text is the one line that says what and where."""


@app.command()
def send(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="JSON lines or an array; .gz too; - is stdin.")],
    format: Annotated[str, typer.Option(help=f"How the records are written: {', '.join(FORMATS)}.")] = CANONICAL,
    tenant: Annotated[str | None, typer.Option(help="The tenant that all records belong to.")] = None,
    rate: Annotated[float | None, typer.Option(min=0.001, help="At most so many records a second.")] = None,
    topic: Annotated[str, typer.Option(help="The source topic, by its name in topics.yaml.")] = "events",
    validate: Annotated[bool, typer.Option(help="Check each record first, and leave out bad ones.")] = True,
) -> None:
    """Send the records of files to Kafka, each as it is written; the worker maps native formats.

    Returns when Kafka has acknowledged them all. Bad records are named with file and line, the others are sent, and
    the exit status is 2.
    """
    with _exit_status():
        settings = load_settings()
        wrap = _Wrap(settings, topic, format, tenant, validate)
        for name in files:
            if name != "-" and not Path(name).is_file():
                raise InputError(f"{name}: is not a file that can be read")
        tally = Tally()
        with _progress(files) as advance:
            messages = _messages(files, wrap, rate, tally, advance)
            asyncio.run(send_all(settings, wrap.topic, messages, tally))
        _finish(wrap.topic, tally)


@app.command(name="generate")
def generate_events(
    seed: Annotated[int, typer.Option(help="The same seed gives the same events.")] = 0,
    tenants: Annotated[int, typer.Option(help="How many tenants.")] = 3,
    count: Annotated[int, typer.Option(help="How many ordinary events.")] = 1000,
    rate: Annotated[float, typer.Option(help="Events a second.")] = 50.0,
    attack: Annotated[
        list[str] | None, typer.Option(help=f"Attacks to put in, separated by commas: {', '.join(ATTACKS)}.")
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="Time of the first event. Default: now, and each is sent when it happens.")
    ] = None,
    stdout: Annotated[bool, typer.Option("--stdout", help="Print JSON lines, send nothing.")] = False,
    topic: Annotated[str, typer.Option(help="The source topic, by its name in topics.yaml.")] = "events",
) -> None:
    """Generate realistic events, with attacks in them if you wish, and send them to Kafka."""
    with _exit_status():
        plan = _plan(seed, tenants, count, rate, attack or [], start)
        if stdout:
            for event in generate(plan):
                sys.stdout.buffer.write(orjson.dumps(event) + b"\n")
            sys.stdout.buffer.flush()
            return
        settings = load_settings()
        name = _source(settings, topic)[0]
        tally = Tally()
        asyncio.run(send_all(settings, name, _generated(plan, tally, paced=start is None), tally))
        _finish(name, tally)


class _Wrap:
    """Makes a Kafka record of a record from a file: checked, keyed by tenant, its format and tenant in headers."""

    def __init__(self, settings: Settings, topic: str, format: str, tenant: str | None, validate: bool) -> None:
        if format not in FORMATS:
            raise InputError(f"--format: {unknown_format(format)}")
        self.topic, topic_format, topic_tenant = _source(settings, topic)
        if tenant is not None:
            check_tenant(tenant, "--tenant")
            if topic_tenant is not None and tenant != topic_tenant:
                raise InputError(f"--tenant: {tenant} is not {topic_tenant}, the only tenant of topic {topic}")
        source = SOURCES.get(format)
        self.envelope = None if source is None else source.envelope
        self._tenant = tenant
        self._validate = validate
        self._native = source is not None
        self._decoder = Decoder(self.topic, format, tenant or topic_tenant)
        self._format = [] if format == topic_format else [(FORMAT_HEADER, format.encode())]
        self._owner = [] if tenant is None else [(TENANT_HEADER, tenant.encode())]

    def message(self, value: bytes, line: int, where: str, due_s: float | None) -> Message | None:
        """The Kafka record, None for one that holds no event; EventError when it is checked and cannot be read."""
        if not self._validate:
            return Message(where, value, self._tenant, [*self._format, *self._owner], due_s)
        events = self._decoder.decode(value, 0, line, time.time_ns() // 1_000_000)
        if not events:
            return None
        event = events[0]
        # an event that names its tenant needs no header, and is cheaper to decode without
        owner = [] if not self._native and event.raw is value else self._owner
        return Message(where, value, event.tenant, [*self._format, *owner], due_s)


def _messages(
    files: list[str], wrap: _Wrap, rate: float | None, tally: Tally, advance: Callable[[int], None]
) -> Iterator[Message]:
    before = number = 0
    for name in files:
        with RecordFile(name, wrap.envelope) as records:
            try:
                for line, value in records:
                    where = f"{name}:{line}"
                    try:
                        message = wrap.message(value, line, where, None if rate is None else number / rate)
                    except EventError as error:
                        tally.refuse(where, error.message)
                        continue
                    if message is None:
                        tally.skipped += 1
                        continue
                    number += 1
                    if number % 64 == 0:
                        advance(before + records.position)
                    yield message
            except RecordFileError as error:
                raise InputError(f"{name}:{error.line}: {error}") from None
            except OSError as error:
                raise InputError(f"{name}: {error}") from None
            before += records.size or 0
            advance(before)


def _generated(plan: Plan, tally: Tally, paced: bool) -> Iterator[Message]:
    for event in generate(plan):
        due_s = (parse_time(event["event_time"]) - plan.start_ms) / 1000 if paced else None
        yield Message(event["id"], orjson.dumps(event), event["tenant_id"], [], due_s)


def _plan(seed: int, tenants: int, count: int, rate: float, attacks: list[str], start: str | None) -> Plan:
    names = tuple(name.strip() for value in attacks for name in value.split(",") if name.strip())
    try:
        start_ms = time.time_ns() // 1_000_000 if start is None else parse_time(start, "--start")
        return Plan(start_ms, seed, tenants, count, rate, names)
    except ValueError as error:  # EventError is one
        raise InputError(str(error)) from None


def _source(settings: Settings, topic: str) -> tuple[str, str, str | None]:
    """A source topic's name in Kafka, its format and its fixed tenant."""
    topics = load_topics(settings)
    spec = topics.get(topic)
    if spec is None or spec.format is None:
        known = ", ".join(source.name for source in topics.sources)
        raise InputError(f"--topic: {topic} is not a source topic of topics.yaml ({known})")
    return spec.topic, spec.format, spec.tenant


@contextmanager
def _progress(files: list[str]) -> Iterator[Callable[[int], None]]:
    """A bar on stderr where that is a terminal and the sizes are known; yields what moves it, in bytes."""
    if not console.is_terminal or "-" in files:
        yield lambda done: None
        return
    columns = (TextColumn("sending"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=sum(Path(name).stat().st_size for name in files))
        yield lambda done: progress.update(task, completed=done)


@contextmanager
def _exit_status() -> Iterator[None]:
    """Turn what can go wrong into one line on stderr and the exit status of CONTRACT."""
    try:
        yield
    except (InputError, SettingsError, EventError, TopicMissingError) as error:
        console.print(str(error))
        raise typer.Exit(BAD_INPUT) from None
    except (BrokerUnavailableError, SendStopped) as error:
        console.print(str(error))
        raise typer.Exit(NO_BROKER) from None


def _finish(topic: str, tally: Tally) -> None:
    console.print(
        f"{_plural(tally.sent, 'event')} sent to {topic} ({_plural(len(tally.tenants), 'tenant')}), all acknowledged"
    )
    if tally.skipped:
        console.print(f"{_plural(tally.skipped, 'record')} of this format that are no events left out")
    if tally.refused:
        console.print(f"{_plural(tally.refused, 'bad record')} left out")
        raise typer.Exit(BAD_INPUT)


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
