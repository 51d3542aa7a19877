"""Rules over what a topic holds of the last while, up to now: as the worker would have judged it when it arrived.

Unlike `replay.backtest` it does not let time run on: what is due only later, such as the end of a silence, is not
known yet. Each event keeps its own arrival, so that one with a wrong clock harms only itself, as in the worker.
"""

from __future__ import annotations

from collections.abc import Iterable

from streamproc.backtest.replay import Replay, Result, placed
from streamproc.engine.match import Matcher
from streamproc.model.event import Event
from streamproc.model.hit import EVENTS_PER_RECORD, Hit
from streamproc.rules import RuleIndex


def play_past(rules: RuleIndex, events: Iterable[Event], now: int) -> Result:
    """The alerts that the rules make of the events, in the order in which they come, up to `now` (ms).

    An arrival before that of an earlier event counts as that one: stream time never goes back.
    """
    result = Result()
    matcher = Matcher(rules)
    replay = Replay(rules, result, matcher.ref)
    latest = 0
    for place, event in enumerate(events):
        latest = event.arrival = max(latest, event.arrival)
        result.events += 1
        result.first = event.time if result.first is None else min(result.first, event.time)
        result.last = event.time if result.last is None else max(result.last, event.time)
        hits: list[Hit] = []
        matcher.match(event, 0, hits)
        matcher.tallies(hits)
        if hits:
            result.hits += len(hits)
            replay.arrive([placed(hit, place * EVENTS_PER_RECORD) for hit in hits])
    replay.run_on(max(latest, now))
    replay.complete()
    result.ungrouped = matcher.no_group
    return result
