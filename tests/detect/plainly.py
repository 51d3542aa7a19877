"""What the detectors must say, written down as the definitions read and with no thought of speed.

Every hit that counted is remembered for ever, and every window there is gets looked at, one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from streamproc.detect.verdict import COUNTED, DUPLICATE, LATE


class Hit(NamedTuple):
    t: int
    id: str
    value: str | int | None = None


@dataclass
class Rolling:
    """`count` events, or different values, in some half-open window (end - W, end]."""

    count: int
    window: int
    lateness: int
    distinct: bool = False
    counted: list[Hit] = field(default_factory=list)

    def judge(self, hit: Hit) -> int:
        if self.counted and hit.t < max(h.t for h in self.counted) - self.window - self.lateness:
            return LATE
        if any(h.id == hit.id for h in self.counted):
            return DUPLICATE
        self.counted.append(hit)
        most = max(self._size(end) for end in range(hit.t, hit.t + self.window))
        return most if most >= self.count else COUNTED

    def _size(self, end: int) -> int:
        inside = [h for h in self.counted if end - self.window < h.t <= end]
        return len({h.value for h in inside}) if self.distinct else len(inside)


@dataclass
class Fixed:
    """`count` events, or different values, in one window of the wall clock."""

    count: int
    window: int
    lateness: int
    distinct: bool = False
    zone: str = "UTC"
    counted: list[Hit] = field(default_factory=list)

    def judge(self, hit: Hit) -> int:
        if self.counted and hit.t < max(h.t for h in self.counted) - self.window - self.lateness:
            return LATE
        if any(h.id == hit.id for h in self.counted):
            return DUPLICATE
        self.counted.append(hit)
        inside = [h for h in self.counted if self.place(h.t) == self.place(hit.t)]
        size = len({h.value for h in inside}) if self.distinct else len(inside)
        return size if size >= self.count else COUNTED

    def place(self, t: int) -> int:
        """Which window it is, counted from midnight of 1970-01-01 on a wall of that zone."""
        wall = datetime.fromtimestamp(t // 1000, ZoneInfo(self.zone)).replace(tzinfo=None)
        return (wall - datetime(1970, 1, 1)) // timedelta(milliseconds=self.window)


def none_late(hits: Sequence[Hit], delays: Sequence[int]) -> list[Hit]:
    """The hits in the order of `t + delay`: with delays up to W + L none is late."""
    return [hit for _, _, hit in sorted((h.t + d, n, h) for n, (h, d) in enumerate(zip(hits, delays, strict=True)))]
