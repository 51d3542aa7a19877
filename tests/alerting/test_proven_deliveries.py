"""What other alerting software proves of its deliveries, with real requests and driven time.

From Svix: rotation of secrets while something is being retried (endpoints that fail: `test_ailing`). From Alertmanager:
one receiver is retried while its sibling is well, and what is resolved is told after the trigger's retries. From
GoAlert: bundles that fail as a whole (`test_fallback`), and that a status is told once its message went through.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook

from streamproc.alerting.outbox import Outbox
from streamproc.alerting.terms import Terms
from streamproc.channels.registry import Transports
from streamproc.model.channel_settings import ChannelSettings
from streamproc.model.delivery import Delivery, DeliveryState
from streamproc.model.notification import Purpose
from tests.alerting.making import HOOK, SLACK, notification
from tests.alerting.test_outbox import Still
from tests.channels.receiver import SECRET, Receiver, answer, http, receiving, webhook

NEW_SECRET = "whsec_" + "YW5vdGhlciBzZWNyZXQgb2YgdGhpcnR5LXR3byBieXRlcyE="
START = 1_767_225_600_000
MINUTE = 60_000


class Site:
    """An outbox whose attempts are real requests, at a time that the test sets."""

    def __init__(self, **channels: ChannelSettings) -> None:
        self.channels: dict[str, Any] = channels
        self.now = START
        self.outbox = Outbox(lambda one: Terms.of(self.channels[one.channel.id]))
        self.records: list[Delivery] = []

    async def run(self, until: int) -> None:
        async with http(clock=lambda: self.now / 1000) as client:
            transports = Transports(client, {})
            while (due := self.outbox.next_due()) is not None and due <= until:
                self.now = max(self.now, due)
                for entry in self.outbox.due(self.now):
                    one = entry.notification
                    outcome = await transports.send(one, self.channels[one.channel.id])
                    self.records += self.outbox.finished(entry.id, outcome, self.now, Still()).records
        self.now = max(self.now, until)


def told(receiver: Receiver) -> list[str]:
    return [request.json["type"] for request in receiver.requests]


async def test_what_is_resolved_is_told_after_its_triggers_retries_and_a_sibling_does_not_wait() -> None:
    async with receiving(answer(503), answer(503), answer(200)) as sick, receiving(answer(200)) as well:
        site = Site(hook=webhook(sick.url), slack=webhook(well.url))
        for channel in (HOOK, SLACK):
            site.outbox.add(notification(1, channel=channel), START)
            site.outbox.add(notification(2, Purpose.RESOLVED, channel=channel), START)
        await site.run(START)
        assert (told(sick), told(well)) == (["alert.triggered"], ["alert.triggered", "alert.resolved"])
        await site.run(START + 4 * MINUTE)
        assert told(sick) == ["alert.triggered"] * 2
        await site.run(START + 6 * MINUTE)
        assert told(sick) == ["alert.triggered"] * 3 + ["alert.resolved"]
        assert len({request.headers["webhook-id"] for request in sick.requests}) == 2


async def test_a_secret_is_rotated_while_something_is_being_retried() -> None:
    async with receiving(answer(503), answer(503), answer(200)) as receiver:
        site = Site(hook=webhook(receiver.url, secret=SECRET))
        site.outbox.add(notification(1), START)
        await site.run(START)
        old = {"value": SECRET, "expires_at": "2026-01-01T00:01:00Z"}  # a minute of overlap
        site.channels["hook"] = webhook(receiver.url, secret=NEW_SECRET, secrets=[old])
        await site.run(START + 10 * MINUTE)
        first, second, third = receiver.requests
        assert [verifies(request, SECRET) for request in (first, second, third)] == [True, True, False]
        assert [verifies(request, NEW_SECRET) for request in (first, second, third)] == [False, True, True]
        assert len({request.headers["webhook-id"] for request in receiver.requests}) == 1
        assert len({request.body for request in receiver.requests}) == 1
        assert [str(record.state) for record in site.records] == ["retrying", "retrying", "delivered"]


def verifies(request: Any, secret: str) -> bool:
    """Whether the independent package takes the signature, whatever the time."""
    hook = Webhook(secret)
    id, at = request.headers["webhook-id"], request.headers["webhook-timestamp"]
    expected = hook.sign(id, datetime.fromtimestamp(int(at), UTC), request.body.decode())
    return expected in request.headers["webhook-signature"].split(" ")


async def test_a_receiver_that_refuses_one_message_gets_the_next() -> None:
    async with receiving(answer(400), answer(200)) as receiver:
        site = Site(hook=webhook(receiver.url))
        for number in range(2):
            site.outbox.add(notification(1, alert_id=f"alt_{number}"), START)
        await site.run(START)
        assert [record.state for record in site.records] == [DeliveryState.GAVE_UP, DeliveryState.DELIVERED]
