"""Deliveries: what became of each notification, also of those that were suppressed."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import orjson
from aiokafka.errors import KafkaError
from pydantic import BaseModel, ConfigDict, Field

from streamproc.kafka.redelivery import redeliver
from streamproc.model.delivery import Delivery, DeliveryState, Reason
from streamproc.model.records import DeliveryRecord
from streamproc.model.time_text import milliseconds
from streamproc.web.alert_filters import Time, Values, next_cursor, scope_of, split_values, start_of, words_of
from streamproc.web.auditing import entry
from streamproc.web.auditing import record as audit
from streamproc.web.paging import Page, PageQuery
from streamproc.web.principal import Scope
from streamproc.web.problem import ApiError
from streamproc.web.read_model import queries
from streamproc.web.read_model.lists import Filters
from streamproc.web.read_model.places import packed
from streamproc.web.route import Answer, Call, Route
from streamproc.web.routes.alerts import Nothing

TAG = "deliveries"
REPLAY_S = 30.0
"""How long the original may be looked for."""


class DeliveryAnswer(DeliveryRecord):
    """A delivery, as its newest record says, with every attempt."""

    model_config = ConfigDict(extra="allow")


class DeliveryQuery(PageQuery):
    """What deliveries to list."""

    alert_id: str | None = Field(default=None, max_length=200)
    channel: Values = Field(default=[], description="kind/id, such as webhook/security.")
    state: Values = Field(default=[])
    reason: Values = Field(default=[])
    created_after: Time | None = Field(default=None, description="At this time or later.")
    created_before: Time | None = Field(default=None, description="Before this time.")


class Replayed(BaseModel):
    """The notification was sent again, under an id of its own."""

    id: str = Field(description="Of the new delivery; its record says what it is a replay of.")
    replay_of: str


async def list_deliveries(call: Call[DeliveryQuery, None]) -> Answer:
    query = call.query
    tenant = call.tenant_filter(query.tenant_id)
    facets = {
        "channel": split_values(query.channel),
        "state": words_of("state", query.state, tuple(DeliveryState)),
        "reason": words_of("reason", query.reason, tuple(Reason)),
    }
    filters = Filters(
        tenant=tenant,
        facets={name: values for name, values in facets.items() if values},
        since=None if query.created_after is None else milliseconds(query.created_after),
        until=None if query.created_before is None else milliseconds(query.created_before),
        wanted=None if query.alert_id is None else packed(query.alert_id),
    )
    scope = scope_of(call, tenant)
    page = await call.site.store.read(queries.list_deliveries, filters, start_of(query, scope), query.limit)
    return {"items": page.items, "next_cursor": next_cursor(page.more, scope)}


async def get_delivery(call: Call[Nothing, None]) -> Answer:
    return await _delivery_of(call)


async def _delivery_of(call: Call[Nothing, None]) -> dict[str, Any]:
    delivery = await call.site.store.read(queries.get_delivery, call.path["id"])
    if delivery is None or not call.principal.sees(delivery["tenant_id"]):
        raise ApiError(404, f"there is no delivery {call.path['id']!r:.80}")
    return delivery


async def replay(call: Call[Nothing, None]) -> Answer:
    delivery = Delivery.decode(orjson.dumps(await _delivery_of(call)))
    site = call.site
    try:
        async with asyncio.timeout(REPLAY_S):
            (result,) = await redeliver(site.settings, site.topics, site.producer, [delivery], str(uuid.uuid4()))
    except (KafkaError, OSError, TimeoutError):
        raise ApiError(503, "Kafka did not answer in time; the message may still be sent") from None
    if result.problem:
        raise ApiError(409, result.problem)
    fields = [("new_id", None, result.new_id)]
    await audit(call, [entry(call, "delivery", delivery.tenant, delivery.id, "replay", fields=fields)])
    return Replayed(id=result.new_id, replay_of=delivery.id)


ROUTES = (
    Route(
        "GET",
        "/v1/deliveries",
        "List deliveries",
        Scope.ALERTS_READ,
        list_deliveries,
        query=DeliveryQuery,
        answers=Page[DeliveryAnswer],
        tag=TAG,
        description="The newest first. A notification that was suppressed has the state `suppressed`, the reason, and "
        "how many triggers it stands for.",
    ),
    Route(
        "GET",
        "/v1/deliveries/{id}",
        "Get a delivery with its attempts",
        Scope.ALERTS_READ,
        get_delivery,
        answers=DeliveryAnswer,
        refuses=(404,),
        tag=TAG,
    ),
    Route(
        "POST",
        "/v1/deliveries/{id}/replay",
        "Send a notification again",
        Scope.ALERTS_WRITE,
        replay,
        answers=Replayed,
        refuses=(404, 409),
        tag=TAG,
        description="The original message, or one made of the alert as it is now. It has a delivery id of its own, so "
        "that receivers take it as new. 409 while it is still being tried, and when nobody was to be told.",
    ),
)
