"""A *hit*: one event that matches one rule, for one group.

Millions of hits pass a second-long batch, so a hit is a plain tuple; this module names its places.
"""

from __future__ import annotations

from typing import Any

GroupValue = str | int | float | bool
DistinctValue = str | int | float | bool | None

Hit = tuple[Any, bytes, tuple[GroupValue, ...], int, int, int, str, DistinctValue, bytes]
"""(rule, fingerprint, group values, time, arrival, place, event id, distinct value, document)

- rule: the `CompiledRule` that matched; in a frame, the index of its reference
- time: event time in ms, clamped to at most `MAX_AHEAD_MS` after arrival
- arrival: the record's broker timestamp in ms
- place: the event's place in its source partition: the record's offset * 4096 + the event's index in the record
- document: the event's canonical JSON
"""

MAX_AHEAD_MS = 5 * 60 * 1000
"""A clock that runs ahead may push a window forward by at most this."""

EVENTS_PER_RECORD = 4096
"""A source record may hold several events (a CloudTrail file); their places stay apart by this factor."""
