"""The published shapes are those of what is really written."""

from __future__ import annotations

import orjson
import pytest

from streamproc.backtest.replay import backtest
from streamproc.config.record import ConfigRecord, encode
from streamproc.kafka.topics import load_topics
from streamproc.model.channel_settings import ChannelRef
from streamproc.model.delivery import Attempt, Delivery, DeliveryState, Outcome, OutcomeKind, Reason
from streamproc.model.notification import Notification, Purpose
from streamproc.model.records import SCHEMAS, AlertRecord, ConfigValue, DeliveryRecord, EventRecord, NotificationRecord
from streamproc.settings import Settings
from tests.engine.making import DAY, MINUTE, SECOND, event, index, rule, threshold

RULES = [
    threshold("rolling", 2, "1m"),
    rule("words", title="{{ rule.name }}!", severity=[{"when": {"actor.id": "u"}, "severity": "high"}]),
    rule("absent", type="absence", condition={"action": "a", "expect_every": "1h"}),
    rule("cleared", type="threshold", auto_resolve="when_clear", condition={"count": 2, "window": "1m"}),
    rule("new", type="new_value", condition={"path": "actor.id"}),
]


def alerts() -> list[bytes]:
    log = [event(n, n * SECOND, "uv"[n % 2]) for n in range(6)] + [event(9, 2 * DAY + MINUTE, "u")]
    return [orjson.dumps(alert) for alert in backtest(index(*RULES), log).alerts.values()]


@pytest.mark.parametrize("value", alerts())
def test_alerts(value: bytes) -> None:
    AlertRecord.model_validate_json(value)


def test_every_kind_of_alert_was_looked_at() -> None:
    assert {orjson.loads(value)["rule"]["id"] for value in alerts()} == {doc["id"] for doc in RULES}


def test_notifications_deliveries_and_config() -> None:
    ref = ChannelRef("webhook", "w")
    notification = Notification("dlv_1", "acme", "alt_1", "f", 1, ref, Purpose.TRIGGERED, 0, 0, alerts()[0])
    NotificationRecord.model_validate_json(notification.encode())
    outcome = Outcome(OutcomeKind.RETRY, Reason.SERVER_ERROR, status=500)
    attempts = (Attempt.of(outcome, 5),)
    delivery = Delivery(
        "dlv_1", "acme", "alt_1", "f", 1, ref, "triggered", DeliveryState.RETRYING, None, 0, 5, attempts=attempts
    )
    DeliveryRecord.model_validate_json(delivery.encode())
    ConfigValue.model_validate_json(encode(ConfigRecord("rule", "acme", "r", 1, {"name": "n"}, "now", "cli")))


def test_events() -> None:
    EventRecord.model_validate_json(event(1, 0).raw)
    with pytest.raises(ValueError, match="tenant_id"):
        EventRecord.model_validate({"action": "a"})


def test_every_topic_with_json_has_its_schema() -> None:
    named = {spec.schema for spec in load_topics(Settings(kafka="127.0.0.1:9092")).values()}
    others = {"frame", "key-state", "notify-state", "outbox-entry", "raw bytes"}
    assert named - others == SCHEMAS.keys()
