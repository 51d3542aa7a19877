"""The Faust app that both stream processes build on: lanes per partition, opened and closed by rebalances."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog
from faust.types import TP

from streamproc import metrics
from streamproc.kafka.client import client_options
from streamproc.kafka.tables import LedgerTables
from streamproc.kafka.transport import SliceApp
from streamproc.runtime.lag import LagGauge
from streamproc.runtime.lane import Lane
from streamproc.runtime.process import FAILED_LIMIT_S, STOP_LIMIT_S, end_at_last
from streamproc.settings import Settings

log = structlog.get_logger(__name__)

FETCH_BYTES = 512 * 1024
"""Of one partition at a time, compressed: 1 MB took 85 MB more memory, with a million keys, and was hardly cheaper."""

OpenLane = Callable[[int], Awaitable[Lane]]


class LaneApp(SliceApp):
    """A Faust app whose agents hand slices to lanes.

    `lanes_for` says, per topic, which function opens a lane for a partition; topics that share a function and a
    partition number share the lane (co-partitioned inputs of one table).
    """

    def __init__(self, settings: Settings, group: str, **kwargs: Any) -> None:
        self.settings = settings
        self.lanes: dict[TP, Lane] = {}
        self.openers: dict[str, OpenLane] = {}
        self.failure: BaseException | None = None
        self.failed = asyncio.Event()
        self.ready = False
        self.assigned_at = 0.0
        self._lag = LagGauge(lambda: self.lanes, lambda: self.consumer)
        self._measuring: asyncio.Task[None] | None = None
        session = settings.session_timeout
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        super().__init__(
            group,
            broker="kafka://unused.invalid:9092",  # the real address is in client_options()
            store="memory://",
            datadir=str(settings.data_dir),
            web_enabled=False,
            topic_disable_leader=True,
            topic_allow_declare=False,
            TableManager=LedgerTables,
            ConsumerScheduler="streamproc.kafka.transport:SliceScheduler",
            consumer_auto_offset_reset="earliest",
            consumer_max_fetch_size=FETCH_BYTES,
            stream_buffer_maxsize=8,
            stream_wait_empty=False,
            broker_commit_interval=settings.commit_interval,
            broker_session_timeout=session,
            broker_heartbeat_interval=max(0.3, session / 5),
            broker_rebalance_timeout=max(30.0, 2 * session),
            broker_request_timeout=max(40.0, 2 * session),
            broker_max_poll_interval=24 * 3600.0,  # an idle member must not leave; progress is watched elsewhere
            **kwargs,
        )

    def client_options(self) -> dict[str, Any]:
        """As `kafka.client` says, for this process's settings."""
        return client_options(self.settings)

    def fail(self, error: BaseException) -> None:
        """Something went wrong that must not be skipped: stop without acknowledging."""
        if self.failure is None:
            self.failure = error
            log.error("process.failed", error=f"{type(error).__name__}: {error}", exc_info=error)
            self.ready = False
            self.failed.set()

    async def before_revoke(self, revoked: Iterable[TP]) -> None:
        """Finish what the lanes are at, and commit it while that is still allowed."""
        self.ready = False
        await self._close_lanes()
        try:
            async with asyncio.timeout(5):
                await self.consumer.commit()
        except TimeoutError:
            log.warning("commit.slow", next="what was done since the last commit is repeated, and recognised")

    async def after_assign(self, assigned: set[TP]) -> None:
        """Open a lane for each assigned partition (recovering its table), all at once.

        When this is cancelled by the next rebalance, the lanes that are open by then are known, and closed by it.
        """
        await self._close_lanes()
        started = time.monotonic()
        wanted: dict[tuple[OpenLane, int], list[TP]] = {}
        for tp in assigned:
            opener = self.openers.get(tp.topic)
            if opener is not None:
                wanted.setdefault((opener, tp.partition), []).append(tp)

        async def open_lane(opener: OpenLane, partition: int, tps: list[TP]) -> None:
            lane = await opener(partition)
            self.lanes.update(dict.fromkeys(tps, lane))

        await asyncio.gather(*(open_lane(*which, tps) for which, tps in wanted.items()))
        self.ready = True
        self.assigned_at = time.monotonic()
        metrics.REBALANCES.inc()
        for topic in self.openers:
            metrics.ASSIGNED.labels(topic).set(sum(tp.topic == topic for tp in assigned))
        if self._measuring is None:
            self._measuring = asyncio.create_task(self._lag.keep(), name="lag")
        log.info("partitions.assigned", count=len(assigned), seconds=round(time.monotonic() - started, 2))

    async def _close_lanes(self) -> None:
        lanes, self.lanes = set(self.lanes.values()), {}
        stops = [lane.stop(self.settings.session_timeout / 3) for lane in lanes]
        for outcome in await asyncio.gather(*stops, return_exceptions=True):
            if isinstance(outcome, Exception):  # the others are closed all the same
                log.warning("lane.close", error=f"{type(outcome).__name__}: {outcome}")

    async def deliver(self, stream: Any) -> None:
        """The body of every agent: hand each slice to its lane. Acknowledging is the lane's business."""
        async for event in stream.noack().events():
            lane = self.lanes.get(event.message.tp)
            if lane is not None:  # None: given up meanwhile; whoever has it now reads it again
                lane.deliver(event)

    def full(self, tp: TP) -> bool:
        """Whether a partition's lane has as much as it should."""
        lane = self.lanes.get(tp)
        return lane is not None and lane.full

    def hold(self, tp: TP, offset: int | None) -> None:
        """Commit nothing of a partition from this offset on, until told another; None: what is acknowledged may be."""
        held: dict[TP, int] = self.consumer.held
        if offset is None:
            held.pop(tp, None)
        else:
            held[tp] = offset

    def held(self, tp: TP) -> int | None:
        """The offset that may not be committed, if there is one."""
        held: dict[TP, int] = self.consumer.held
        return held.get(tp)

    def deliver_from(self, name: str, *topics: str) -> None:
        """Add an agent that hands what these topics bring to their lanes."""
        channel = self.topic(*topics, key_serializer="raw", value_serializer="raw", value_type=None)
        self.agent(channel, name=name)(self.deliver)

    async def on_stop(self) -> None:
        """Bring lanes to an end before Faust stops its consumer, so that the last commit covers them."""
        self.ready = False
        if self._measuring is not None:
            self._measuring.cancel()
        await self._close_lanes()
        if self.failure is None and self.consumer.started:
            try:
                async with asyncio.timeout(5):
                    await self.consumer.commit()
            except TimeoutError:
                log.warning("commit.slow", next="the last batch is repeated at the next start, and recognised")
        await super().on_stop()


