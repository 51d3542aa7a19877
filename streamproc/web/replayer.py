"""The API's side of a process that replays: starting it, asking it, and ending it when it takes too long."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable
from typing import Any

import orjson
import structlog

from streamproc.settings import Settings
from streamproc.web.replay_process import LENGTH, PATIENCE, framed, settings_frame
from streamproc.web.replaying import Replay

log = structlog.get_logger(__name__)

MODULE = "streamproc.web.replay_process"
GRACE_SECONDS = 2.0
"""Over its own limit, which ends it first; and for a start of the interpreter."""
MAX_ANSWER = 256 << 20

Told = Callable[[dict[str, Any]], None]


class ReplayError(Exception):
    """A replay that came to nothing. `unavailable`: for want of a broker; `overdue`: it took too long."""

    def __init__(self, message: str, *, unavailable: bool = False, overdue: bool = False) -> None:
        super().__init__(message)
        self.unavailable = unavailable
        self.overdue = overdue


class Replayer:
    """One process, which replays one thing after another. `await start()` it, and `close` it.

    `seconds` of computing are the limit of each replay, and several times as many on the clock.
    """

    def __init__(self, settings: Settings, seconds: float) -> None:
        self._settings = settings
        self._seconds = seconds
        self._process: asyncio.subprocess.Process | None = None

    @property
    def usable(self) -> bool:
        """Whether it can be asked."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start the process; it is ready when it answers."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", MODULE, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        await self._send(settings_frame(self._settings, self._seconds))

    async def run(self, replay: Replay, told: Told = lambda _progress: None) -> dict[str, Any]:
        """The report. Raises ReplayError; the process is ended then, and also when we are cancelled."""
        done = False
        try:
            async with asyncio.timeout(self._seconds * PATIENCE + GRACE_SECONDS):
                await self._send(replay.encode())
                while True:
                    answer = orjson.loads(await self._receive())
                    if "progress" not in answer:
                        break
                    told(answer["progress"])
            done = "report" in answer
        except TimeoutError:
            raise self._overdue() from None
        except (asyncio.IncompleteReadError, ConnectionError):
            process = self._process
            code = None if process is None else await process.wait()
            if code in (-signal.SIGALRM, -signal.SIGPROF):  # its own limits
                raise self._overdue() from None
            log.warning("replay.process_died", code=code)
            raise ReplayError("its process ended early: it needs too much memory, or was stopped") from None
        finally:
            if not done:
                await self.close()
        if not done:
            if "fault" in answer:
                log.error("replay.fault", fault=answer["fault"])
            raise ReplayError(answer["failure"], unavailable=bool(answer.get("unavailable")))
        report: dict[str, Any] = answer["report"]
        return report

    async def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await asyncio.shield(process.wait())

    def _overdue(self) -> ReplayError:
        text = f"it takes more than {self._seconds:g} s of computing: take fewer events, or a rule that has less to do"
        return ReplayError(text, overdue=True)

    async def _send(self, content: bytes) -> None:
        process = self._process
        if process is None or process.stdin is None:
            raise ConnectionResetError
        process.stdin.write(framed(content))
        await process.stdin.drain()

    async def _receive(self) -> bytes:
        process = self._process
        if process is None or process.stdout is None:
            raise ConnectionResetError
        (length,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
        if length > MAX_ANSWER:
            raise ConnectionResetError
        return await process.stdout.readexactly(length)
