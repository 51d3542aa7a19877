"""Deliveries that somebody wants to have made again, from what the topics still hold.

A replay is the original notification from `notifications`; once that is gone, one that is made of the delivery's record
and the alert as it is now. It has a delivery id of its own, so receivers take it as new, and its record says what it is
a replay of.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from streamproc.kafka.client import client_options, unreachable
from streamproc.kafka.closing import close_consumer
from streamproc.kafka.ledger import Record
from streamproc.kafka.partition import partition_by
from streamproc.kafka.producer import AwaitedProducer
from streamproc.kafka.topic_file import TopicSpec
from streamproc.kafka.topics import Topics
from streamproc.model.delivery import Delivery, DeliveryState
from streamproc.model.notification import Notification, Purpose, delivery_id
from streamproc.settings import Settings

_CONNECT_S = 15.0
_EARLIER_MS = 60_000
"""Clocks of two processes differ by less."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which deliveries. `channel` is `kind/id` or the id alone; `since_ms`: decided then or later. Empty: all."""

    ids: tuple[str, ...] = ()
    failed: bool = False
    tenant: str | None = None
    channel: str | None = None
    since_ms: int | None = None

    def takes(self, delivery: Delivery) -> bool:
        """Whether it is one of them, as it stands."""
        ref = delivery.channel
        return (
            (not self.ids or delivery.id in self.ids)
            and (not self.failed or delivery.state is DeliveryState.GAVE_UP)
            and (self.tenant is None or delivery.tenant == self.tenant)
            and (self.channel is None or (ref is not None and self.channel in (ref.id, str(ref))))
            and (self.since_ms is None or delivery.created_at >= self.since_ms)
        )


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of the wish: `new_id` of the replay, or the `problem` for which there is none.

    `tenant`: whose delivery it is, where there is one.
    """

    id: str
    new_id: str = ""
    problem: str = ""
    tenant: str = ""


async def find_deliveries(settings: Settings, topics: Topics, wanted: Wanted) -> list[Delivery]:
    """The latest record of each, the oldest first. Raises BrokerUnavailableError."""
    spec = topics["deliveries"]
    mine = range(spec.partitions) if wanted.tenant is None else (partition_by(wanted.tenant, spec.partitions),)
    keys = {id.encode() for id in wanted.ids}
    newest: dict[bytes, bytes] = {}
    async for record in _scan(settings, spec, mine, wanted.since_ms):
        if keys and record.key not in keys:
            continue
        if record.value is None:
            newest.pop(record.key, None)
        else:
            newest[record.key] = record.value
    found = (Delivery.decode(value) for value in newest.values())
    return sorted(filter(wanted.takes, found), key=lambda one: (one.created_at, one.alert_id, one.id))


async def redeliver(
    settings: Settings,
    topics: Topics,
    producer: AwaitedProducer,
    wanted: Wanted | Sequence[Delivery],
    request_id: str,
) -> list[Replayed]:
    """Send the notifications again; returns when they are acknowledged. The producer is a started one.

    `wanted`: a filter, or records that the caller has at hand. The same `request_id` makes the same ids, so that asking
    twice within hours sends once. Raises BrokerUnavailableError.
    """
    unknown: list[Replayed] = []
    if isinstance(wanted, Wanted):
        chosen: Sequence[Delivery] = await find_deliveries(settings, topics, wanted)
        known = {delivery.id for delivery in chosen}
        unknown = [Replayed(id, problem="there is no such delivery") for id in wanted.ids if id not in known]
    else:
        chosen = wanted
    refused = {one.id: problem for one in chosen if (problem := _refused(one))}
    usable = [one for one in chosen if one.id not in refused]
    originals = await _originals(settings, topics["notifications"], usable)
    missing = [one for one in usable if one.id not in originals]
    alerts = await _alerts(settings, topics["alerts"], missing)
    now = int(time.time() * 1000)
    results: list[Replayed] = []
    records: dict[tuple[str, int], list[Record]] = {}
    spec = topics["notifications"]
    for delivery in chosen:
        original = originals.get(delivery.id)
        if original is None and delivery.id not in refused:
            alert = alerts.get(delivery.alert_id)
            original = None if alert is None else remade(delivery, alert)
        if original is None:
            gone = f"neither its message nor the alert {delivery.alert_id} is on the topics any more"
            results.append(Replayed(delivery.id, problem=refused.get(delivery.id, gone), tenant=delivery.tenant))
            continue
        again = replayed(original, delivery.id, request_id, now)
        partition = partition_by(f"{again.tenant}/{again.channel}", spec.partitions)
        records.setdefault((spec.topic, partition), []).append((again.delivery_id.encode(), again.encode(), []))
        results.append(Replayed(delivery.id, again.delivery_id, tenant=delivery.tenant))
    if records:
        await producer.send(records)
    return results + unknown


def replayed(original: Notification, id: str, request_id: str, now: int) -> Notification:
    """The notification under a new id, which `id` (of its record) and the request decide."""
    what = f"{original.purpose} replay of {id} for {request_id}"
    place = (original.alert_id, original.revision, original.channel, original.recipient)
    new_id = delivery_id(*place, what, original.step, original.repeat)
    return replace(original, delivery_id=new_id, created_at=now, replay_of=id)


def remade(delivery: Delivery, alert: bytes) -> Notification:
    """The notification that led to the delivery, but with the alert as it is now."""
    assert delivery.channel is not None
    return Notification(
        delivery_id=delivery.id,
        tenant=delivery.tenant,
        alert_id=delivery.alert_id,
        fingerprint=delivery.fingerprint,
        revision=delivery.revision,
        channel=delivery.channel,
        purpose=Purpose(delivery.purpose),
        silent_count=delivery.silent_count,
        created_at=delivery.created_at,
        alert=alert,
        recipient=delivery.recipient,
        step=delivery.step,
        repeat=delivery.repeat,
        fallback_for=delivery.fallback_for,
    )


def _refused(delivery: Delivery) -> str:
    """Why it cannot be made again; empty if it can."""
    if delivery.channel is None:
        return "nobody was to be told of it: it names no channel"
    if not delivery.state.final:
        return f"is {delivery.state}: it is still being tried"
    if delivery.purpose not in set(Purpose):
        return f"its purpose {delivery.purpose!r} is not one of {', '.join(Purpose)}"
    return ""


async def _originals(settings: Settings, spec: TopicSpec, deliveries: Iterable[Delivery]) -> dict[str, Notification]:
    """By the delivery's id, as far as the topic has them. What went out in a bundle is taken out of it."""
    sought = [one for one in deliveries if one.state is not DeliveryState.SUPPRESSED]
    if not sought:
        return {}
    by_message: dict[bytes, list[str]] = {}
    for one in sought:
        by_message.setdefault((one.bundle or one.id).encode(), []).append(one.id)
    mine = {partition_by(f"{one.tenant}/{one.channel}", spec.partitions) for one in sought}
    found: dict[str, Notification] = {}
    since = min(one.created_at for one in sought) - _EARLIER_MS
    async with contextlib.aclosing(_scan(settings, spec, mine, since)) as scan:
        async for record in scan:
            ids = by_message.pop(record.key, None)
            if ids is not None:
                message = Notification.decode(record.value)
                members = {member.delivery_id: member for member in message.members}
                for id in ids:
                    found[id] = replace(message, members=(members[id],)).plain if id in members else message
                if not by_message:
                    break
    return found


