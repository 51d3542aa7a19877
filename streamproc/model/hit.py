"""A *hit*: one event that matches one rule, for one group.

Millions of hits pass a second-long batch, so a hit is a plain tuple; this module names its places.
"""

from __future__ import annotations

from typing import Any

GroupValue = str | int | float | bool
DistinctValue = str | int | float | bool | None

Hit = tuple[int, bytes, tuple[GroupValue, ...], int, int, int, str, Any, bytes]
"""(ref, fingerprint, group values, time, arrival, place, event id, observed, document)

- ref: a number for the rule and the event's tenant; the matcher, and the frame, say which (`RuleRef`)
- time: event time in ms, clamped to at most `MAX_AHEAD_MS` after arrival
- arrival: the record's broker timestamp in ms
- place: the event's place in its source partition: the record's offset * 4096 + the event's index in the record
- observed: what the rule's type looks at (`rules.observe`)
- document: the event's canonical JSON

A *tally* has the same shape and stands for many events of a key, for types that only count: its time, arrival,
place and document are those of the last, its event id is empty, and observed is [place, time, place, time, …].
"""

MAX_AHEAD_MS = 5 * 60 * 1000
"""A clock that runs ahead may push a window forward by at most this."""

EVENTS_PER_RECORD = 4096
"""A source record may hold several events (a CloudTrail file); their places stay apart by this factor."""
