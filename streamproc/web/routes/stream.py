"""`GET /v1/stream`: alerts as they come, as server-sent events.

Nothing is queued for a client: it is told from the read model what changed since it was told last, so that one that is
slow costs no memory; it misses intermediate revisions, never an alert's last. One that takes nothing is dropped.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

import orjson
from aiohttp import web
from pydantic import BaseModel, Field

from streamproc.settings import Settings
from streamproc.web.alert_filters import STATUSES, Values, split_values, words_of
from streamproc.web.principal import Scope
from streamproc.web.problem import ApiError
from streamproc.web.read_model import queries
from streamproc.web.read_model.store import Store
from streamproc.web.route import Answer, Call, Route

TAG = "alerts"
HEARTBEAT_S = 15.0
LOOK_S = 1.0
"""So often a quiet stream looks whether its client is still there, and whether the process is to end."""
LIFE_S = 600.0
"""Then the client connects anew and goes on, if its key is still good."""
PAUSE_S = 0.2
"""Between two looks; what comes meanwhile is told together."""
TAKEN_WITHIN_S = 20.0
AT_ONCE = 200
MOST_CLIENTS = 500
REPLAYED = 5_000
"""Changes that a client which was away is told; one that missed more is told to load the list anew."""
_ID = re.compile(r"([0-9a-f]{12})-([0-9]{1,18})")


class StreamQuery(BaseModel):
    """What to be told of."""

    tenant_id: str | None = Field(default=None, min_length=1, max_length=128, description="Operators' keys only.")
    status: Values = Field(default=[])
    severity: Values = Field(default=[])
    rule_id: Values = Field(default=[])
    last_event_id: str | None = Field(default=None, max_length=60, description="As the header Last-Event-ID.")


class Listeners:
    """How many clients listen to this process."""

    def __init__(self, settings: Settings) -> None:
        self.count = 0

    async def close(self) -> None:
        """Nothing is held."""


async def stream(call: Call[StreamQuery, None]) -> Answer:
    tenant = call.tenant_filter(call.query.tenant_id)
    wanted = {
        "status": words_of("status", call.query.status, STATUSES),
        "severity": words_of("severity", call.query.severity, queries.SEVERITIES),
        "rule": split_values(call.query.rule_id),
    }
    listeners = call.site.part(Listeners)
    if listeners.count >= MOST_CLIENTS:
        raise ApiError(503, f"{MOST_CLIENTS} clients are listening already", headers={"Retry-After": "10"})
    listeners.count += 1
    try:
        return await _serve(call, tenant, wanted)
    finally:
        listeners.count -= 1


async def _serve(call: Call[StreamQuery, None], tenant: str | None, wanted: dict[str, list[str]]) -> web.StreamResponse:
    store = call.site.store
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream; charset=utf-8",
            "Cache-Control": "no-store",
            "X-Accel-Buffering": "no",
        }
    )
    await response.prepare(call.request)
    asked = call.request.headers.get("Last-Event-ID") or call.query.last_event_id
    epoch, at, behind = store.epoch, store.changed, False
    known = None if asked is None else _ID.fullmatch(asked)
    if asked is not None:
        if known is not None and known[1] == epoch and at - REPLAYED <= int(known[2]) <= at:
            at = int(known[2])
        else:
            behind = True
    try:
        await _write(response, _event("reset" if behind else "hello", f"{epoch}-{at}", {"at": at}))
        began = spoken = time.monotonic()
        while not _ended(call) and time.monotonic() - began < LIFE_S:
            if store.epoch != epoch:
                epoch, at = store.epoch, 0
                await _write(response, _event("reset", f"{epoch}-{at}", {"at": at}))
            if store.changed == at and await store.wait_for_change(at, LOOK_S) == at:
                if time.monotonic() - spoken >= HEARTBEAT_S:
                    await _write(response, b": nothing new\n\n")
                    spoken = time.monotonic()
                continue
            at = await _tell(store, response, tenant, wanted, epoch, at)
            await asyncio.sleep(PAUSE_S)
    except (ConnectionError, TimeoutError):
        if call.request.transport is not None:
            call.request.transport.abort()
    return response


async def _tell(
    store: Store, response: web.StreamResponse, tenant: str | None, wanted: dict[str, list[str]], epoch: str, at: int
) -> int:
    """Send what changed after `at`, some of it at a time; answers how far that is."""
    there = store.changed  # what comes during the query is for the next one
    changed, looked = await store.read(queries.changed_alerts, tenant, at, AT_ONCE)
    for number, alert in changed:
        if _passes(alert, wanted):
            await _write(response, _event("alert", f"{epoch}-{number}", alert))
    return looked if looked > at else max(at, there)


def _passes(alert: dict[str, Any], wanted: dict[str, list[str]]) -> bool:
    shown = {"status": alert["status"], "severity": alert["severity"], "rule": alert["rule"]["id"]}
    return all(not values or shown[name] in values for name, values in wanted.items())


def _event(name: str, id: str, content: Any) -> bytes:
    return b"event: %s\nid: %s\ndata: %s\n\n" % (name.encode(), id.encode(), orjson.dumps(content))


async def _write(response: web.StreamResponse, content: bytes) -> None:
    """Raises TimeoutError when the client does not take it."""
    async with asyncio.timeout(TAKEN_WITHIN_S):
        await response.write(content)


def _ended(call: Call[StreamQuery, None]) -> bool:
    transport = call.request.transport
    return transport is None or transport.is_closing() or call.site.closing.is_set()


ROUTES = (
    Route(
        "GET",
        "/v1/stream",
        "Alerts as they come",
        Scope.ALERTS_READ,
        stream,
        query=StreamQuery,
        content_type="text/event-stream",
        refuses=(503,),
        tag=TAG,
        description="Server-sent events: `alert` with the whole alert at each change; `hello` at first; `reset` when "
        "what was missed cannot be told and the list is to be loaded anew. With `Last-Event-ID` it goes on from there. "
        "Several changes of one alert may be told as one. A comment every 15 s keeps the connection open.",
    ),
)
