"""Writes records to the config topic. Each call returns when Kafka has acknowledged all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streamproc.config.changes import Action, Change
from streamproc.config.record import ConfigRecord, encode
from streamproc.kafka.client import client_options, unreachable
from streamproc.settings import Settings

TOPIC = "config"
HISTORY = "config-history"
KEPT = frozenset({"rule"})
"""Kinds of which every revision is kept beside the latest. (Of users it is not: what is deleted should be gone.)"""
_SECONDS = 30.0


class ConfigWriter:
    """An async context manager. Two writers at once are no danger to the topic: the last to write a key wins."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._topic = settings.topic(TOPIC)
        self._history = settings.topic(HISTORY)
        self._producer: Any = None

    async def __aenter__(self) -> ConfigWriter:
        producer = AIOKafkaProducer(
            **client_options(self._settings),
            acks="all",
            enable_idempotence=True,
            max_request_size=1 << 20,
            linger_ms=5,
        )
        try:
            await asyncio.wait_for(producer.start(), _SECONDS)
        except (KafkaError, OSError, TimeoutError):
            await producer.stop()
            raise unreachable(self._settings) from None
        self._producer = producer
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._producer.stop()

    async def apply(self, changes: Iterable[Change]) -> int | None:
        """Write what changed; the config offset from which on all of it is in force, None when nothing changed."""
        changed = [change for change in changes if change.action is not Action.UNCHANGED]
        return await self._send(
            [(change.record.key, None if change.after is None else encode(change.after)) for change in changed],
            [change.after for change in changed if change.after is not None],
        )

    async def put(self, records: Iterable[ConfigRecord]) -> int | None:
        """Write records as they are, secrets sealed by the caller. Returns as `apply` does."""
        written = list(records)
        return await self._send([(record.key, encode(record)) for record in written], written)

    async def delete(self, keys: Iterable[str]) -> int | None:
        """Delete by key (`tenant/kind/id`). Returns as `apply` does."""
        return await self._send([(key, None) for key in keys], ())

    async def _send(self, records: Sequence[tuple[str, bytes | None]], made: Sequence[ConfigRecord]) -> int | None:
        """`made`: the records among them, of which versions may be kept.

        A version stands before its revision is in force, so that none is without (docs/adr/0009-rule-versions.md).
        """
        if not records:
            return None
        try:
            async with asyncio.timeout(_SECONDS):
                await self._acknowledged(
                    self._history, [(version_key(record), encode(record)) for record in made if record.kind in KEPT]
                )
                sent = await self._acknowledged(self._topic, [(key.encode(), value) for key, value in records])
        except (OSError, TimeoutError):
            raise unreachable(self._settings) from None
        except KafkaError as error:
            if error.retriable:
                raise unreachable(self._settings) from error
            raise
        return max(int(one.offset) for one in sent) + 1

    async def _acknowledged(self, topic: str, records: Sequence[tuple[bytes, bytes | None]]) -> Sequence[Any]:
        """Where the records stand, once they do."""
        futures = [await self._producer.send(topic, key=key, value=value, partition=0) for key, value in records]
        return await asyncio.gather(*futures)


def version_key(record: ConfigRecord) -> bytes:
    """The key on `config-history`: `tenant/kind/id/revision`."""
    return f"{record.key}/{record.revision}".encode()
