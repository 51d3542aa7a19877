"""A *hit*: one event that matches one rule, for one group.

Millions of hits pass a second-long batch, so a hit is a plain tuple; this module names its places.
"""

from __future__ import annotations

GroupValue = str | int | float | bool
DistinctValue = str | int | float | bool | None

Hit = tuple[int, bytes, tuple[GroupValue, ...], int, int, int, str, DistinctValue, bytes]
"""(ref, fingerprint, group values, time, arrival, place, event id, distinct value, document)

- ref: a number for the rule and the event's tenant; the matcher, and the frame, say which (`RuleRef`)
- time: event time in ms, clamped to at most `MAX_AHEAD_MS` after arrival
- arrival: the record's broker timestamp in ms
- place: the event's place in its source partition: the record's offset * 4096 + the event's index in the record
- document: the event's canonical JSON
"""

MAX_AHEAD_MS = 5 * 60 * 1000
"""A clock that runs ahead may push a window forward by at most this."""

EVENTS_PER_RECORD = 4096
"""A source record may hold several events (a CloudTrail file); their places stay apart by this factor."""
