"""Backtests over what the topics hold of the last hours: jobs that run in processes of their own, with progress.

They live in memory: a backtest changes nothing and can be repeated, so that the API's restart may forget it.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import structlog

from streamproc.model.times import iso, iso_or_none
from streamproc.settings import Settings
from streamproc.web.problem import ApiError
from streamproc.web.replayer import Replayer, ReplayError
from streamproc.web.replaying import Replay

log = structlog.get_logger(__name__)

MOST_AT_ONCE = 2
MOST_PER_TENANT = 4
"""Queued and running."""
MOST_KEPT = 100
"""Ended ones, over all tenants; the oldest go first."""
KEPT_MS = 3600 * 1000
SECONDS = 3600.0
"""Of computing, for one backtest."""


class JobState(StrEnum):
    """Where a backtest stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more happens."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


@dataclass(slots=True)
class BacktestJob:
    """One backtest. Times are ms."""

    id: str
    replay: Replay
    hours: float
    by: str
    created: int
    state: JobState = JobState.QUEUED
    started: int | None = None
    ended: int | None = None
    read: int = 0
    total: int | None = None
    events: int = 0
    report: dict[str, Any] | None = None
    error: str | None = None
    task: asyncio.Task[None] | None = field(default=None, repr=False)

    def answer(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "id": self.id,
            "tenant_id": self.replay.tenant,
            "rule_ids": [rule["id"] for rule in self.replay.rules],
            "hours": self.hours,
            "state": str(self.state),
            "created_at": iso(self.created),
            "created_by": self.by,
            "started_at": iso_or_none(self.started),
            "ended_at": iso_or_none(self.ended),
            "progress": {
                "read": self.read,
                "total": self.total,
                "events": self.events,
                "percent": 100 if self.state is JobState.DONE else _percent(self.read, self.total),
            },
            "error": self.error,
            "result": self.report,
        }


class BacktestJobs:
    """All of a process of the API. `close` ends what runs."""

    def __init__(self, settings: Settings, seconds: float = SECONDS) -> None:
        self._settings = settings
        self._seconds = seconds
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)
        self._jobs: dict[str, BacktestJob] = {}

    def start(self, replay: Replay, hours: float, by: str) -> BacktestJob:
        """A new job. Raises ApiError 429 where the tenant has `MOST_PER_TENANT` under way."""
        self._forget()
        under_way = sum(1 for job in self.of(replay.tenant) if not job.state.ended)
        if under_way >= MOST_PER_TENANT:
            detail = f"{under_way} backtests of {replay.tenant} are under way; wait for one to end, or cancel one"
            raise ApiError(429, detail, headers={"Retry-After": "10"})
        job = BacktestJob(f"bt_{uuid.uuid4()}", replay, hours, by, _now())
        self._jobs[job.id] = job
        job.task = asyncio.create_task(self._run(job), name=job.id)
        return job

    def get(self, id: str) -> BacktestJob | None:
        """The job, as long as it is kept."""
        self._forget()
        return self._jobs.get(id)

    def of(self, tenant: str | None) -> Iterator[BacktestJob]:
        """A tenant's jobs (None: everybody's), the latest first."""
        self._forget()
        return (job for job in reversed(list(self._jobs.values())) if tenant in (None, job.replay.tenant))

    async def cancel(self, job: BacktestJob) -> None:
        """End it, if it has not ended; it stays there to be seen. One that has ended is forgotten."""
        if job.state.ended:
            self._jobs.pop(job.id, None)
            return
        await _cancelled(job.task)

    async def close(self) -> None:
        """End all."""
        for job in list(self._jobs.values()):
            await _cancelled(job.task)

    async def _run(self, job: BacktestJob) -> None:
        replayer = Replayer(self._settings, self._seconds)
        try:
            async with self._slots:
                job.state, job.started = JobState.RUNNING, _now()

                def told(progress: dict[str, Any]) -> None:
                    job.read, job.total, job.events = progress["read"], progress["total"], progress["events"]

                await replayer.start()
                job.report = await replayer.run(job.replay, told)
                job.state = JobState.DONE
        except asyncio.CancelledError:
            job.state = JobState.CANCELLED  # that is how it ends: nobody waits for the task's own result
        except ReplayError as error:
            job.state, job.error = JobState.FAILED, str(error)
        except Exception:
            log.exception("backtest.failed", job=job.id)
            job.state, job.error = JobState.FAILED, "a fault in streamproc; its log says more"
        finally:
            job.ended = _now()
            await replayer.close()

    def _forget(self) -> None:
        ended = [job for job in self._jobs.values() if job.state.ended]
        old = [job for job in ended if job.ended is not None and job.ended < _now() - KEPT_MS]
        for job in _each_once([*old, *ended[: max(0, len(ended) - MOST_KEPT)]]):
            del self._jobs[job.id]


def _each_once(jobs: Iterable[BacktestJob]) -> list[BacktestJob]:
    return list({job.id: job for job in jobs}.values())


async def _cancelled(task: asyncio.Task[None] | None) -> None:
    if task is not None and not task.done():
        await asyncio.sleep(0)  # a task that never began would not say how it ended
        task.cancel()
        await asyncio.wait({task})


def _percent(read: int, total: int | None) -> int | None:
    if total is None:
        return None
    return 100 if total == 0 else min(99, 100 * read // total)


def _now() -> int:
    return int(time.time() * 1000)
