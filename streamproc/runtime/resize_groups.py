"""The two tables that can get more partitions, and where their rows and the records of their input belong then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import orjson

from streamproc.alerting import outbox_entry
from streamproc.alerting.fingerprint import partition_of
from streamproc.alerting.outbox_entry import Entry, Mark
from streamproc.engine.changes import KEY
from streamproc.engine.resplit import Resplit
from streamproc.kafka.partition import partition_by
from streamproc.kafka.topics import Topics
from streamproc.kafka.whole_topic import read_whole
from streamproc.model.notification import Notification
from streamproc.settings import Settings


class Splitter(Protocol):
    """Takes the records of the old partitions, each in its order."""

    def split(self, partition: int, value: bytes) -> list[tuple[int, bytes]]:
        """(new partition, value) pairs for one record."""

    def ended(self, partition: int) -> list[tuple[int, bytes]]:
        """The same for the end of an old partition."""


class Group(Protocol):
    """A table and its input. `input` and `changelog` are the product's names of their topics."""

    input: str
    changelog: str

    async def place(self, key: bytes, value: bytes, here: int, partitions: int) -> int:
        """The partition, of so many, that a row belongs to which stands in `here`."""

    def splitter(self, partitions: int, memory: Sequence[dict[str, int]]) -> Splitter:
        """For so many new partitions; `memory` (one per old one) is kept between runs."""


class DetectGroup:
    """Keys live where their fingerprint says. So do resolved alerts that wait for their tombstones: should one be
    opened again, it is their key's partition that takes the note back."""

    input, changelog = "signals", "detectors-changelog"

    def __init__(self, settings: Settings, topics: Topics) -> None:
        self._settings = settings
        self._alerts = topics["alerts"]
        self._fingerprints: dict[bytes, bytes] | None = None

    async def place(self, key: bytes, value: bytes, here: int, partitions: int) -> int:
        """As `Group` says; an alert that is not on its topic any more stays where it is."""
        if key[:1] == KEY:
            return partition_of(key[1:], partitions)
        if self._fingerprints is None:
            self._fingerprints = await self._read_alerts()
        found = self._fingerprints.get(key[1:])
        return here if found is None else partition_of(found, partitions)

    async def _read_alerts(self) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        async for record in read_whole(self._settings, self._alerts):
            if record.value is None:
                found.pop(record.key, None)
            elif record.key is not None:
                found[record.key] = bytes.fromhex(orjson.loads(record.value)["fingerprint"])
        return found

    def splitter(self, partitions: int, memory: Sequence[dict[str, int]]) -> Splitter:
        """As `Group` says."""
        return Resplit(partitions, memory)


class DeliverGroup:
    """Notifications, and what the outbox has of them, live where their channel says."""

    input, changelog = "notifications", "outbox-changelog"

    async def place(self, key: bytes, value: bytes, here: int, partitions: int) -> int:
        """As `Group` says; a record of something that had no channel stays where it is."""
        item = outbox_entry.decode(value)
        if isinstance(item, Entry):
            channel = item.notification.channel
        elif isinstance(item, Mark):
            if item.delivery.channel is None:
                return here
            channel = item.delivery.channel
        else:
            channel = item.channel
        return partition_by(f"{item.tenant}/{channel}", partitions)

    def splitter(self, partitions: int, memory: Sequence[dict[str, int]]) -> Splitter:
        """As `Group` says."""
        return _ByChannel(partitions)


class _ByChannel:
    def __init__(self, partitions: int) -> None:
        self._partitions = partitions

    def split(self, partition: int, value: bytes) -> list[tuple[int, bytes]]:
        try:
            one = Notification.decode(value)
        except ValueError:
            return [(partition, value)]
        return [(partition_by(f"{one.tenant}/{one.channel}", self._partitions), value)]

    def ended(self, partition: int) -> list[tuple[int, bytes]]:
        return []


def groups(settings: Settings, topics: Topics) -> dict[str, Group]:
    """By the name of the co-partition group in topics.yaml."""
    made: dict[str, Any] = {"detect": DetectGroup(settings, topics), "deliver": DeliverGroup()}
    return made
