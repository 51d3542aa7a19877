"""Which tenants send more than their plans say, by when their events arrived. Pure.

A leaky bucket for each tenant: it drains at the tenant's rate and holds `BURST_S` seconds of it; what does not fit is
over the limit. Only arrival times count, so that a backlog that is worked off quickly is no offence, and a replay
answers the same.
"""

from __future__ import annotations

from collections.abc import Mapping

BURST_S = 10
"""So many seconds' worth may come at once."""


class Meter:
    """For one source partition. `rates` are events a second by tenant; it may be replaced at any time."""

    def __init__(self) -> None:
        self.rates: Mapping[str, float] = {}
        self._filled: dict[str, tuple[float, int]] = {}

    def count(self, events: Mapping[str, int], at: int) -> dict[str, int]:
        """How many of these events of a tenant, which arrived at `at` (ms), were over its limit; tenants with none are
        left out."""
        over: dict[str, int] = {}
        for tenant, number in events.items():
            rate = self.rates.get(tenant)
            if rate is None:
                self._filled.pop(tenant, None)
                continue
            level, since = self._filled.get(tenant, (0.0, at))
            level = max(0.0, level - rate * max(0, at - since) / 1000) + number
            excess = int(level - rate * BURST_S)
            if excess > 0:
                over[tenant] = excess
                level -= excess
            self._filled[tenant] = (level, max(at, since))
        return over
