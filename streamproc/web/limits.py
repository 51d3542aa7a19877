"""How often a key may ask: a token bucket each, kept in this process."""

from __future__ import annotations

import math
import time
from collections import OrderedDict

KEPT = 10_000
"""Buckets remembered; the one not used for longest goes first, and is full when it comes back."""


class RateLimits:
    """`rate` requests a second, and `burst` at once; a rate of 0 is no limit."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, name: str, now: float | None = None) -> int:
        """Take one: 0 when there was one, else after how many whole seconds to ask again. `now`: monotonic."""
        if self._rate <= 0:
            return 0
        now = time.monotonic() if now is None else now
        left, at = self._buckets.pop(name, (float(self._burst), now))
        left = min(float(self._burst), left + (now - at) * self._rate)
        granted = left >= 1
        self._buckets[name] = (left - 1 if granted else left, now)
        if len(self._buckets) > KEPT:
            self._buckets.popitem(last=False)
        return 0 if granted else max(1, math.ceil((1 - left) / self._rate))