async def until_stopped(app: LaneApp, stop: asyncio.Event) -> None:
    """Wait for the signal to stop, or for the app to fail or crash."""
    waits = [asyncio.create_task(w) for w in (stop.wait(), app.failed.wait(), app.wait_until_stopped())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    end_at_last(STOP_LIMIT_S if stop.is_set() else FAILED_LIMIT_S)  # who hangs in stopping keeps its partitions
    for wait in waits:
        wait.cancel()
    if app.crashed and app.failure is None:
        app.failure = app.crash_reason or RuntimeError("the Faust app crashed")


@asynccontextmanager
async def beside(app: LaneApp, *work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `work` as long as the block; that one of it ends before, in whatever way, is a failure of the app."""
    tasks = [asyncio.create_task(one, name=getattr(one, "__qualname__", None)) for one in work]
    ending = False

    def ended(task: asyncio.Task[None]) -> None:
        if not ending:
            error = None if task.cancelled() else task.exception()
            app.fail(error or RuntimeError(f"{task.get_name()} ended"))

    for task in tasks:
        task.add_done_callback(ended)
    try:
        yield
    finally:
        ending = True
        for task in tasks:
            task.cancel()


def instance_dir(settings: Settings, process: str) -> tuple[Path, Any]:
    """A directory for this process's local state, and the lock that keeps it ours.

    Several processes may share a data directory: each takes the first free of `worker-0`, `worker-1`, …, so that
    a restarted one finds its own state again. Keep the lock object alive.
    """
    import fcntl

    for number in range(1000):
        path = settings.data_dir / f"{process}-{number}"
        path.mkdir(parents=True, exist_ok=True)
        lock = (path / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        return path, lock
    raise RuntimeError(f"{settings.data_dir} has 1000 {process} directories in use; give this process another DATA_DIR")