async def _alerts(settings: Settings, spec: TopicSpec, deliveries: Iterable[Delivery]) -> dict[str, bytes]:
    """The latest records of the deliveries' alerts, by alert id."""
    ids = {one.alert_id.encode(): one.tenant for one in deliveries}
    newest: dict[str, tuple[int, bytes]] = {}
    if ids:
        mine = {partition_by(tenant, spec.partitions) for tenant in ids.values()}
        async for record in _scan(settings, spec, mine, None):
            if record.key not in ids:
                continue
            id = record.key.decode()
            if record.value is None:
                newest.pop(id, None)
                continue
            revision = orjson.loads(record.value)["revision"]
            if id not in newest or revision >= newest[id][0]:
                newest[id] = (revision, record.value)
    return {id: value for id, (_, value) in newest.items()}


async def _scan(
    settings: Settings, spec: TopicSpec, numbers: Collection[int], since_ms: int | None
) -> AsyncGenerator[Any, None]:
    """The committed records of some partitions up to their present ends, in order within each."""
    partitions = [TopicPartition(spec.topic, number) for number in numbers]
    consumer = AIOKafkaConsumer(
        **client_options(settings),
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=4 << 20,
    )
    try:
        await asyncio.wait_for(consumer.start(), _CONNECT_S)
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        starts = await consumer.beginning_offsets(partitions)
        if since_ms is not None:
            for partition, at in (
                await consumer.offsets_for_times(dict.fromkeys(partitions, max(0, since_ms)))
            ).items():
                starts[partition] = ends[partition] if at is None else at.offset
        for partition, start in starts.items():
            consumer.seek(partition, start)
        for partition, end in ends.items():
            while await consumer.position(partition) < end:
                for records in (await consumer.getmany(partition, timeout_ms=300)).values():
                    for record in records:
                        yield record
    except (KafkaError, OSError, TimeoutError):
        raise unreachable(settings) from None
    finally:
        await close_consumer(consumer)
