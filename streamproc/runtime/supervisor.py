"""Child processes of `streamproc up`: started, watched, started again when they fail, stopped together."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping

import structlog

from streamproc.runtime.process import SUPERVISED

log = structlog.get_logger(__name__)

STOP_S = 20.0
BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 10.0)
STEADY_S = 60.0
"""A child that ran for this long starts again without a wait."""
SETTINGS_ERRORS = (2, 3)
"""Exit statuses that starting again cannot mend."""


class Child:
    """One `streamproc <command>`. Its output goes where ours goes; it ends when we do, also when we are killed."""

    def __init__(self, command: str, environment: Mapping[str, str]) -> None:
        self.command = command
        self._environment = {**os.environ, **environment, SUPERVISED: "1"}
        self._process: asyncio.subprocess.Process | None = None
        self._stop = asyncio.Event()
        self._failures = 0

    async def run(self) -> int:
        """Keep the child running until `stop`; answers an exit status that starting again cannot mend, or 0."""
        while not self._stop.is_set():
            started = time.monotonic()
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "streamproc",
                self.command,
                stdin=subprocess.PIPE,
                env=self._environment,
                # Ctrl-C on a terminal reaches the whole group: only the supervisor acts on it, and in order.
                start_new_session=True,
            )
            status = await self._process.wait()
            if self._stop.is_set():
                break
            if status in SETTINGS_ERRORS:
                return status
            self._failures = 0 if time.monotonic() - started > STEADY_S else self._failures + 1
            pause = BACKOFF_S[min(self._failures, len(BACKOFF_S) - 1)]
            log.error("child.ended", child=self.command, status=status, next=f"starting again in {pause:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), pause)
        return 0

    async def stop(self) -> None:
        """SIGTERM, and SIGKILL after `STOP_S`: nothing is lost by it, a batch is repeated at the next start."""
        self._stop.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            log.warning("child.killed", child=self.command, after_s=STOP_S)
            process.kill()
            await process.wait()
