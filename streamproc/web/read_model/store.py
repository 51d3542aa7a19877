"""The read model of an API process: follows the topics, answers queries, tells of what is new.

`await start()` before use, `await stop()` at the end. Queries run in a few threads, each with a connection that cannot
write. `STREAMPROC_DATA_DIR/api` may be deleted while the process is down: the topics hold all of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import sqlite3
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from streamproc.kafka.topics import Topics
from streamproc.settings import Settings
from streamproc.web.read_model import queries
from streamproc.web.read_model.follower import Follower
from streamproc.web.read_model.schema import is_broken, open_reader
from streamproc.web.read_model.writer import Applied, Writer

READERS = 3
REMEMBERED_COMMANDS = 10_000
Result = TypeVar("Result")


class StoreInUseError(RuntimeError):
    """Another process has the directory. The text is one line."""


class Store:
    """One per process."""

    def __init__(self, settings: Settings, topics: Topics) -> None:
        self.directory = settings.data_dir / "api"
        self.path = self.directory / "read-model.sqlite"
        self._settings = settings
        self._topics = topics
        self._writing = ThreadPoolExecutor(1, thread_name_prefix="read-model-writer")
        self._reading = ThreadPoolExecutor(READERS, thread_name_prefix="read-model-reader")
        self._connections = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._lock: int | None = None
        self._writer: Writer | None = None
        self._follower: Follower | None = None
        self._task: asyncio.Task[None] | None = None
        self._news = asyncio.Condition()
        self._commands: OrderedDict[str, str] = OrderedDict()
        self.changed = 0
        """The number of the latest change of an alert that queries see."""
        self.delivered = 0
        """Delivery records seen since the start."""

    async def start(self) -> None:
        """Open the file, and begin to follow the topics. Raises BrokerUnavailableError, StoreInUseError."""
        self._lock = _locked(self.directory)
        loop = asyncio.get_running_loop()
        self._writer = await loop.run_in_executor(self._writing, Writer, self.path)
        self.changed = self._writer.changed
        self._follower = Follower(self._settings, self._topics, self._writer, self._writing)
        consumer = await self._follower.open()
        self.changed = self._writer.changed
        self._task = asyncio.create_task(self._follower.run(consumer, self._applied), name="read-model")

    async def stop(self) -> None:
        """Stop following and close the file; what was applied stays."""
        if self._task is not None:
            await asyncio.sleep(0)  # a task that never began would not close its consumer
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await asyncio.to_thread(self._shut)

    def _shut(self) -> None:
        self._reading.shutdown()
        for connection in self._opened:
            connection.close()
        if self._writer is not None:
            # the last to close, as it empties the log into the file
            self._writing.submit(self._writer.close)
        self._writing.shutdown()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @property
    def ready(self) -> bool:
        """Whether it has been at the topics' ends since the file was made or opened, and still follows them."""
        if self._follower is None or self._task is None or self._task.done():
            return False
        return self._follower.at_end.is_set()

    @property
    def behind(self) -> int | None:
        """Offsets of the topics that are not in the file yet; None: not known."""
        return None if self._follower is None else self._follower.behind

    @property
    def age(self) -> float:
        """Seconds since the broker last answered."""
        return 0.0 if self._follower is None else time.monotonic() - self._follower.answered

    @property
    def epoch(self) -> str:
        """Names the file: the numbers of changes mean something only within it."""
        assert self._writer is not None
        return self._writer.epoch

    async def read(self, query: Callable[..., Result], *arguments: Any) -> Result:
        """Run `query(connection, *arguments)` on a connection that cannot write, within one state of the file."""
        return await asyncio.get_running_loop().run_in_executor(self._reading, self._query, query, arguments)

    async def rule_activity(
        self, tenant: str | None, rules: Sequence[tuple[str, str]]
    ) -> dict[tuple[str, str], tuple[int, str | None]]:
        """By (owner, rule id): how many alerts are not resolved, and when the newest last triggered."""
        return await self.read(queries.rule_activity, tenant, rules)

    def _query(self, query: Callable[..., Result], arguments: tuple[Any, ...]) -> Result:
        epoch = self.epoch
        held: tuple[str, sqlite3.Connection] | None = getattr(self._connections, "held", None)
        if held is None or held[0] != epoch:
            if held is not None:
                held[1].close()
            held = self._connections.held = (epoch, self._reader())
        connection = held[1]
        try:
            connection.execute("BEGIN")
            return query(connection, *arguments)
        except Exception as error:
            if is_broken(error) and self._follower is not None:
                self._follower.distrusted = error
            raise
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def _reader(self) -> sqlite3.Connection:
        for _ in range(10):
            with contextlib.suppress(sqlite3.OperationalError):
                self._opened.append(open_reader(self.path))
                return self._opened[-1]
            time.sleep(0.1)  # the file is just being made anew
        raise RuntimeError(f"{self.path} cannot be opened")

    async def wait_for_change(self, after: int, wait_s: float) -> int:
        """Wait until a change of an alert later than number `after` is there; answers the latest's number."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s), self._news:
                await self._news.wait_for(lambda: self.changed != after)
        return self.changed

    async def wait(self, condition: Callable[[], bool], wait_s: float) -> bool:
        """Wait until the condition holds; it is looked at after each batch. Answers whether it does."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s), self._news:
                await self._news.wait_for(condition)
        return condition()

    async def wait_until_ready(self, wait_s: float) -> bool:
        """Wait until it has been at the topics' ends; answers whether it has."""
        assert self._follower is not None
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._follower.at_end.wait(), wait_s)
        return self.ready

    async def seen_command(self, id: str, wait_s: float) -> str | None:
        """Wait until a record that answers this command is in the file; its result, or None: none came in time."""
        await self.wait(lambda: id in self._commands, wait_s)
        return self._commands.get(id)

    async def _applied(self, applied: Applied) -> None:
        self.delivered += applied.deliveries
        for command, result in applied.commands:
            self._commands[command] = result
        while len(self._commands) > REMEMBERED_COMMANDS:
            self._commands.popitem(last=False)
        async with self._news:
            self.changed = applied.changed
            self._news.notify_all()


def _locked(directory: Path) -> int:
    directory.mkdir(parents=True, exist_ok=True)
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise StoreInUseError(f"{directory}: another API process uses it; give each its own DATA_DIR") from None
    return lock
