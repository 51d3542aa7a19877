"""All that notify does for one partition of `alerts`, over a table of rows. Pure: time is an argument.

Records and the time come in; what is to be written, sent and asked for comes out. The runtime carries it all in one
transaction, so that after a crash the same is decided again, or nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import orjson

from streamproc.alerting.cooldown import on_delivery
from streamproc.alerting.escalate import escalate
from streamproc.alerting.gathering import Gathering, Pace, gathering_id, pace_of, post, release
from streamproc.alerting.hush import Hush, hushed_by
from streamproc.alerting.lookup import Lookup
from streamproc.alerting.notify import BY, Decision, notify, rule_of
from streamproc.alerting.notify_state import NotifyState
from streamproc.alerting.watch import QUIET, SOURCE, Watch
from streamproc.model.command import Action, Command
from streamproc.model.delivery import Delivery
from streamproc.model.notification import Notification
from streamproc.model.policy import Policy

STATE, CLIMBING, GATHERING, HELD = b"k", b"a", b"g", b"i"
"""First bytes of keys: a fingerprint's state; the latest record of its alert, while that escalates; a gathering; a
notification that it holds. `watch` has two more."""

Alert = Mapping[str, Any]
Out = Notification | Delivery | Command


class Rows(Protocol):
    """What is stored; `kafka.table.LocalTable` is one."""

    def get(self, key: bytes) -> bytes | None: ...

    def items(self, prefix: bytes) -> Iterable[tuple[bytes, bytes]]: ...


@dataclass(slots=True)
class Work:
    """What is to be carried out: rows to put (None: delete), times at which to be woken for them, records to send."""

    puts: dict[bytes, bytes | None] = field(default_factory=dict)
    timers: list[tuple[int, bytes]] = field(default_factory=list)
    out: list[Out] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.puts or self.out)


def wake_at(key: bytes, value: bytes) -> int | None:
    """When something is to be done about a stored row; for recovery."""
    if key[:1] == STATE:
        return NotifyState.decode(value).wake_at
    return Gathering.decode(value).wake_at if key[:1] == GATHERING else None


class Notifier:
    """`take` what was decided after each batch, and write it before anything else is asked."""

    def __init__(self, rows: Rows, lookup: Lookup) -> None:
        self._rows = rows
        self._lookup = lookup
        self._watch = Watch([row for kind in (QUIET, SOURCE) for row in rows.items(kind)], lookup)
        self._states: dict[str, NotifyState] = {}
        self._gatherings: dict[str, Gathering] = {}
        self._work = Work()

    def take(self) -> Work:
        """What is to be carried out for all since the last call."""
        work = self._work
        for fingerprint, state in self._states.items():
            key = STATE + fingerprint.encode()
            work.puts[key] = state.encode()
            work.timers.append((state.wake_at, key))
        for id, gathering in self._gatherings.items():
            key = GATHERING + id.encode()
            work.puts[key] = gathering.encode()
            work.timers.append((gathering.wake_at, key))
        self._states, self._gatherings, self._work = {}, {}, Work()
        return work

    def on_alert(self, alert: Alert, now: int) -> None:
        """A record of the `alerts` topic. Raises ValueError, KeyError, TypeError for what is none."""
        decision = notify(alert, self._state(alert["fingerprint"]), self._lookup, now, self._sources(alert))
        self._work.puts.update(self._watch.see(alert))
        self._carry(decision, alert, now)

    def on_delivery(self, delivery: Delivery, now: int) -> None:
        """A record of the `deliveries` topic."""
        before = self._state(delivery.fingerprint)
        after = on_delivery(delivery, before, now)
        if after is not None and after is not before:
            self._states[delivery.fingerprint] = after

    def on_wake(self, key: bytes, now: int) -> None:
        """The time that `wake_at` named for a row has come. One that was written anew since then is left alone."""
        if key[:1] == STATE:
            self._wake_state(key[1:].decode(), now)
        elif key[:1] == GATHERING:
            self._wake_gathering(key[1:].decode(), now)

    def on_tick(self, now: int) -> None:
        """Ask for the alerts to be opened that nothing keeps quiet any more; call it every second or so."""
        for alert in self._watch.over(now):
            self._work.out.append(
                Command(
                    id=f"notify-{alert['id']}-{alert['revision']}-{Action.UNSUPPRESS}",
                    alert_id=alert["id"],
                    fingerprint=bytes.fromhex(alert["fingerprint"]),
                    action=Action.UNSUPPRESS,
                    by=BY,
                    at=now,
                    revision=alert["revision"],
                    reason=alert.get("suppressed_by"),  # a person's snooze that came meanwhile stays
                )
            )

    # rows

    def _get(self, key: bytes) -> bytes | None:
        return self._work.puts[key] if key in self._work.puts else self._rows.get(key)

    def _state(self, fingerprint: str) -> NotifyState | None:
        state = self._states.get(fingerprint)
        if state is not None:
            return state
        stored = self._get(STATE + fingerprint.encode())
        return None if stored is None else NotifyState.decode(stored)

    def _gathering(self, id: str) -> Gathering:
        gathering = self._gatherings.get(id)
        if gathering is not None:
            return gathering
        stored = self._get(GATHERING + id.encode())
        return Gathering(id) if stored is None else Gathering.decode(stored)

    def _sources(self, alert: Alert) -> Iterable[Alert]:
        return self._watch.sources(alert["tenant_id"])

    # what was decided

    def _carry(self, decision: Decision, alert: Alert, now: int) -> None:
        state = decision.state
        self._states[state.fingerprint] = state
        key = CLIMBING + state.fingerprint.encode()
        if state.climb is not None and state.climb.alert_id == alert["id"]:
            self._work.puts[key] = orjson.dumps(alert)
        elif state.climb is None and self._get(key) is not None:
            self._work.puts[key] = None
        self._work.out += decision.suppressed
        self._work.out += decision.commands
        for notification in decision.notifications:
            self._send(notification, alert, decision.policy, now)

    def _send(self, notification: Notification, alert: Alert, policy: Policy | None, now: int) -> None:
        channel = self._lookup.channels.get(notification.tenant, notification.channel)
        pace = pace_of(channel, policy)
        if pace is None:
            self._work.out.append(notification)
            return
        before = self._gathering(gathering_id(notification, alert, pace))
        after = post(before, notification, str(alert.get("severity")), pace, now)
        self._work.puts[_held(after.id, after.next - 1)] = notification.encode()
        self._gatherings[after.id] = after
        if after.due_at is not None and after.due_at <= now:
            self._release(after, pace, now)

    # the time has come

    def _wake_state(self, fingerprint: str, now: int) -> None:
        state = self._state(fingerprint)
        if state is None or state.wake_at > now:
            return
        key = CLIMBING + fingerprint.encode()
        if state.climb is not None and state.climb.next_at <= now:
            stored = self._get(key)
            if stored is None:
                self._states[fingerprint] = replace(state, climb=None)
                return
            alert = orjson.loads(stored)
            self._carry(escalate(alert, state, self._lookup, now, self._sources(alert)), alert, now)
            return
        self._states.pop(fingerprint, None)
        self._work.puts[STATE + fingerprint.encode()] = None
        if self._get(key) is not None:
            self._work.puts[key] = None

    def _wake_gathering(self, id: str, now: int) -> None:
        gathering = self._gathering(id)
        if gathering.wake_at > now:
            return
        if gathering.due_at is None:
            self._gatherings.pop(id, None)
            self._work.puts[GATHERING + id.encode()] = None
            return
        self._release(gathering, None, now)

    def _release(self, gathering: Gathering, pace: Pace | None, now: int) -> None:
        """Send what is due; `pace` None: as it is configured now."""
        keys = [_held(gathering.id, number) for number in range(gathering.first, gathering.next)]
        values = [value for key in keys if (value := self._get(key)) is not None]
        held = [Notification.decode(value) for value in values]
        if pace is None and held:
            channel = self._lookup.channels.get(held[0].tenant, held[0].channel)
            pace = pace_of(channel, self._lookup.policies.get((held[0].tenant, gathering.policy)))
        result = release(gathering, held, pace or Pace(gathering.policy), now, self._hush_of(now))
        for key in keys:
            self._work.puts[key] = None
        for number, left in enumerate(result.left, result.gathering.first):
            self._work.puts[_held(gathering.id, number)] = left.encode()
        self._gatherings[gathering.id] = result.gathering
        self._work.out += result.notifications
        self._work.out += result.records

    def _hush_of(self, now: int) -> Callable[[Alert], Hush | None]:
        def hush_of(alert: Alert) -> Hush | None:
            rule = self._lookup.rule(*rule_of(alert))
            return None if rule is None else hushed_by(alert, rule, self._lookup, self._sources(alert), now)

        return hush_of


def _held(id: str, number: int) -> bytes:
    return HELD + id.encode() + b"\0" + number.to_bytes(8, "big")
