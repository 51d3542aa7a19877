"""The mark that a table's changelog carries while its partitions are being made more, and what is known meanwhile.

It stands under one key in every partition of the changelog: the whole plan in partition 0, and in the others only that
there is one. Nobody may work on a partition that has it (`ledger` refuses), however the resize came to a stop.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum

import orjson

from streamproc.kafka.ledger import RESIZING, Record, ResizeUnfinishedError
from streamproc.kafka.topic_file import TopicSpec
from streamproc.kafka.whole_topic import read_partition
from streamproc.settings import Settings

__all__ = ["MARK", "RESIZING", "Phase", "ResizePlan", "ResizeUnfinishedError", "unfinished"]

MARK = b"{}"
"""What stands in the partitions other than 0."""


class Phase(StrEnum):
    """What is to be done next. Each may be begun again."""

    COUNTING = "counting"
    """The rows are counted and summed up; nothing was changed yet."""
    MOVING = "moving"
    """Rows go to their new partitions."""
    SPLITTING = "splitting"
    """Records that were not applied yet are sent again, to their new partitions."""
    CHECKING = "checking"
    """All is where it belongs, which remains to be proven."""


@dataclass(slots=True)
class ResizePlan:
    """A resize from `old` to `new` partitions, as far as it is.

    `rows` and `digest` are those of the table before anything moved. `next` is, per old partition of the input topic,
    the offset up to which it was applied or sent again; `ends` where the records end that are to be. `memory` is what
    the splitting remembers from record to record.
    """

    old: int
    new: int
    phase: Phase = Phase.COUNTING
    rows: int = 0
    digest: str = ""
    next: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    memory: list[dict[str, int]] = field(default_factory=list)
    moved: int = 0
    resent: int = 0

    def encode(self) -> bytes:
        """The stored form."""
        return orjson.dumps(asdict(self))

    @classmethod
    def decode(cls, value: bytes) -> ResizePlan:
        """The inverse of `encode`."""
        plan = cls(**orjson.loads(value))
        plan.phase = Phase(plan.phase)
        return plan


async def unfinished(settings: Settings, changelog: TopicSpec) -> ResizePlan | None:
    """The plan that the changelog carries, read without taking anything over. Raises BrokerUnavailableError."""
    found: Record | None = None
    async for record in read_partition(settings, changelog.topic, 0):
        if record.key == RESIZING:
            found = (record.key, record.value, [])
    return None if found is None or found[1] is None else ResizePlan.decode(found[1])
