"""Which tenants' events of one source partition are left for a second reading of it, and how far that has got. Pure.

The first reading leaves out the events of deferred tenants; the second, which follows it, takes nothing but those. So
all that a tenant sends goes one way or the other, and its events keep their order, and with them each key's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol, TypeVar


class Placed(Protocol):
    """A record with its place in the partition."""

    @property
    def offset(self) -> int: ...


R = TypeVar("R", bound=Placed)


class Deferral:
    """Of one source partition. While tenants are deferred, all before `position` is done, for everybody."""

    def __init__(self) -> None:
        self.since: dict[str, int] = {}
        """Deferred tenants, and from which offset on."""
        self.position = 0
        """The next offset of the second reading."""
        self.read = 0
        """The next offset of the first reading."""

    def add(self, tenants: Collection[str]) -> None:
        """Defer tenants from where the first reading is."""
        if not self.since:
            self.position = self.read
        for tenant in tenants:
            self.since.setdefault(tenant, self.read)

    def cut(self, records: Sequence[R]) -> tuple[Sequence[R], Collection[str], Sequence[R]]:
        """Of what the second reading brought: the records to work on now, whose events of them, and the rest.

        There are none to work on once the second reading has reached the first.
        """
        if not records:
            return (), (), ()
        start = records[0].offset
        if start >= self.read:
            return (), (), records
        bound = min(offset for offset in (*self.since.values(), self.read) if offset > start)
        end = next((n for n, record in enumerate(records) if record.offset >= bound), len(records))
        return records[:end], {tenant for tenant, since in self.since.items() if since <= start}, records[end:]

    def done(self, offset: int) -> bool:
        """The second reading has dealt with all before `offset`; whether it has reached the first, and nobody is
        deferred any more."""
        self.position = max(self.position, offset)
        if self.position >= self.read:
            self.since.clear()
        return not self.since
