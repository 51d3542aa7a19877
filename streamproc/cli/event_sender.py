"""Sends a stream of records to one topic, and returns when Kafka has acknowledged every one."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from rich.console import Console

from streamproc.kafka.client import client_options, unreachable
from streamproc.settings import Settings

MAX_REPORTED = 20
"""Bad records are named one by one up to so many, then counted."""
IN_FLIGHT = 5_000
"""So many records may wait for their acknowledgement at a time."""
ACK_DEADLINE_S = 60.0
"""aiokafka's idempotent producer never gives a batch up: after so long without an acknowledgement, we do."""

# what goes wrong with the connection is said once, by us, and not by the library's log as well
logging.getLogger("aiokafka").addHandler(logging.NullHandler())

console = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)


class SendStopped(ConnectionError):  # noqa: N818  # it says what happened to the sending; the cause is Kafka's
    """Kafka took no more; the text says how far it came and what to do."""


class TopicMissingError(LookupError):
    """The topic does not exist; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Message:
    """A record to send. `where` names its file and line; `due_s` is when, in seconds after the first (None: now)."""

    where: str
    value: bytes
    tenant: str | None
    headers: list[tuple[str, bytes]]
    due_s: float | None


@dataclass(slots=True)
class Tally:
    """What became of the input."""

    sent: int = 0
    refused: int = 0
    skipped: int = 0
    """Records that are no events, as their format has some."""
    tenants: set[str] = field(default_factory=set)

    def refuse(self, where: str, message: str) -> None:
        """Count a bad record, and name it on stderr."""
        self.refused += 1
        if self.refused <= MAX_REPORTED:
            console.print(f"{where}: {message}")
        elif self.refused == MAX_REPORTED + 1:
            console.print("further bad records are only counted")


async def send_all(settings: Settings, topic: str, messages: Iterable[Message], tally: Tally) -> None:
    """Send the messages in order, keyed by tenant. Raises BrokerUnavailableError, TopicMissingError or SendStopped."""
    producer = AIOKafkaProducer(
        **client_options(settings),
        acks="all",
        enable_idempotence=True,
        compression_type="lz4",
        linger_ms=5,
        max_batch_size=256 * 1024,
        max_request_size=8 * 1024 * 1024,  # the broker knows its own limit, and says so
    )
    try:
        try:
            await producer.start()
            known = (await producer.client.fetch_all_metadata()).topics()
        except (KafkaError, OSError):
            raise unreachable(settings) from None
        if topic not in known:
            raise TopicMissingError(f"There is no topic {topic}: create it with `streamproc topics apply`.")
        await _Sending(producer, topic, tally).run(messages)
    finally:
        try:
            async with asyncio.timeout(5):
                await producer.stop()
        except (TimeoutError, KafkaError):
            pass  # everything that counts was awaited already


class _Sending:
    def __init__(self, producer: AIOKafkaProducer, topic: str, tally: Tally) -> None:
        self._producer = producer
        self._topic = topic
        self._tally = tally
        self._waiting: deque[tuple[Message, asyncio.Future[object]]] = deque()

    async def run(self, messages: Iterable[Message]) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for message in messages:
            if message.due_s is not None and (delay := began + message.due_s - loop.time()) > 0:
                await asyncio.sleep(delay)
            key = None if message.tenant is None else message.tenant.encode()
            try:
                future = await self._producer.send(self._topic, message.value, key=key, headers=message.headers)
            except MessageSizeTooLargeError:
                self._tally.refuse(message.where, f"{len(message.value)} bytes is more than Kafka takes")
                continue
            except KafkaError as error:
                raise self._stopped(error) from None
            self._waiting.append((message, future))
            if len(self._waiting) >= IN_FLIGHT:
                await self._settle(IN_FLIGHT // 2)
        await self._settle(0)

    async def _settle(self, remaining: int) -> None:
        """Await acknowledgements, oldest first, until at most so many are missing."""
        while len(self._waiting) > remaining:
            message, future = self._waiting.popleft()
            try:
                async with asyncio.timeout(ACK_DEADLINE_S):
                    await future
            except MessageSizeTooLargeError:
                self._tally.refuse(message.where, f"{len(message.value)} bytes is more than the topic takes")
            except (KafkaError, TimeoutError) as error:
                raise self._stopped(error) from None
            else:
                self._tally.sent += 1
                if message.tenant is not None:
                    self._tally.tenants.add(message.tenant)

    def _stopped(self, error: Exception) -> SendStopped:
        why = "no acknowledgement came" if isinstance(error, TimeoutError) else str(error)
        return SendStopped(
            f"Kafka stopped taking records: {why}. {self._tally.sent} are acknowledged; "
            "sending the same input again is safe where records have ids."
        )
