"""A notifier with its table, whose time a test drives; it is made anew from its rows at will, as after a crash."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from streamproc.alerting.notifier import Notifier, wake_at
from streamproc.model.command import Command
from streamproc.model.delivery import Delivery, DeliveryState, Reason
from streamproc.model.notification import Notification
from tests.alerting.making import Config, alert

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


class Table:
    """Rows in memory."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        return self.rows.get(key)

    def items(self, prefix: bytes) -> Iterable[tuple[bytes, bytes]]:
        return sorted((key, value) for key, value in self.rows.items() if key.startswith(prefix))


class Alerts:
    """Alerts as detect would write them, by a short name; each call makes the next record."""

    def __init__(self, **common: Any) -> None:
        self.common = common
        self.latest: dict[str, dict[str, Any]] = {}

    def _next(self, name: str, event: str, status: str, triggers: int, **more: Any) -> dict[str, Any]:
        before = self.latest.get(name, {"revision": 0, "trigger_count": 0})
        record = alert(before["revision"] + 1, before["trigger_count"] + triggers, event, status, f"alt_{name}")
        record |= {"fingerprint": name.encode().hex().ljust(32, "0"), "title": f"Alert {name}", **self.common}
        record |= {key: before[key] for key in ("severity", "group") if key in before}
        record |= more
        self.latest[name] = record
        return record

    def trigger(self, name: str, **more: Any) -> dict[str, Any]:
        before = self.latest.get(name)
        status = "open" if before is None or before["status"] == "resolved" else before["status"]
        event = "alert.triggered" if before is None else "alert.updated"
        kept = {"suppressed_by": before["suppressed_by"]} if before and before.get("suppressed_by") else {}
        return self._next(name, event, status, 1, **kept, **more)

    def status(self, name: str, status: str, **more: Any) -> dict[str, Any]:
        event = "alert.updated" if status == "open" else f"alert.{status}"
        return self._next(name, event, status, 0, **more)


class Driver:
    """`at` is the present, ms. What comes out is kept by kind, with the time at which it came."""

    def __init__(self, lookup: Config, start: int = 1_770_000_000_000) -> None:
        self.lookup = lookup
        self.table = Table()
        self.timers: set[tuple[int, bytes]] = set()
        self.now = self.start = start
        self.alerts = Alerts()
        self.sent: list[tuple[int, Notification]] = []
        self.records: dict[str, Delivery] = {}
        self.commands: list[Command] = []
        self.obey = True
        """Whether detect does as it is asked."""
        self.restart()

    def restart(self) -> None:
        """As after a crash, or at another owner."""
        self.notifier = Notifier(self.table, self.lookup)
        self.timers = {(at, key) for key, value in self.table.rows.items() if (at := wake_at(key, value)) is not None}

    def feed(self, record: dict[str, Any]) -> list[Notification]:
        """A record of the alerts topic; what went out because of it."""
        before = len(self.sent)
        self.notifier.on_alert(orjson.loads(orjson.dumps(record)), self.now)
        self._carry()
        return [notification for _, notification in self.sent[before:]]

    def trigger(self, name: str = "a", **more: Any) -> list[Notification]:
        return self.feed(self.alerts.trigger(name, **more))

    def status(self, status: str, name: str = "a", **more: Any) -> list[Notification]:
        return self.feed(self.alerts.status(name, status, **more))

    def settled(self, notification: Notification, state: DeliveryState = DeliveryState.DELIVERED) -> None:
        """The record of what became of a notification, and of those in it."""
        for one in notification.members or (notification,):
            record = Delivery(
                one.delivery_id,
                notification.tenant,
                one.alert_id,
                one.fingerprint,
                one.revision,
                notification.channel,
                one.purpose,
                state,
                Reason.OK,
                one.created_at,
                self.now,
                recipient=notification.recipient,
                fallback_for=notification.fallback_for,
            )
            self.notifier.on_delivery(Delivery.decode(record.encode()), self.now)
        self._carry()

    def run(self, ms: int) -> list[tuple[int, Notification]]:
        """Let time pass; (seconds since the start, notification) of what went out meanwhile."""
        before, end = len(self.sent), self.now + ms
        while True:
            due = min((timer for timer in self.timers if timer[0] <= end), default=None)
            second = (self.now // SECOND + 1) * SECOND
            at = min(second, end) if due is None or due[0] > second else max(due[0], self.now)
            self.now = max(self.now, at)
            for timer in sorted(timer for timer in self.timers if timer[0] <= self.now):
                self.timers.discard(timer)
                self.notifier.on_wake(timer[1], self.now)
            self.notifier.on_tick(self.now)
            self._carry()
            if self.now >= end and not any(timer[0] <= end for timer in self.timers):
                return [((at - self.start) // SECOND, one) for at, one in self.sent[before:]]

    def _carry(self) -> None:
        work = self.notifier.take()
        for key, value in work.puts.items():
            if value is None:
                self.table.rows.pop(key, None)
            else:
                self.table.rows[key] = value
        self.timers |= set(work.timers)
        asked = []
        for item in work.out:
            if isinstance(item, Notification):
                self.sent.append((self.now, Notification.decode(item.encode())))
            elif isinstance(item, Delivery):
                self.records[item.id] = item
                self.notifier.on_delivery(item, self.now)
            else:
                asked.append(item)
        self.commands += asked
        for command in asked if self.obey else ():
            name = command.alert_id.removeprefix("alt_")
            latest = self.alerts.latest[name]
            if command.action == "suppress" and latest["status"] == "open":
                self.status("suppressed", name, suppressed_by=command.reason)
            elif command.action == "unsuppress" and latest["status"] == "suppressed":
                self.status("open", name)

    @property
    def reasons(self) -> list[tuple[str, str]]:
        """(recipient or channel, reason) of all that was not told."""
        return [(record.recipient or str(record.channel or ""), str(record.reason)) for record in self.records.values()]


def shown(notifications: Iterable[Notification]) -> list[tuple[str, str, list[str]]]:
    """(channel and recipient, purpose, names of the alerts)."""
    return [
        (
            "/".join(part for part in (str(one.channel).partition("/")[2], one.recipient) if part),
            str(one.purpose),
            [member.alert_id.removeprefix("alt_") for member in one.members] or [one.alert_id.removeprefix("alt_")],
        )
        for one in notifications
    ]
