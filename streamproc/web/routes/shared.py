"""`/a/{token}`: the alert that a signed link in a message shows, without signing in."""

from __future__ import annotations

import time
from typing import Any

from aiohttp import web

from streamproc.alerting.alert_link import LABEL, LinkError, verify
from streamproc.web.alert_page import alert_page, no_page
from streamproc.web.problem import ApiError
from streamproc.web.read_model.queries import get_alert
from streamproc.web.route import Answer, Call, Route


async def shared_alert(call: Call[Any, None]) -> Answer:
    """Read-only, and over when the link says so."""
    wait = call.site.rates.wait(f"link {call.request.remote}")
    if wait:
        raise ApiError(429, "too many requests from this address", headers={"Retry-After": str(wait)})
    try:
        tenant, id = verify(call.path["token"], call.site.keyring.derived(LABEL), time.time_ns() // 1_000_000)
    except LinkError as error:
        return _html(no_page(str(error)), 404)
    alert = await call.site.store.read(get_alert, id)
    if alert is None or alert.get("tenant_id") != tenant:
        return _html(no_page("The alert is not here any more, or not yet."), 404)
    return _html(alert_page(alert), 200)


def _html(text: str, status: int) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html", headers={"X-Robots-Tag": "noindex"})


ROUTES = (
    Route("GET", "/a/{token}", "An alert, by a signed link", None, shared_alert, content_type="text/html", hidden=True),
)
