"""The event loop of our processes: uvloop, with TLS connections that close at once.

uvloop waits up to 30 s for the other side's goodbye, and misses it when an answer comes in at that moment, as it does
when a consumer closes with a fetch under way: opening the tables of a worker took 30 s on brokers with TLS. What counts
was acknowledged before anyone closes, so nobody has to wait.
"""

from __future__ import annotations

import asyncio
from typing import Any

import uvloop

TLS_GOODBYE_S = 0.25
"""How long a closing TLS connection waits for the other side."""


class Loop(uvloop.Loop):
    """aiokafka has no setting for it, so the loop has."""

    async def create_connection(self, *args: Any, **kwargs: Any) -> Any:
        """As uvloop's."""
        if kwargs.get("ssl"):
            kwargs.setdefault("ssl_shutdown_timeout", TLS_GOODBYE_S)
        return await super().create_connection(*args, **kwargs)


class _Policy(uvloop.EventLoopPolicy):  # type: ignore[misc]  # uvloop makes it differently by Python version
    def _loop_factory(self) -> uvloop.Loop:
        return Loop()


def install() -> None:
    """Have every event loop made from now on be one of these, in any thread."""
    asyncio.set_event_loop_policy(_Policy())
