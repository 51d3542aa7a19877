"""Event ids that a key has seen lately, to tell duplicates where no window holds them.

Ids are remembered for a span of arrival, and at most `MAX_REMEMBERED` of them a key.
"""

from __future__ import annotations

REMEMBER_MS = 15 * 60 * 1000
MAX_REMEMBERED = 4096


def remember_ms(lateness_ms: int) -> int:
    """For how long ids are remembered: the lateness, and at least a quarter of an hour."""
    return max(lateness_ms, REMEMBER_MS)


def seen_before(ids: dict[str, int], event_id: str, arrival: int, span_ms: int) -> bool:
    """Whether the id is among `ids` (id → arrival, in order of arrival); else it is added, and old ones go."""
    if event_id in ids:
        return True
    ids[event_id] = arrival
    oldest = arrival - span_ms
    while True:
        first = next(iter(ids))
        if ids[first] >= oldest and len(ids) <= MAX_REMEMBERED:
            return False
        del ids[first]
