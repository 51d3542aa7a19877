"""`streamproc deliveries`: what became of notifications, and making some of them again."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Any

import orjson
import typer

from streamproc.cli.failures import FINDINGS, InputError
from streamproc.cli.output import note, print_json, print_rows
from streamproc.cli.recording import entry, recording
from streamproc.cli.session import ask
from streamproc.kafka.client import client_options
from streamproc.kafka.producer import AwaitedProducer
from streamproc.kafka.redelivery import Replayed, Wanted, find_deliveries, redeliver
from streamproc.kafka.topics import Topics, check_topics, load_topics
from streamproc.model.delivery import Delivery
from streamproc.model.spans import milliseconds_of
from streamproc.model.time_text import milliseconds
from streamproc.settings import Settings, load_settings

app = typer.Typer(no_args_is_help=True)

SEND_S = 30.0

AsJson = typer.Option(False, "--json", help="Print JSON.")
Tenant = typer.Option(None, "--tenant", help="Only this tenant's.")
Channel = typer.Option(None, "--channel", help="Only to this channel: its id, or kind/id such as webhook/siem.")
Since = typer.Option(None, "--since", help="Only those decided since then: a time, or a span such as 24h.")
COLUMNS = ("id", "created_at", "tenant_id", "channel", "recipient", "purpose", "state", "reason", "attempts", "detail")


@app.command("list")
def list_deliveries(
    failed: bool = typer.Option(False, "--failed", help="Only those that were given up."),
    tenant: str | None = Tenant,
    channel: str | None = Channel,
    since: str | None = Since,
    limit: int = typer.Option(50, "--limit", min=1, help="At most this many, the newest."),
    as_json: bool = AsJson,
) -> None:
    """List deliveries, the newest last."""
    wanted = Wanted((), failed, tenant, channel, _since(since))
    found = ask(_find(load_settings(), wanted))[-limit:]
    if as_json:
        print_json([_document(one) for one in found])
    else:
        print_rows(COLUMNS, [_row(one) for one in found], as_json=False)


@app.command()
def show(
    id: str = typer.Argument(help="The delivery's id, dlv_…"),
    as_json: bool = AsJson,
) -> None:
    """Show a delivery with all its attempts."""
    found = ask(_find(load_settings(), Wanted((id,))))
    if not found:
        raise InputError(f"{id}: is no delivery; `streamproc deliveries list` shows them")
    document = _document(found[0])
    if as_json:
        print_json(document)
        return
    attempts = document.pop("attempts")
    for name, value in document.items():
        if value not in (None, "", 0):
            print(f"{name}: {value}")
    if attempts:
        print("attempts:")
    for attempt in attempts:
        status = "" if attempt["status"] is None else f" {attempt['status']}"
        print(f"  {attempt['at']} {attempt['outcome']} {attempt['reason']}{status}, {attempt['latency_ms']} ms")
        for text in (attempt["detail"], attempt["excerpt"]):
            if text:
                print(f"    {' '.join(text.split())[:500]}")


@app.command()
def replay(
    ids: list[str] = typer.Argument(None, help="Ids as listed."),
    failed: bool = typer.Option(False, "--failed", help="All that were given up, as far as the other options go."),
    tenant: str | None = Tenant,
    channel: str | None = Channel,
    since: str | None = Since,
    request_id: str | None = typer.Option(
        None, "--request-id", help="A name for this request: asking again with the same name sends nothing twice."
    ),
    as_json: bool = AsJson,
) -> None:
    """Make deliveries again, each under a new id. Status 1 when some cannot be.

    While the topic `notifications` has the original (7 days), that is sent; later, the alert as it is now.
    """
    if bool(ids) == failed:
        raise InputError("replay: give ids, or --failed for all that were given up")
    wanted = Wanted(tuple(ids or ()), failed, tenant, channel, _since(since))
    results = ask(_replay(load_settings(), wanted, request_id or str(uuid.uuid4()), as_json))
    if any(one.problem for one in results):
        raise typer.Exit(FINDINGS)


def _print_replayed(results: Sequence[Replayed], as_json: bool) -> None:
    problems = [one for one in results if one.problem]
    if as_json:
        print_json([{"id": one.id, "new_id": one.new_id or None, "problem": one.problem or None} for one in results])
    else:
        for one in problems:
            note(f"{one.id}: {one.problem}")
        print(f"{len(results) - len(problems)} sent again")


async def _find(settings: Settings, wanted: Wanted) -> list[Delivery]:
    return await find_deliveries(settings, await _topics(settings, "deliveries"), wanted)


async def _replay(settings: Settings, wanted: Wanted, request_id: str, as_json: bool) -> list[Replayed]:
    topics = await _topics(settings, "deliveries", "notifications", "alerts")
    dead = topics["dead-letters"]
    async with recording(settings) as record:
        producer = AwaitedProducer(client_options(settings), SEND_S, dead.topic, dead.partitions)
        await producer.start()
        try:
            results = await redeliver(settings, topics, producer, wanted, request_id)
        finally:
            await producer.stop()
        _print_replayed(results, as_json)
        await record(
            [
                entry("delivery", one.tenant, one.id, "replay", [("new_id", None, one.new_id)], request_id)
                for one in results
                if one.new_id
            ]
        )
    return results


async def _topics(settings: Settings, *names: str) -> Topics:
    topics = load_topics(settings)
    await check_topics(settings, topics, names=list(names))
    return topics


def _since(text: str | None) -> int | None:
    if text is None:
        return None
    span = milliseconds_of(text)
    if span is not None:
        return int(time.time() * 1000) - span
    try:
        return milliseconds(text)
    except ValueError:
        raise InputError(
            f"--since: {text!r} is neither a time such as 2026-02-10T14:00Z nor a span such as 24h"
        ) from None


def _document(delivery: Delivery) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(delivery.encode())
    return found


def _row(delivery: Delivery) -> dict[str, Any]:
    return {**_document(delivery), "attempts": len(delivery.attempts)}
