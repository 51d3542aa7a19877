"""`/healthz`, `/readyz` and `/metrics`, as every process has them."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ConfigDict

from streamproc.web.route import Answer, Call, Reply, Route

STALE_S = 15.0
"""Without a word from the broker for so long, the process is not ready."""


class Alive(BaseModel):
    """The process runs."""

    status: str


class Readiness(BaseModel):
    """Whether it works, and if not why."""

    model_config = ConfigDict(extra="allow")

    status: str
    config_offset: int
    config_age_seconds: float
    read_model: str
    """`current`, or `behind` while it reads the topics for the first time."""


async def healthz(call: Call[Any, Any]) -> Answer:
    """Alive as long as it answers."""
    return Alive(status="alive")


async def readyz(call: Call[Any, Any]) -> Answer:
    """Ready while the broker answers."""
    tailer = call.site.tailer
    current = call.site.store.ready
    ready = tailer.age < STALE_S and current
    body = Readiness(
        status="ready" if ready else "not ready",
        config_offset=tailer.snapshot.offset,
        config_age_seconds=round(tailer.age, 1),
        read_model="current" if current else "behind",
    )
    return Reply(body, status=200 if ready else 503)


async def metrics(call: Call[Any, Any]) -> Answer:
    """In Prometheus' text format."""
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


ROUTES = (
    Route("GET", "/healthz", "Liveness", None, healthz, answers=Alive, tag="health"),
    Route("GET", "/readyz", "Readiness", None, readyz, answers=Readiness, also_answers=(503,), tag="health"),
    Route("GET", "/metrics", "Metrics for Prometheus", None, metrics, content_type="text/plain", tag="health"),
)
