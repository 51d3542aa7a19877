"""Making deliveries again from what the topics hold, on a real broker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from streamproc.kafka.client import client_options
from streamproc.kafka.partition import partition_by
from streamproc.kafka.producer import AwaitedProducer
from streamproc.kafka.redelivery import Replayed, Wanted, find_deliveries, redeliver, remade, replayed
from streamproc.kafka.topics import load_topics
from streamproc.model.channel_settings import ChannelRef
from streamproc.model.delivery import Delivery, DeliveryState, Reason
from streamproc.model.notification import Member, Notification, Purpose
from streamproc.settings import Settings
from tests.alerting.making import HOOK, SLACK, alert, delivery, notification
from tests.faults.harness import read_topic

NOW = 1_700_000_000_000


class Topics:
    """Writes to the topics as the processes would, and replays."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.topics = load_topics(settings)
        dead = self.topics["dead-letters"]
        self.producer = AwaitedProducer(client_options(settings), 30, dead.topic, dead.partitions)

    async def put(self, *items: Notification | Delivery | dict[str, Any]) -> None:
        for item in items:
            if isinstance(item, Notification):
                name, key, by = "notifications", item.delivery_id, f"{item.tenant}/{item.channel}"
            elif isinstance(item, Delivery):
                name, key, by = "deliveries", item.id, item.tenant
            else:
                name, key, by = "alerts", item["id"], item["tenant_id"]
            value = orjson.dumps(item) if isinstance(item, dict) else item.encode()
            spec = self.topics[name]
            await self.producer.send({(spec.topic, partition_by(by, spec.partitions)): [(key.encode(), value, [])]})

    async def replay(self, wanted: Any, request_id: str = "x") -> list[Replayed]:
        return await redeliver(self.settings, self.topics, self.producer, wanted, request_id)

    async def replays(self) -> dict[str, Notification]:
        """What was sent again, by its new id."""
        found = [Notification.decode(record.value) for record in await read_topic(self.settings, "notifications")]
        return {one.delivery_id: one for one in found if one.replay_of}


@pytest.fixture
async def topics(settings_with_topics: Settings) -> AsyncIterator[Topics]:
    made = Topics(settings_with_topics)
    await made.producer.start()
    yield made
    await made.producer.stop()


def failed(one: Notification, **changes: Any) -> Delivery:
    return replace(
        delivery(one, DeliveryState.GAVE_UP, NOW), reason=Reason.CLIENT_ERROR, recipient=one.recipient, **changes
    )


def at(alert_id: str, channel: ChannelRef = HOOK, tenant: str = "acme") -> Notification:
    return notification(1, alert_id=alert_id, channel=channel, tenant=tenant, at=NOW)


@pytest.mark.broker
async def test_the_original_is_sent_again_or_one_made_of_the_alert_as_it_is_now(topics: Topics) -> None:
    kept, gone, lost = at("alt_1"), at("alt_2", SLACK), at("alt_3")
    newest = alert(4, 9, status="resolved", id="alt_2")
    await topics.put(kept, failed(kept), failed(gone), failed(lost))
    await topics.put(alert(1, 1, id="alt_2"), newest)
    results = await topics.replay(Wanted(failed=True))
    by_id = {one.id: one for one in results}
    assert "no" not in by_id[kept.delivery_id].problem
    assert by_id[lost.delivery_id].problem == "neither its message nor the alert alt_3 is on the topics any more"
    sent = await topics.replays()
    assert set(sent) == {by_id[one.delivery_id].new_id for one in (kept, gone)}
    first = sent[by_id[kept.delivery_id].new_id]
    assert orjson.loads(first.alert) == orjson.loads(kept.alert)
    second = sent[by_id[gone.delivery_id].new_id]
    assert orjson.loads(second.alert) == newest
    assert (second.channel, second.revision, second.replay_of) == (SLACK, 1, gone.delivery_id)


@pytest.mark.broker
async def test_the_same_request_makes_the_same_ids_and_another_makes_others(topics: Topics) -> None:
    one = at("alt_1")
    await topics.put(one, failed(one))
    [first], [again] = await topics.replay(Wanted((one.delivery_id,))), await topics.replay([failed(one)])
    [other] = await topics.replay(Wanted((one.delivery_id,)), "y")
    assert first.new_id == again.new_id
    assert len({one.delivery_id, first.new_id, other.new_id}) == 3


@pytest.mark.broker
async def test_one_of_a_bundle_is_taken_out_of_it(topics: Topics) -> None:
    ones = [at(f"alt_{n}") for n in range(3)]
    members = tuple(
        Member(o.delivery_id, o.alert_id, o.fingerprint, o.revision, o.purpose, 0, NOW, o.alert) for o in ones
    )
    bundle = replace(ones[-1], delivery_id="dlv_bundle", alert_id="grp_1", members=members)
    await topics.put(bundle, failed(bundle), *(failed(one, bundle="dlv_bundle") for one in ones))
    [result] = await topics.replay(Wanted((ones[1].delivery_id,)))
    [whole] = await topics.replay(Wanted(("dlv_bundle",)))
    sent = await topics.replays()
    assert (sent[result.new_id].alert_id, sent[result.new_id].members) == ("alt_1", ())
    assert len(sent[whole.new_id].members) == 3


@pytest.mark.broker
async def test_what_cannot_be_made_again_is_said(topics: Topics) -> None:
    trying = replace(failed(at("alt_1")), state=DeliveryState.RETRYING)
    nobody = replace(failed(at("alt_2")), channel=None, state=DeliveryState.SUPPRESSED)
    await topics.put(trying, nobody)
    results = await topics.replay(Wanted((trying.id, nobody.id, "dlv_none")))
    assert {one.id: one.problem for one in results} == {
        trying.id: "is retrying: it is still being tried",
        nobody.id: "nobody was to be told of it: it names no channel",
        "dlv_none": "there is no such delivery",
    }
    assert await topics.replays() == {}


@pytest.mark.broker
async def test_which_are_found(topics: Topics) -> None:
    ones = [at("alt_1"), at("alt_2", SLACK), at("alt_3", tenant="globex")]
    await topics.put(*(replace(failed(one), state=DeliveryState.RETRYING) for one in ones))
    await topics.put(*(failed(one) for one in ones))
    told = replace(failed(at("alt_4")), state=DeliveryState.DELIVERED, created_at=NOW + 5)
    await topics.put(told)

    async def found(**filters: Any) -> list[str]:
        deliveries = await find_deliveries(topics.settings, topics.topics, Wanted(**filters))
        return [one.alert_id for one in deliveries]

    assert await found() == ["alt_1", "alt_2", "alt_3", "alt_4"]
    assert await found(failed=True) == ["alt_1", "alt_2", "alt_3"]
    assert await found(tenant="globex") == ["alt_3"]
    assert await found(tenant="acme", channel="hook") == ["alt_1", "alt_4"]
    assert await found(channel="channel/slack", failed=True) == ["alt_2"]
    assert await found(ids=(told.id,), failed=True) == []


def test_a_replay_keeps_all_but_its_id_and_time() -> None:
    one = replace(at("alt_1"), recipient="user/alice", step=2, repeat=1, template="short", fallback_for=SLACK)
    again = replayed(one, one.delivery_id, "x", NOW + 1)
    assert again == replace(one, delivery_id=again.delivery_id, created_at=NOW + 1, replay_of=one.delivery_id)
    record = failed(one, step=2, repeat=1, fallback_for=SLACK)
    made = remade(record, one.alert)
    assert made == replace(one, template="")
    assert made.purpose is Purpose.TRIGGERED
    assert Notification.decode(again.encode()) == again
