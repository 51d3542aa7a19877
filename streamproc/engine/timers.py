"""When a key has to be looked at again: what it waits for, and when it may go."""

from __future__ import annotations

from streamproc.alerting import lifecycle
from streamproc.engine.judges import Judge
from streamproc.engine.state import NEVER, KeyState

HOUR_MS = 3600 * 1000
DAY_MS = 24 * HOUR_MS


def next_timer(state: KeyState, judge: Judge | None, now: int) -> int:
    """The earliest stream time at which something may be due for the key."""
    return min(_due(state, judge, now), _of_episode(state, judge, now))


def last_timer(state: KeyState, judge: Judge | None, now: int) -> int:
    """The same, for what time alone makes certain, and what is held back of it: see `PartitionEngine.ending`."""
    when = NEVER
    if judge is not None and judge.rule.rule.enabled:
        when = _due(state, judge, now)
    episode = state.episode
    if episode is not None and lifecycle.is_open(episode):
        when = min(when, clear_at(state, judge))
    return min(when, lifecycle.due_at(episode)) if episode is not None and episode.pending else when


def expiry(state: KeyState, judge: Judge | None, now: int) -> int:
    """When a key without an open alert may go: an hour after it can no longer matter."""
    if judge is None:
        return _tomorrow(state, now)
    when = state.touched + judge.detector.horizon_ms + HOUR_MS
    episode = state.episode
    if episode is not None:
        when = max(when, (episode.resolved_at or 0) + lifecycle.REOPEN_MS)
    return when


def clear_at(state: KeyState, judge: Judge | None) -> int:
    """When an open alert is to be resolved because its condition holds no more; NEVER for most rules.

    The key's window must be alive for a rule that asks for it.
    """
    if judge is None or not judge.rule.rule.when_clear or not judge.counts(state) or state.window is None:
        return NEVER
    return judge.detector.clear_at(state.window)


def _due(state: KeyState, judge: Judge | None, now: int) -> int:
    """When time alone may make this key trigger. A key whose window was not looked at keeps its timer."""
    if judge is None or not judge.detector.timed or state.window is None or not judge.counts(state):
        return NEVER
    when = judge.detector.due(state.window)
    if when != NEVER and not judge.rule.rule.enabled:
        return max(now, state.touched) + HOUR_MS  # it may be enabled again
    return when


def _of_episode(state: KeyState, judge: Judge | None, now: int) -> int:
    episode = state.episode
    if episode is None or not lifecycle.is_open(episode):
        return expiry(state, judge, now)
    if judge is None:
        when = _tomorrow(state, now)
    else:
        quiet_ms = judge.quiet_ms
        when = NEVER if quiet_ms is None else _coarse(state, episode.last_triggered + quiet_ms, now)
        when = min(when, clear_at(state, judge))
    if episode.snoozed_until is not None:
        when = min(when, episode.snoozed_until)
    return min(when, lifecycle.due_at(episode)) if episode.pending else when


def _tomorrow(state: KeyState, now: int) -> int:
    """When to look again at a key whose rule is not in force: it keeps its state until the rule is deleted."""
    return max(now, state.touched) + DAY_MS


def _coarse(state: KeyState, when: int, now: int) -> int:
    """A far-off time, at the full hour before it: it is looked at again then.

    An alert that triggers every second moves its time to resolve as often; like this the index gets one entry
    an hour for it.
    """
    if when == NEVER or when - max(now, state.touched) <= 2 * HOUR_MS:
        return when
    return when // HOUR_MS * HOUR_MS
