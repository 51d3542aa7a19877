"""Writing the audit log: an entry on `audit`, and an event of its tenant, which rules can watch."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Collection, Iterable, Sequence

import orjson
from aiokafka.errors import KafkaError

from streamproc.kafka.client import client_options, unreachable
from streamproc.kafka.ledger import Record
from streamproc.kafka.partition import partition_by
from streamproc.kafka.producer import AwaitedProducer
from streamproc.kafka.topics import Topics, check_topics, load_topics
from streamproc.model.audit import AuditEntry, event_of
from streamproc.model.rule import EVERY_TENANT
from streamproc.settings import Settings

NEEDED = ("audit", "events")
SEND_S = 30.0
_CLOSE_S = 5.0
_AT_ONCE = 1_000
"""Entries of one send, which has the whole of `SEND_S`."""


class AuditError(Exception):
    """Kafka did not acknowledge entries. What they are about was done."""


def new_id() -> str:
    """An id for an entry; its event has the same."""
    return f"aud_{uuid.uuid4()}"


def audit_records(
    entries: Iterable[AuditEntry], topics: Topics, *, without_event: Collection[str] = ()
) -> dict[tuple[str, int], list[Record]]:
    """What to send, by (topic, partition): each entry, and its event (none for `*`, which has no events).

    `without_event`: verbs, such as `create`, of which there is an entry and no event.
    """
    audit, events = topics["audit"], topics["events"]
    records: dict[tuple[str, int], list[Record]] = {}
    for one in entries:
        key = one.tenant_id.encode()
        records.setdefault((audit.topic, 0), []).append((key, orjson.dumps(one.model_dump(mode="json")), []))
        if one.tenant_id != EVERY_TENANT and one.action.rpartition(".")[2] not in without_event:
            place = (events.topic, partition_by(one.tenant_id, events.partitions))
            records.setdefault(place, []).append((key, orjson.dumps(event_of(one)), []))
    return records


class AuditTopic:
    """An async context manager, for who has no producer at hand.

    Open it before the act: where the topics cannot be written to, it says so while nothing is done yet. Raises
    TopicMismatchError and BrokerUnavailableError. `without_event`: as for `audit_records`.
    """

    def __init__(self, settings: Settings, *, without_event: Collection[str] = ()) -> None:
        self._settings = settings
        self._without_event = without_event
        self._topics = load_topics(settings)
        dead = self._topics["dead-letters"]
        self._producer = AwaitedProducer(client_options(settings), SEND_S, dead.topic, dead.partitions)

    async def __aenter__(self) -> AuditTopic:
        await check_topics(self._settings, self._topics, NEEDED)
        try:
            await asyncio.wait_for(self._producer.start(), SEND_S)
        except (KafkaError, OSError, TimeoutError):
            await self._close()
            raise unreachable(self._settings) from None
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def write(self, entries: Sequence[AuditEntry]) -> None:
        """Returns when Kafka has acknowledged the entries and their events. Raises AuditError."""
        for start in range(0, len(entries), _AT_ONCE):
            try:
                part = entries[start : start + _AT_ONCE]
                await self._producer.send(audit_records(part, self._topics, without_event=self._without_event))
            except TimeoutError:
                raise AuditError(f"no acknowledgement within {SEND_S:.0f} s") from None
            except (KafkaError, OSError) as error:
                raise AuditError(str(error) or type(error).__name__) from None

    async def _close(self) -> None:
        """What a broker that has gone never takes is let go: it was reported."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._producer.stop(), _CLOSE_S)
