"""What the API process has at hand, as every handler gets it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from streamproc.config.keyring import Keyring
from streamproc.kafka.config_writer import ConfigWriter
from streamproc.kafka.producer import AwaitedProducer
from streamproc.kafka.tailer import ConfigTailer
from streamproc.kafka.topics import Topics
from streamproc.settings import Settings

if TYPE_CHECKING:
    from streamproc.web.read_model.store import Store


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
    cleanups: list[object] = field(default_factory=list)
