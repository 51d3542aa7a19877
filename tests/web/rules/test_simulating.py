"""Replays in their process: limits of time, what is said when they come to nothing, jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from streamproc.settings import HostPort, Settings
from streamproc.web.backtest_jobs import MOST_PER_TENANT, BacktestJobs, JobState
from streamproc.web.problem import ApiError
from streamproc.web.replay_process import settings_frame, settings_from
from streamproc.web.replaying import Replay
from streamproc.web.simulating import Simulator
from tests.web.rules.making import every_event, failure, login_rule, replay


@pytest.fixture
async def simulator(new_settings: Callable[..., Settings]) -> AsyncIterator[Simulator]:
    simulator = Simulator(new_settings(kafka="127.0.0.1:1"), seconds=5.0)
    yield simulator
    await simulator.close()


def heavy() -> Replay:
    """More work than any limit: every event fills fifty keys."""
    rules = [
        {
            **login_rule(id=f"r{n}"),
            "condition": {"count": 2, "window_seconds": 300, "group_by": "metadata.all"},
            "cooldown_min": 0,
        }
        for n in range(40)
    ]
    # 64 elements of a list are 64 groups
    many = [str(n) for n in range(64)]
    return replay(rules, [failure(metadata={"all": many}) for _ in range(5_000)])


async def test_a_simulation_answers_and_its_process_is_used_again(simulator: Simulator) -> None:
    for _ in range(3):
        report = await simulator.run(replay([login_rule()], [failure() for _ in range(5)]))
        assert report["alert_count"] == 1
    assert len(simulator._idle) == 1


async def test_a_heavy_rule_is_ended_and_harms_nobody_else(new_settings: Callable[..., Settings]) -> None:
    simulator = Simulator(new_settings(kafka="127.0.0.1:1"), seconds=1.5)
    try:
        beats = 0

        async def beat() -> None:
            nonlocal beats
            while True:
                await asyncio.sleep(0.01)
                beats += 1

        beating = asyncio.create_task(beat())
        with pytest.raises(ApiError) as caught:
            await simulator.run(heavy())
        beating.cancel()
        assert caught.value.status == 422
        assert "more than 1.5 s of computing" in caught.value.detail
        assert beats > 30, "the loop went on"
        report = await simulator.run(replay([every_event()], [{"action": "data.export"}]))
        assert report["alert_count"] == 1
    finally:
        await simulator.close()


async def test_a_simulation_that_nobody_waits_for_is_ended(simulator: Simulator) -> None:
    waiting = asyncio.create_task(simulator.run(heavy()))
    await asyncio.sleep(0.5)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert simulator._idle == []
    assert not simulator._asked


async def test_a_tenant_cannot_take_all_places(simulator: Simulator) -> None:
    one = replay([every_event()], [{"action": "data.export"}])
    runs = [asyncio.create_task(simulator.run(one)) for _ in range(6)]
    done = await asyncio.gather(*runs, return_exceptions=True)
    refused = [error for error in done if isinstance(error, ApiError)]
    assert [error.status for error in refused] == [429, 429]
    assert all("Retry-After" in error.headers for error in refused)


async def test_without_a_broker_recent_events_are_unavailable(simulator: Simulator) -> None:
    with pytest.raises(ApiError) as caught:
        await simulator.run(replay([every_event()], None, span_ms=60_000))
    assert caught.value.status == 503


def test_settings_travel_whole(new_settings: Callable[..., Settings], tmp_path: Path) -> None:
    settings = new_settings(
        kafka="a:1,b:2",
        kafka_security_protocol="SASL_SSL",
        kafka_security_username="u",
        kafka_security_password=SecretStr("p"),
        http=HostPort("::1", 7),
        allowed_networks="127.0.0.0/8,10.0.0.0/8",
        geoip_db=tmp_path / "x.mmdb",
        secret_key="c2VjcmV0" * 6,
    )
    assert settings_from(orjson.loads(settings_frame(settings, 3))["settings"]) == settings


async def ended(jobs: BacktestJobs, id: str) -> Any:
    job = jobs.get(id)
    assert job is not None
    assert job.task is not None
    await job.task
    return job


async def test_a_backtest_without_a_broker_fails_and_says_why(new_settings: Callable[..., Settings]) -> None:
    jobs = BacktestJobs(new_settings(kafka="127.0.0.1:1"))
    job = jobs.start(replay([every_event()], None, span_ms=60_000), 1, "me")
    assert job.answer()["state"] == "queued"
    await ended(jobs, job.id)
    assert job.state is JobState.FAILED
    assert "No broker answers" in str(job.error)
    assert job.answer()["progress"]["percent"] is None
    await jobs.close()


async def test_backtests_queue_are_cancelled_and_limited(new_settings: Callable[..., Settings]) -> None:
    jobs = BacktestJobs(new_settings(kafka="127.0.0.1:1"))
    work = heavy()
    started = [jobs.start(work, 1, "me") for _ in range(MOST_PER_TENANT)]
    with pytest.raises(ApiError) as caught:
        jobs.start(work, 1, "me")
    assert caught.value.status == 429
    await asyncio.sleep(0.2)
    assert [job.state for job in started] == [JobState.RUNNING] * 2 + [JobState.QUEUED] * 2
    await jobs.cancel(started[0])
    await jobs.cancel(started[3])
    assert [started[place].state for place in (0, 3)] == [JobState.CANCELLED] * 2
    assert jobs.get(started[0].id) is started[0], "it is there to be seen"
    await jobs.cancel(started[0])
    assert jobs.get(started[0].id) is None
    await jobs.close()
    assert all(job.state is JobState.CANCELLED for job in started)
    assert list(jobs.of("other")) == []
