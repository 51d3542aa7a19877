"""`step(signal, key state) -> (key state, alerts)` for all keys of one `signals` partition.

The engine is a plain object without I/O: it loads keys through `Store`, keeps those it touched, and hands over
what changed when the batch is closed with `take`. The live worker and the backtest drive the same engine.
Time is what the signals say: the arrival of hits and the ticks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import orjson

from streamproc.alerting import lifecycle
from streamproc.alerting.episode import Episode, head_of
from streamproc.detect.detector import Cause, Detector
from streamproc.detect.registry import detector_for
from streamproc.detect.verdict import CLEARED, DUPLICATE, LATE
from streamproc.engine import state as codec
from streamproc.engine.changes import KEY, RETIRED, AlertRecord, Changes, Counts, Store
from streamproc.engine.frame import Frame, RuleRef, Signal, Tick
from streamproc.engine.presentation import Presentation, presentation_of
from streamproc.engine.state import NEVER, KeyState
from streamproc.model.command import Command
from streamproc.rules import CompiledRule, RuleIndex

HOUR_MS = 3600 * 1000
DAY_MS = 24 * HOUR_MS
SWEEP_LIMIT = 2000
"""At most this many due keys are looked at per batch; the rest follow in the next."""


class _Target(NamedTuple):
    rule: CompiledRule
    detector: Detector
    head: dict[str, Any]
    tenant: str
    quiet_ms: int | None


class PartitionEngine:
    """All keys of one partition.

    `sources` are the source partitions whose ticks make stream time ("events/3"); time stands still until each
    has reported. `cache_keys` bounds how many decoded keys stay in memory (up to twice as many).
    """

    def __init__(
        self,
        store: Store,
        rules: RuleIndex,
        sources: Iterable[str],
        *,
        cache_keys: int = 20_000,
        alert_retention_ms: int = 90 * DAY_MS,
    ) -> None:
        self._store = store
        self._rules = rules
        self._times: dict[str, int] = dict.fromkeys(sources, -1)
        self._retention_ms = alert_retention_ms
        self._cache_keys = cache_keys
        self._young: dict[bytes, KeyState] = {}
        self._old: dict[bytes, KeyState] = {}
        self._targets: dict[RuleRef, _Target | None] = {}
        self._detectors: dict[tuple[str, str], tuple[CompiledRule, Detector, dict[str, Any]]] = {}
        self._presentations: dict[tuple[str, str], Presentation] = {}
        self._dirty: dict[bytes, KeyState] = {}
        self._dropped: set[bytes] = set()
        self._ready: dict[bytes, KeyState] = {}
        self._changes = Changes()
        self.counts = Counts()
        self.now = -1
        """Stream time in ms; -1 until every source partition has reported."""
        self.more_due = False
        """True when a sweep stopped at its limit and `sweep` should be called again."""

    def use(self, rules: RuleIndex) -> None:
        """Judge by another ruleset from the next signal on."""
        if rules is not self._rules:
            self._rules = rules
            self._targets.clear()
            self._detectors.clear()
            self._presentations.clear()

    def apply(self, signal: Signal) -> None:
        """Apply one signal."""
        if isinstance(signal, Frame):
            self._frame(signal)
        elif isinstance(signal, Tick):
            self._tick(signal)
        else:
            self._command(signal)

    # hits

    def _frame(self, frame: Frame) -> None:
        targets = {number: self._target(ref) for number, ref in frame.refs.items()}
        source, counts, dirty = frame.source, self.counts, self._dirty
        counts.hits += len(frame.rows)
        for number, fp, group, t, arrival, place, event_id, value, raw in frame.rows:
            target = targets[number]
            if target is None:
                counts.outdated += 1
                continue
            rule, detector, _, tenant, _ = target
            state = self._young.get(fp) or self._load(fp)
            if state is None:
                state = KeyState(fp, tenant, rule.owner, rule.id, rule.counting_hash, tuple(group))
                state.window = detector.new()
                self._remember(state)
            elif state.window is None or state.counting_hash != rule.counting_hash:
                self._window(state, rule, detector)
            guard = state.guard
            seen = guard.get(source, -1)
            if place <= seen:
                counts.replayed += 1
                continue
            guard[source] = place
            if arrival > state.touched:
                state.touched = arrival
            dirty[fp] = state
            if rule.tally:
                self._tally(state, target, seen, arrival, value, raw)
                continue
            verdict = detector.apply(state.window, t, arrival, event_id, value, raw)
            if verdict > 0:
                self._trigger(state, target, t, arrival, event_id, raw)
            elif verdict == LATE:
                counts.late += 1
            elif verdict == DUPLICATE:
                counts.duplicate += 1
            elif verdict == CLEARED:
                self._clear(state, arrival)

    def _tally(
        self, state: KeyState, target: _Target, seen: int, arrival: int, counted: Sequence[int], raw: bytes
    ) -> None:
        """Many events of a key: those that were not applied before, bucket by bucket."""
        detector = target.detector
        buckets: dict[int, list[int]] = {}
        for place, t in zip(counted[::2], counted[1::2], strict=True):
            if place > seen:
                buckets.setdefault(detector.bucket_of(t), []).append(t)
        for bucket in sorted(buckets):
            times = buckets[bucket]
            verdict = detector.apply(state.window, max(times), arrival, "", len(times), raw)
            if verdict > 0:
                self._trigger(state, target, max(times), arrival, "", raw)
            elif verdict == LATE:
                self.counts.late += len(times)

    def _target(self, ref: RuleRef) -> _Target | None:
        """The rule a reference means today; None when it is gone, off, or counts something else by now."""
        try:
            return self._targets[ref]
        except KeyError:
            pass
        found = self._judge(ref.owner, ref.rule_id)
        target = None
        if found is not None and found[0].rule.enabled and found[0].counting_hash == ref.counting_hash:
            target = _Target(*found, ref.tenant, found[0].rule.auto_resolve_ms)
        if len(self._targets) > 50_000:
            self._targets.clear()
        self._targets[ref] = target
        return target

    def _judge(self, owner: str, rule_id: str) -> tuple[CompiledRule, Detector, dict[str, Any]] | None:
        found = self._detectors.get((owner, rule_id))
        if found is None:
            rule = self._rules.get(owner, rule_id)
            if rule is None:
                return None
            found = (rule, detector_for(rule.rule), head_of(rule.rule, rule.revision))
            self._detectors[(owner, rule_id)] = found
            presentation = presentation_of(rule.rule)
            if presentation is not None:
                self._presentations[(owner, rule_id)] = presentation
        return found

    def _window(self, state: KeyState, rule: CompiledRule, detector: Detector) -> None:
        """Bring a loaded key's window to life; a rule that counts something else starts a new one."""
        if state.counting_hash == rule.counting_hash and state.stored is not None:
            state.window = detector.decode(state.stored)
        else:
            state.window = detector.new()
            state.counting_hash = rule.counting_hash
            state.stored = None

    def _trigger(self, state: KeyState, target: _Target, t: int, arrival: int, event_id: str, raw: bytes) -> None:
        self.counts.triggers += 1
        rule, detector, head, tenant, quiet_ms = target
        episode = state.episode
        if (
            quiet_ms is not None
            and episode is not None
            and self.now >= episode.last_triggered + quiet_ms
            and lifecycle.is_open(episode)
        ):
            # Its time came within this batch, too soon for a sweep to find it; where batches end must not matter.
            self._resolve_quiet(state, episode, quiet_ms)
        if episode is None or not lifecycle.is_open(episode):
            self.counts.opened += 1
            group = dict(zip(rule.rule.condition.group_by, state.group, strict=False))
            cause = detector.cause(state.window) or Cause("event", event_id)
            document = raw if cause.kind == "event" else b""
            episode = state.episode = lifecycle.opened(state.fingerprint, tenant, group, cause, t, arrival, document)
            episode.samples = detector.samples(state.window)
            # An event that comes again long after its alert was resolved makes the same id: no tombstone for it now.
            self._changes.puts[RETIRED + episode.id.encode()] = None
        episode.samples = lifecycle.with_samples(episode.samples, raw)
        if episode.revision and (rule.owner, rule.id) in self._presentations:
            head = {**head, "severity": episode.head["severity"]}
        episode.head = head
        lifecycle.triggered(episode, arrival, detector.late(state.window))
        if episode.revision == 1:
            self._refresh(state, episode)
            self._emit(state, episode, arrival)
        elif arrival >= lifecycle.due_at(episode):
            self._ready[state.fingerprint] = state

    # commands

    def _command(self, command: Command) -> None:
        state = self._young.get(command.fingerprint) or self._load(command.fingerprint)
        if state is None or state.episode is None:
            self.counts.unknown_command += 1
            return
        episode = state.episode
        if episode.pending:
            self._refresh(state, episode)
        was_open = lifecycle.is_open(episode)
        if not lifecycle.command(episode, command):
            self.counts.unknown_command += episode.id != command.alert_id
            return
        self._dirty[command.fingerprint] = state
        self._emit(state, episode, max(episode.emitted, command.at))
        if was_open and not lifecycle.is_open(episode):
            self._retire(episode)
        elif not was_open and lifecycle.is_open(episode):
            self._changes.puts[RETIRED + episode.id.encode()] = None

    # time

    def _tick(self, tick: Tick) -> None:
        times = self._times
        for source, t in tick.times.items():
            if t > times.get(source, NEVER):
                times[source] = t
        now = min(times.values(), default=-1)
        if now > self.now:
            self.now = now
            self.sweep()

    def sweep(self) -> None:
        """Look at keys whose time has come, up to `SWEEP_LIMIT` of them."""
        due = self._store.due(self.now, SWEEP_LIMIT)
        self.more_due = len(due) == SWEEP_LIMIT
        self._changes.fired.extend(due)
        for timer, key in due:
            if key[:1] == RETIRED:
                self._tombstone(key, timer)
                continue
            fp = key[1:]
            state = self._young.get(fp) or self._load(fp)
            if state is not None and state.timer == timer:
                state.timer = NEVER
                self._dirty[fp] = state
                self._look(state)

    def _look(self, state: KeyState) -> None:
        """What is due for one key: a trigger by time, a held-back update, auto-resolve, or expiry."""
        self._settle(state)
        episode = state.episode
        if episode is not None and lifecycle.is_open(episode):
            if episode.pending and self.now >= lifecycle.due_at(episode):
                self._refresh(state, episode)
                self._emit(state, episode, self.now)
            quiet_ms = self._quiet_ms(state)
            if quiet_ms is not None and self.now >= episode.last_triggered + quiet_ms:
                self._resolve_quiet(state, episode, quiet_ms)
            elif self.now >= (clear_at := self._clear_at(state)):
                self._clear(state, max(clear_at, episode.last_triggered))
        elif self.now >= self._expiry(state):
            self.counts.expired += 1
            self._forget(state)

    def _settle(self, state: KeyState) -> None:
        """Triggers that no event makes: a deadline that passed, an instant of a schedule."""
        target = self._awake(state)
        if target is None or not target.detector.timed:
            return
        while (fired := target.detector.settle(state.window, self.now)) is not None:
            self._trigger(state, target, fired.t, fired.at, "", b"")

    def _awake(self, state: KeyState) -> _Target | None:
        """The key's rule with the key's window brought to life; None when it is not in force, or counts otherwise."""
        found = self._judge(state.owner, state.rule_id)
        if found is None or not found[0].rule.enabled or found[0].counting_hash != state.counting_hash:
            return None
        if state.window is None:
            self._window(state, found[0], found[1])
        return _Target(*found, state.tenant, found[0].rule.auto_resolve_ms)

    def _clear_at(self, state: KeyState) -> int:
        """When an open alert is to be resolved because its condition holds no more; NEVER for most rules."""
        found = self._judge(state.owner, state.rule_id)
        if found is None or not found[0].rule.when_clear:
            return NEVER
        target = self._awake(state)
        return NEVER if target is None else target.detector.clear_at(state.window)

    def _clear(self, state: KeyState, at: int) -> None:
        """What had triggered is over."""
        episode = state.episode
        if episode is not None and lifecycle.is_open(episode):
            if episode.pending:
                self._refresh(state, episode)
            lifecycle.resolve(episode, at, "streamproc", "cleared")
            self._emit(state, episode, max(episode.emitted, at))
            self._retire(episode)

    def _resolve_quiet(self, state: KeyState, episode: Episode, quiet_ms: int) -> None:
        """As of the instant at which it had been quiet for so long, whenever that is found out."""
        at = episode.last_triggered + quiet_ms
        lifecycle.resolve(episode, at, "streamproc", "auto_resolved")
        self._emit(state, episode, max(episode.emitted, at))
        self._retire(episode)

    def drop(self, fp: bytes) -> None:
        """The key's rule was deleted: resolve its alert and forget it."""
        state = self._young.get(fp) or self._load(fp)
        if state is None:
            return
        episode = state.episode
        if episode is not None and lifecycle.is_open(episode):
            lifecycle.resolve(episode, max(self.now, episode.updated), "streamproc", "rule_deleted")
            self._emit(state, episode, max(self.now, episode.emitted))
            self._retire(episode)
        self._forget(state)

    def _forget(self, state: KeyState) -> None:
        fp = state.fingerprint
        self._dirty.pop(fp, None)
        self._ready.pop(fp, None)
        self._young.pop(fp, None)
        self._old.pop(fp, None)
        self._changes.puts[KEY + fp] = None
        self._dropped.add(fp)

    def _retire(self, episode: Episode) -> None:
        """A resolved alert leaves the compacted topic after the retention."""
        key = RETIRED + episode.id.encode()
        when = (episode.resolved_at or 0) + self._retention_ms
        self._changes.puts[key] = codec.retired(when, episode.tenant)
        self._changes.timers.append((when, key))

    def _tombstone(self, key: bytes, timer: int) -> None:
        if key in self._changes.puts:
            return  # done in this batch already, or reopened in it
        value = self._store.get(key)
        if value is not None and codec.timer_of(value) == timer:
            self._changes.puts[key] = None
            self._changes.alerts.append(AlertRecord(key[1:].decode(), codec.retired_tenant(value), None))

    def _quiet_ms(self, state: KeyState) -> int | None:
        """How long without a trigger resolves an alert; None when only people do."""
        found = self._judge(state.owner, state.rule_id)
        return None if found is None else found[0].rule.auto_resolve_ms

    def _expiry(self, state: KeyState) -> int:
        """When a key without an open alert may go: an hour after it can no longer matter."""
        found = self._judge(state.owner, state.rule_id)
        if found is None:
            return self._tomorrow(state)
        expiry = state.touched + found[1].horizon_ms + HOUR_MS
        episode = state.episode
        if episode is not None:
            expiry = max(expiry, (episode.resolved_at or 0) + lifecycle.REOPEN_MS)
        return expiry

    def _tomorrow(self, state: KeyState) -> int:
        """When to look again at a key whose rule is not in force: it keeps its state until the rule is deleted."""
        return max(self.now, state.touched) + DAY_MS

    def _next_timer(self, state: KeyState) -> int:
        return min(self._due(state), self._next_of_episode(state))

    def _due(self, state: KeyState) -> int:
        """When time alone may make this key trigger. A key whose window was not looked at keeps its timer."""
        found = self._judge(state.owner, state.rule_id)
        if found is None or not found[1].timed or state.window is None or not found[0].rule.enabled:
            return NEVER
        return found[1].due(state.window) if found[0].counting_hash == state.counting_hash else NEVER

    def _next_of_episode(self, state: KeyState) -> int:
        episode = state.episode
        if episode is None or not lifecycle.is_open(episode):
            return self._expiry(state)
        found = self._judge(state.owner, state.rule_id)
        if found is None:
            when = self._tomorrow(state)
        else:
            quiet_ms = found[0].rule.auto_resolve_ms
            when = NEVER if quiet_ms is None else self._coarse(state, episode.last_triggered + quiet_ms)
            when = min(when, self._clear_at(state))
        return min(when, lifecycle.due_at(episode)) if episode.pending else when

    def _coarse(self, state: KeyState, when: int) -> int:
        """A far-off time, at the full hour before it: it is looked at again then.

        An alert that triggers every second moves its time to resolve as often; like this the index gets one entry
        an hour for it.
        """
        if when == NEVER or when - max(self.now, state.touched) <= 2 * HOUR_MS:
            return when
        return when // HOUR_MS * HOUR_MS

    # records

    def _refresh(self, state: KeyState, episode: Episode) -> None:
        """Bring context and reason up to the latest trigger; they stay when its rule counts otherwise by now."""
        found = self._judge(state.owner, state.rule_id)
        if found is None or found[0].counting_hash != state.counting_hash:
            return
        rule, detector, _ = found
        if state.window is None:
            self._window(state, rule, detector)
        event = orjson.loads(episode.samples[-1]) if episode.samples else None
        episode.context = detector.context(state.window)
        episode.reason = detector.reason(state.window, episode.group, event)
        presentation = self._presentations.get((state.owner, state.rule_id))
        if presentation is not None:
            presentation.apply(episode, event)

    def _emit(self, state: KeyState, episode: Episode, now: int) -> None:
        episode.pending = False
        episode.emitted = now
        self._ready.pop(state.fingerprint, None)
        record = episode.record(state.fingerprint)
        self._changes.alerts.append(AlertRecord(episode.id, episode.tenant, record))

    # the batch

    def take(self) -> Changes:
        """Close the batch: everything since the last call, encoded. The caller must write it before the next batch."""
        for state in list(self._ready.values()):
            episode = state.episode
            if episode is not None:
                self._refresh(state, episode)
                self._emit(state, episode, episode.last_triggered)
        self._ready.clear()
        changes = self._changes
        puts, timers = changes.puts, changes.timers
        for fp, state in self._dirty.items():
            when = self._next_timer(state)
            if when < state.timer:
                state.timer = when
                timers.append((when, KEY + fp))
            if state.window is not None:
                found = self._judge(state.owner, state.rule_id)
                # else the rule went, or counts otherwise, since the last batch: what that one stored stays
                if found is not None and found[0].counting_hash == state.counting_hash:
                    state.stored = found[1].encode(state.window)
            puts[KEY + fp] = codec.encode(state)
        self._dirty.clear()
        self._dropped.clear()
        self._changes = Changes()
        return changes

    def _load(self, fp: bytes) -> KeyState | None:
        state = self._old.get(fp) or self._dirty.get(fp)
        if state is None:
            if fp in self._dropped:
                return None
            value = self._store.get(KEY + fp)
            if value is None:
                return None
            state = codec.decode(fp, value)
        self._remember(state)
        return state

    def _remember(self, state: KeyState) -> None:
        """Two generations: what was not asked for during a whole generation is let go."""
        if len(self._young) >= self._cache_keys:
            self._old = self._young
            self._young = {}
        self._young[state.fingerprint] = state
