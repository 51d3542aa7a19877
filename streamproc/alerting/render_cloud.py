"""An alert as an event for a cloud's event bus: the same content as a standard webhook, in the bus's own envelope."""

from __future__ import annotations

from typing import Any

import orjson

from streamproc.model.notification import Notification
from streamproc.model.times import iso

MAX_ENTRY_BYTES = 250_000
"""Buses take 256 KB with the envelope; a larger alert goes out without its event, context and notes."""
_LARGE = ("context", "event", "notes")


def content(notification: Notification) -> dict[str, Any]:
    """`type`, `timestamp`, `id` and `data` (the alert), at most `MAX_ENTRY_BYTES` as JSON.

    `truncated` lists the fields of the alert that were left out for its size.
    """
    alert = orjson.loads(notification.alert)
    data = {**alert, "event_type": notification.event_type, "silent_count": notification.silent_count}
    document = {
        "type": notification.event_type,
        "timestamp": iso(notification.created_at),
        "id": notification.delivery_id,
        "data": data,
    }
    if len(orjson.dumps(orjson.dumps(document).decode())) <= MAX_ENTRY_BYTES:
        return document
    kept = {name: value for name, value in data.items() if name not in _LARGE}
    return {**document, "data": {**kept, "truncated": [name for name in _LARGE if name in alert]}}


Templated = tuple[str, str]
"""The subject (or nothing) and the content that a template made of an alert."""


def aws_entry(notification: Notification, source: str, bus: str, templated: Templated | None = None) -> dict[str, Any]:
    """An entry of AWS's PutEvents. `Time` is in seconds since the epoch, as its JSON protocol has it.

    `Detail` has to be an object, so a template's content that is none stands in one, under `content`.
    """
    detail: Any = content(notification)
    if templated is not None:
        value = _value(templated[1])
        detail = value if isinstance(value, dict) else {"subject": templated[0], "content": value}
    return {
        "Source": source,
        "DetailType": notification.event_type,
        "Detail": orjson.dumps(detail).decode(),
        "EventBusName": bus,
        "Time": notification.created_at // 1000,
    }


def cloud_event(
    notification: Notification, source: str, bus: str, templated: Templated | None = None
) -> dict[str, Any]:
    """A CloudEvent (1.0) with the bus as Aliyun's extension attribute; the same id on every retry."""
    return {
        "specversion": "1.0",
        "id": notification.delivery_id,
        "source": source,
        "type": notification.event_type,
        "subject": (templated[0] if templated is not None else "") or notification.alert_id,
        "time": iso(notification.created_at),
        "datacontenttype": "application/json",
        "aliyuneventbusname": bus,
        "data": content(notification) if templated is None else _value(templated[1]),
    }


def _value(text: str) -> Any:
    """The JSON that the text is, else the text."""
    try:
        return orjson.loads(text)
    except ValueError:
        return text
