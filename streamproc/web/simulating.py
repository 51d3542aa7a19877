"""Simulations: short replays that somebody waits for, a few at a time, in processes that are kept for the next."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from streamproc.settings import Settings
from streamproc.web.problem import ApiError
from streamproc.web.replayer import Replayer, ReplayError
from streamproc.web.replaying import Replay

MOST_AT_ONCE = 2
MOST_PER_TENANT = 4
"""Running and waiting; the others of a tenant are told to come again."""
SECONDS = 10.0
"""Of computing, for one simulation."""


class Simulator:
    """One per process of the API. Its processes start with the first simulation and live until `close`."""

    def __init__(self, settings: Settings, seconds: float = SECONDS) -> None:
        self._settings = settings
        self._seconds = seconds
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)
        self._idle: list[Replayer] = []
        self._asked: Counter[str] = Counter()

    async def run(self, replay: Replay) -> dict[str, Any]:
        """The report. Raises ApiError: 422 when it takes too long or too much, 429 when too many are under way, 503
        without a broker."""
        async with self._place(replay.tenant):
            replayer = self._idle.pop() if self._idle else Replayer(self._settings, self._seconds)
            if not replayer.usable:
                await replayer.start()
            try:
                report = await replayer.run(replay)
            except ReplayError as error:
                raise _refused(error) from None
            self._idle.append(replayer)
            return report

    async def close(self) -> None:
        """End the processes."""
        while self._idle:
            await self._idle.pop().close()

    @contextlib.asynccontextmanager
    async def _place(self, tenant: str) -> AsyncIterator[None]:
        if self._asked[tenant] >= MOST_PER_TENANT:
            detail = f"{MOST_PER_TENANT} simulations of {tenant} are under way; wait for one to end"
            raise ApiError(429, detail, headers={"Retry-After": "1"})
        self._asked[tenant] += 1
        try:
            async with self._slots:
                yield
        finally:
            self._asked[tenant] -= 1
            if not self._asked[tenant]:
                del self._asked[tenant]


def _refused(error: ReplayError) -> ApiError:
    if error.unavailable:
        return ApiError(503, str(error))
    return ApiError(422, f"the simulation came to nothing: {error}", errors=[("", str(error))])
