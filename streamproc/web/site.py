"""What the API process has at hand, as every handler gets it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from streamproc.config.keyring import Keyring
from streamproc.kafka.config_writer import ConfigWriter
from streamproc.kafka.producer import AwaitedProducer
from streamproc.kafka.tailer import ConfigTailer
from streamproc.kafka.topics import Topics
from streamproc.settings import Settings
from streamproc.web.audit_log import AuditLog
from streamproc.web.idempotency import Answers
from streamproc.web.keys import KeyBook
from streamproc.web.limits import RateLimits
from streamproc.web.sessions import Sessions

if TYPE_CHECKING:
    from streamproc.web.read_model.store import Store


class Part(Protocol):
    """Something of the process that not every process needs."""

    def __init__(self, settings: Settings) -> None: ...

    async def close(self) -> None:
        """Give up what it holds."""
        ...


AnyPart = TypeVar("AnyPart", bound=Part)


@dataclass(slots=True)
class Site:
    """One per process."""

    settings: Settings
    topics: Topics
    tailer: ConfigTailer
    keyring: Keyring
    producer: AwaitedProducer
    writer: ConfigWriter
    store: Store
    """The read model: alerts, incidents, deliveries, dead letters, statistics."""
    keys: KeyBook
    sessions: Sessions
    answers: Answers
    """Answers to requests with an Idempotency-Key."""
    rates: RateLimits
    audit: AuditLog
    changing: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held from reading the snapshot until a change of the configuration is in it: revisions follow one another."""
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the process is to end: answers that would go on for long end now."""
    parts: dict[type[Part], Part] = field(default_factory=dict)

    def part(self, kind: type[AnyPart]) -> AnyPart:
        """What one kind of route needs for itself, made when it is first needed and closed with the server."""
        found = self.parts.get(kind)
        if found is None:
            found = self.parts[kind] = kind(self.settings)
        assert isinstance(found, kind)
        return found

    async def close(self) -> None:
        """Close the parts, the last one first."""
        while self.parts:
            _, part = self.parts.popitem()
            await part.close()
