"""A second reading takes a fifth of a busy process, goes on after a broker was away, and ends the process where the
first would."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from prometheus_client import REGISTRY

from streamproc.runtime import deferred
from streamproc.runtime.deferred import Leisure, SecondReading
from streamproc.settings import Settings


class Clock:
    """Time that passes only when somebody sleeps, or works."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(deferred, "time", SimpleNamespace(perf_counter=lambda: self.now))
        monkeypatch.setattr(deferred, "asyncio", SimpleNamespace(sleep=self.sleep, Lock=asyncio.Lock))

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


@pytest.mark.parametrize(("busy", "ends"), [(True, 5.0), (False, 1.0)])
async def test_a_busy_process_gives_it_a_fifth(monkeypatch: pytest.MonkeyPatch, busy: bool, ends: float) -> None:
    clock = Clock(monkeypatch)
    leisure = Leisure(lambda: busy)
    async with leisure.turn():
        clock.now += 1
    assert clock.now == pytest.approx(ends, abs=0.02)


async def test_it_goes_on_as_soon_as_nothing_else_is_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    leisure = Leisure(lambda: clock.now < 2)
    async with leisure.turn():
        clock.now += 1
    assert clock.now == pytest.approx(2, abs=0.02)


class Topic:
    """A partition to be read again, whose broker is away at first."""

    def __init__(self, count: int) -> None:
        self.opened: list[int] = []
        self._count = count

    def __call__(self, settings: Settings, topic: str, partition: int, offset: int) -> Any:
        return Reading(self, offset, self._count)


class Reading:
    def __init__(self, topic: Topic, offset: int, end: int) -> None:
        self._topic, self._offset, self._end = topic, offset, end

    async def __aenter__(self) -> Reading:
        self._topic.opened.append(self._offset)
        if len(self._topic.opened) == 1:
            raise KafkaConnectionError("no broker")
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def next(self, most: int) -> Sequence[Any]:
        await asyncio.sleep(0)
        end = min(self._offset + 3, self._end)
        found = [SimpleNamespace(offset=offset, timestamp=offset) for offset in range(self._offset, end)]
        self._offset = end
        return found

    async def position(self) -> int:
        return self._offset


def waiting() -> float | None:
    return REGISTRY.get_sample_value("streamproc_deferred_records", {"topic": "events", "partition": "7"})


def reading_of(
    work: Callable[[Sequence[Any], Collection[str]], Any], holds: list[int | None], failures: list[BaseException]
) -> SecondReading:
    leisure = Leisure(lambda: False)
    return SecondReading(Settings(), "events", 7, work, holds.append, leisure, failures.append)


async def test_it_goes_on_when_the_broker_is_back_and_lets_go_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    topic = Topic(20)
    monkeypatch.setattr(deferred, "Rereading", topic)
    monkeypatch.setattr(deferred, "AGAIN_S", 0)
    worked: list[tuple[int, frozenset[str]]] = []
    holds: list[int | None] = []
    failures: list[BaseException] = []

    async def work(records: Sequence[Any], tenants: Collection[str]) -> None:
        worked.extend((record.offset, frozenset(tenants)) for record in records)

    reading = reading_of(work, holds, failures)
    reading.deferral.read = 10
    reading.defer(["hot"])
    reading.deferral.read = 18
    reading.defer(["hot", "warm"])  # from here on
    reading.deferral.read = 20
    while reading.deferral.since:
        await asyncio.sleep(0)
    assert worked == [(n, frozenset({"hot"} if n < 18 else {"hot", "warm"})) for n in range(10, 20)]
    assert topic.opened == [10, 10]
    assert holds[0] == 10
    assert holds[-1] is None
    assert [hold for hold in holds if hold is not None] == sorted(hold for hold in holds if hold is not None)
    assert waiting() == 0
    await reading.close()
    assert (waiting(), failures) == (None, [])


async def test_what_cannot_be_sent_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deferred, "Rereading", Topic(20))
    monkeypatch.setattr(deferred, "AGAIN_S", 0)
    holds: list[int | None] = []
    failures: list[BaseException] = []

    async def work(records: Sequence[Any], tenants: Collection[str]) -> None:
        raise KafkaConnectionError("not acknowledged")

    reading = reading_of(work, holds, failures)
    reading.deferral.read = 10
    reading.defer(["hot"])
    reading.deferral.read = 20
    while not failures:
        await asyncio.sleep(0)
    assert isinstance(failures[0], KafkaConnectionError)
    assert holds == [10], "nothing more may be committed"
    await reading.close()
