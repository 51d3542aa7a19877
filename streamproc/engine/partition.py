"""`step(signal, key state) -> (key state, alerts)` for all keys of one `signals` partition.

The engine is a plain object without I/O: it loads keys through `Store`, keeps those it touched, and hands over
what changed when the batch is closed with `take`. The live worker and the backtest drive the same engine.
Time is what the signals say: the arrival of hits and the ticks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import orjson

from streamproc.alerting import incident, lifecycle
from streamproc.alerting.episode import Episode
from streamproc.detect.detector import Cause, Detector
from streamproc.detect.verdict import CLEARED, DUPLICATE, GREW, INSUFFICIENT, LATE
from streamproc.engine import retirement, timers
from streamproc.engine import state as codec
from streamproc.engine.changes import KEY, RETIRED, AlertRecord, Changes, Counts, LinkRecord, Store
from streamproc.engine.frame import Frame, Seed, Signal, Tick
from streamproc.engine.judges import Judge, Judges
from streamproc.engine.state import NEVER, KeyState
from streamproc.engine.timers import DAY_MS
from streamproc.model.command import Command
from streamproc.rules import CompiledRule, RuleIndex

SWEEP_LIMIT = 2000
"""At most this many due keys are looked at per batch; the rest follow in the next."""


class PartitionEngine:
    """All keys of one partition.

    `sources` are the source partitions whose ticks make stream time ("events/3"); time stands still until each
    has reported. `cache_keys` bounds how many decoded keys stay in memory (up to twice as many); it may be changed.
    `owns` says whether a new key is this partition's: hits of others come from a router that was thought dead before a
    resize, and again.
    """

    def __init__(
        self,
        store: Store,
        rules: RuleIndex,
        sources: Iterable[str],
        *,
        cache_keys: int = 20_000,
        alert_retention_ms: int = 90 * DAY_MS,
        owns: Callable[[bytes], bool] | None = None,
    ) -> None:
        self._store = store
        self._judges = Judges(rules)
        self._times: dict[str, int] = dict.fromkeys(sources, -1)
        self._retention_ms = alert_retention_ms
        self._owns = owns
        self.cache_keys = cache_keys
        self._young: dict[bytes, KeyState] = {}
        self._old: dict[bytes, KeyState] = {}
        self.dirty: dict[bytes, KeyState] = {}
        """What this batch changes, until `take`."""
        self._dropped: set[bytes] = set()
        self._ready: dict[bytes, KeyState] = {}
        self._snoozed: dict[bytes, KeyState] = {}
        """Put off in this batch: no sweep can find them before it is written."""
        self._changes = Changes()
        self.counts = Counts()
        self.now = -1
        """Stream time in ms; -1 until every source partition has reported."""
        self.more_due = False
        """True when a sweep stopped at its limit and `sweep` should be called again."""
        self.ending = False
        """True at the end of a log: time goes on only for what makes keys trigger. No alert is resolved because of
        it, and no key forgotten."""

    def use(self, rules: RuleIndex) -> None:
        """Judge by another ruleset from the next signal on."""
        self._judges.use(rules)

    def apply(self, signal: Signal) -> None:
        """Apply one signal."""
        if isinstance(signal, Frame):
            self._frame(signal)
        elif isinstance(signal, Tick):
            self._tick(signal)
        elif isinstance(signal, Seed):
            self._seed(signal)
        else:
            self._command(signal)

    @property
    def timed(self) -> bool:
        """Whether time alone could make a key of those seen trigger, or clear."""
        return any(judge.detector.timed or judge.rule.rule.when_clear for judge in self._judges.used)

    # hits

    def _frame(self, frame: Frame) -> None:
        judges = {number: (self._judges.meant(ref), ref.tenant) for number, ref in frame.refs.items()}
        source, counts, dirty, owns = frame.source, self.counts, self.dirty, self._owns
        counts.hits += len(frame.rows)
        for number, fp, group, t, arrival, place, event_id, value, raw in frame.rows:
            judge, tenant = judges[number]
            if judge is None:
                counts.outdated += 1
                continue
            rule, detector = judge[0], judge[1]
            state = self._young.get(fp) or self._load(fp)
            if state is None:
                if owns is not None and not owns(fp):
                    counts.replayed += 1
                    continue
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
                self._tally(state, judge, seen, arrival, value, raw)
                continue
            verdict = detector.apply(state.window, t, arrival, event_id, value, raw)
            if verdict > 0:
                self._trigger(state, judge, t, arrival, event_id, raw)
            elif verdict == LATE:
                counts.late += 1
            elif verdict == DUPLICATE:
                counts.duplicate += 1
            elif verdict == CLEARED:
                self._clear(state, arrival)

    def _tally(
        self, state: KeyState, judge: Judge, seen: int, arrival: int, counted: Sequence[int], raw: bytes
    ) -> None:
        """Many events of a key: those that were not applied before, bucket by bucket."""
        detector = judge.detector
        buckets: dict[int, list[int]] = {}
        for place, t in zip(counted[::2], counted[1::2], strict=True):
            if place > seen:
                buckets.setdefault(detector.bucket_of(t), []).append(t)
        last = detector.bucket_of(counted[-1])  # `raw` is an event of that one
        for bucket in sorted(buckets):
            times = buckets[bucket]
            sample = raw if bucket == last else b""
            verdict = detector.apply(state.window, max(times), arrival, "", len(times), sample)
            if verdict > 0:
                self._trigger(state, judge, max(times), arrival, "", sample)
            elif verdict == LATE:
                self.counts.late += len(times)
            elif verdict == GREW:
                self._grew(state, arrival)
            elif verdict == INSUFFICIENT:
                self.counts.insufficient_history += len(times)

    def _window(self, state: KeyState, rule: CompiledRule, detector: Detector) -> None:
        """Bring a loaded key's window to life; a rule that counts something else starts a new one."""
        if state.counting_hash == rule.counting_hash and state.stored is not None:
            state.window = detector.decode(state.stored)
        else:
            state.window = detector.new()
            state.counting_hash = rule.counting_hash
            state.stored = None

    def _trigger(self, state: KeyState, judge: Judge, t: int, arrival: int, event_id: str, raw: bytes) -> None:
        self.counts.triggers += 1
        rule, detector, head, presentation, quiet_ms = judge
        episode = state.episode
        if episode is not None and (
            (quiet_ms is not None and self.now >= episode.last_triggered + quiet_ms)
            or episode.snoozed_until is not None
        ):
            # Its time came within this batch, too soon for a sweep to find it; where batches end must not matter.
            self._pass(state, episode, quiet_ms)
        if episode is None or not lifecycle.is_open(episode):
            self.counts.opened += 1
            group = dict(zip(rule.rule.condition.group_by, state.group, strict=False))
            cause = detector.cause(state.window) or Cause("event", event_id)
            document = raw if cause.kind == "event" else b""
            episode = state.episode = lifecycle.opened(
                state.fingerprint, state.tenant, group, cause, t, arrival, document
            )
            episode.samples = detector.samples(state.window)
            # An event that comes again long after its alert was resolved makes the same id: no tombstone for it now.
            retirement.keep(self._changes, episode.id)
        episode.samples = lifecycle.with_samples(episode.samples, raw)
        if episode.revision and presentation is not None:
            head = {**head, "severity": episode.head["severity"]}
        episode.head = head
        lifecycle.triggered(episode, arrival, detector.late(state.window))
        if episode.revision == 1:
            self._refresh(state, episode)
            self._emit(state, episode, arrival)
        elif arrival >= lifecycle.due_at(episode):
            self._ready[state.fingerprint] = state

    def _grew(self, state: KeyState, arrival: int) -> None:
        """An open alert counts more than it told: its record is sent anew, of the same revision, once a second."""
        episode = state.episode
        if episode is not None and lifecycle.is_open(episode):
            lifecycle.grew(episode, arrival)
            if arrival >= lifecycle.due_at(episode):
                self._ready[state.fingerprint] = state

    # what a backfill learnt

    def _seed(self, seed: Seed) -> None:
        """Take in what was learnt of a key, and tell of its past alerts; any number of times."""
        for alert_id, resolved_at, record in seed.alerts:
            self._changes.alerts.append(AlertRecord(alert_id, seed.ref.tenant, record))
            retirement.retire(self._changes, alert_id, seed.ref.tenant, resolved_at + self._retention_ms)
        judge = self._judges.meant(seed.ref)
        if judge is None or seed.window is None:
            self.counts.outdated += judge is None
            return
        rule, detector, fp = judge.rule, judge.detector, seed.fingerprint
        state = self._young.get(fp) or self._load(fp)
        if state is None:
            state = KeyState(fp, seed.ref.tenant, rule.owner, rule.id, rule.counting_hash, seed.group)
            state.window = detector.new()
            self._remember(state)
        elif state.window is None or not judge.counts(state):
            self._window(state, rule, detector)
        detector.merge(state.window, detector.decode(seed.window))
        state.touched = max(state.touched, seed.touched)
        self.dirty[fp] = state

    # commands

    def _command(self, command: Command) -> None:
        state = self._young.get(command.fingerprint) or self._load(command.fingerprint)
        if state is None or state.episode is None:
            self.counts.unknown_command += 1
            return
        episode = state.episode
        self._pass(state, episode, None)
        if episode.pending:
            self._refresh(state, episode)
        was_open = lifecycle.is_open(episode)
        if not lifecycle.command(episode, command):
            self.counts.unknown_command += episode.id != command.alert_id
            return
        self.dirty[command.fingerprint] = state
        if episode.snoozed_until is not None:
            self._snoozed[command.fingerprint] = state
        self._emit(state, episode, max(episode.emitted, command.at))
        if was_open and not lifecycle.is_open(episode):
            self._retire(episode)
        elif not was_open and lifecycle.is_open(episode):
            retirement.keep(self._changes, episode.id)

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
            for state in self._snoozed.values():
                if state.episode is not None:
                    self._pass(state, state.episode, None)

    def sweep(self) -> None:
        """Look at keys whose time has come, up to `SWEEP_LIMIT` of them."""
        due = self._store.due(self.now, SWEEP_LIMIT)
        self.more_due = len(due) == SWEEP_LIMIT
        self._changes.fired.extend(due)
        for timer, key in due:
            if key[:1] == RETIRED:
                retirement.bury(self._changes, self._store, key, timer)
                continue
            fp = key[1:]
            state = self._young.get(fp) or self._load(fp)
            if state is not None and state.timer == timer:
                state.timer = NEVER
                self.dirty[fp] = state
                self._look(state)

    def _look(self, state: KeyState) -> None:
        """What is due for one key: a trigger by time, a held-back update, auto-resolve, or expiry."""
        judge = self._judges.of(state)
        if judge is not None and judge.counts(state) and (judge.detector.timed or judge.rule.rule.when_clear):
            self._waken(state, judge)
            self._settle(state, judge)
        episode = state.episode
        if episode is not None and lifecycle.is_open(episode):
            if episode.pending and self.now >= lifecycle.due_at(episode):
                self._refresh(state, episode)
                self._emit(state, episode, self.now)
            quiet_ms = None if judge is None or self.ending else judge.quiet_ms
            self._pass(state, episode, quiet_ms)
            if lifecycle.is_open(episode) and self.now >= (clear_at := timers.clear_at(state, judge)):
                self._clear(state, max(clear_at, episode.last_triggered))
        elif not self.ending and self.now >= timers.expiry(state, judge, self.now):
            self.counts.expired += 1
            self._forget(state)

    def _settle(self, state: KeyState, judge: Judge) -> None:
        """Triggers that no event makes: a deadline that passed, an instant of a schedule."""
        if judge.detector.timed and judge.rule.rule.enabled:
            while (fired := judge.detector.settle(state.window, self.now)) is not None:
                self._trigger(state, judge, fired.t, fired.at, "", b"")
                if fired.over is not None:
                    self._clear(state, fired.over)

    def _waken(self, state: KeyState, judge: Judge) -> None:
        if state.window is None:
            self._window(state, judge.rule, judge.detector)

    def _clear(self, state: KeyState, at: int) -> None:
        """What had triggered is over."""
        episode = state.episode
        if episode is not None and lifecycle.is_open(episode):
            if episode.pending:
                self._refresh(state, episode)
            lifecycle.resolve(episode, at, "streamproc", "cleared")
            self._emit(state, episode, max(episode.emitted, at))
            self._retire(episode)

    def _pass(self, state: KeyState, episode: Episode, quiet_ms: int | None) -> None:
        """What time alone does to an open alert: the end of a snooze, then of a quiet span.

        Each as of its own instant, whenever that is found out.
        """
        if not lifecycle.is_open(episode):
            return
        quiet_at = NEVER if quiet_ms is None else episode.last_triggered + quiet_ms
        snoozed_until = episode.snoozed_until
        if snoozed_until is not None and snoozed_until < quiet_at and self.now >= snoozed_until:
            if episode.pending:
                self._refresh(state, episode)
            lifecycle.unsnooze(episode, snoozed_until)
            self.dirty[state.fingerprint] = state
            self._emit(state, episode, max(episode.emitted, snoozed_until))
        if self.now >= quiet_at:
            lifecycle.resolve(episode, quiet_at, "streamproc", "auto_resolved")
            self._emit(state, episode, max(episode.emitted, quiet_at))
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
        self.dirty.pop(fp, None)
        self._ready.pop(fp, None)
        self._snoozed.pop(fp, None)
        self._young.pop(fp, None)
        self._old.pop(fp, None)
        self._changes.puts[KEY + fp] = None
        self._dropped.add(fp)

    def _retire(self, episode: Episode) -> None:
        """A resolved alert leaves the compacted topic after the retention."""
        when = (episode.resolved_at or 0) + self._retention_ms
        retirement.retire(self._changes, episode.id, episode.tenant, when, [linked[0] for linked in episode.incidents])

    # records

    def _refresh(self, state: KeyState, episode: Episode) -> None:
        """Bring context and reason up to the latest trigger; they stay when its rule counts otherwise by now."""
        judge = self._judges.of(state)
        if judge is None or not judge.counts(state):
            return
        self._waken(state, judge)
        detector, presentation = judge.detector, judge.presentation
        event = orjson.loads(episode.samples[-1]) if episode.samples else None
        episode.context = detector.context(state.window)
        episode.reason = detector.reason(state.window, episode.group, event)
        if presentation is not None:
            presentation.apply(episode, event)

    def _emit(self, state: KeyState, episode: Episode, now: int) -> None:
        episode.pending = False
        episode.emitted = now
        self._ready.pop(state.fingerprint, None)
        record = episode.record(state.fingerprint)
        arrived = episode.created if episode.revision == 1 and episode.event else None
        self._changes.alerts.append(AlertRecord(episode.id, episode.tenant, record, arrived))
        for incident_id, value in incident.links(episode) if episode.incidents else ():
            self._changes.links.append(LinkRecord(incident_id, episode.id, episode.tenant, value))

    # the batch

    def take(self) -> Changes:
        """Close the batch: everything since the last call, encoded. The caller must write it before the next batch."""
        for state in list(self._ready.values()):
            episode = state.episode
            if episode is not None:
                self._refresh(state, episode)
                self._emit(state, episode, episode.updated)
        self._ready.clear()
        changes = self._changes
        puts, entries = changes.puts, changes.timers
        judge_of, now = self._judges.of, self.now
        next_timer = timers.last_timer if self.ending else timers.next_timer
        for fp, state in self.dirty.items():
            judge = judge_of(state)
            when = next_timer(state, judge, now)
            if when < state.timer:
                state.timer = when
                entries.append((when, KEY + fp))
            # else the rule went, or counts otherwise, since the last batch: what that one stored stays
            if state.window is not None and judge is not None and judge.counts(state):
                state.stored = judge.detector.encode(state.window)
            puts[KEY + fp] = codec.encode(state)
        self.dirty.clear()
        self._snoozed.clear()
        self._dropped.clear()
        self._changes = Changes()
        return changes

    def _load(self, fp: bytes) -> KeyState | None:
        state = self._old.get(fp) or self.dirty.get(fp)
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
        if len(self._young) >= self.cache_keys:
            self._old = self._young
            self._young = {}
        self._young[state.fingerprint] = state
