"""A warm copy of a partition that somebody else works on, and taking over from it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from streamproc.kafka.client import client_options
from streamproc.kafka.ledger import Fenced, Ledger, LedgerSettings
from streamproc.runtime.standby import Standby
from streamproc.settings import Settings


def timer_of(key: bytes, value: bytes) -> int | None:
    return int(value) if key[:1] == b"k" else None


@pytest.mark.broker
async def test_the_owner_goes_on_and_who_takes_over_reads_only_the_rest(
    settings_with_topics: Settings, tmp_path: Path
) -> None:
    def one(name: str, partition: int) -> Ledger:
        options = LedgerSettings(client_options(settings_with_topics), 10.0)
        topic = settings_with_topics.topic("detectors-changelog")
        return Ledger(options, topic, partition, tmp_path / name / str(partition), timer_of)

    owner = one("owner", 2)
    standby = Standby(lambda partition: one("standby", partition), 4)
    await owner.open()
    try:
        await owner.commit({b"k%d" % n: b"%d" % n for n in range(500)}, [(9, b"k9")], (), (), {})
        await standby.round()
        await owner.commit({b"k1": None, b"k9": b"90"}, [(90, b"k9")], (), (), {})
        await standby.round()
        await standby.round()
        await owner.commit({b"k700": b"700"}, (), (), (), {})

        heir = one("standby", 2)
        await standby.hand_over(2)
        await standby.round()  # leaves it alone, or the directory could not be opened
        await heir.open()
        try:
            assert heir.recovered == 1, "the row that came after the last round"
            assert heir.table.get(b"k1") is None
            assert dict(heir.table.items(b"k")) == dict(owner.table.items(b"k"))
            assert (90, b"k9") in heir.table.due(90, 1000)
            with pytest.raises(Fenced):
                await owner.commit({b"k1": b"1"}, (), (), (), {})
        finally:
            await heir.close()
        standby.take_back(2)
        await standby.round()
    finally:
        await owner.close()


class SlowLedger:
    """Catches up when it is told to."""

    def __init__(self) -> None:
        self.begun, self.go = asyncio.Event(), asyncio.Event()
        self.times = 0

    async def catch_up(self) -> None:
        self.begun.set()
        await self.go.wait()
        self.times += 1


async def test_taking_over_waits_for_the_copy_to_be_closed() -> None:
    ledger = SlowLedger()
    standby = Standby(lambda _: ledger, 1)  # type: ignore[arg-type,return-value]
    round_ = asyncio.create_task(standby.round())
    await ledger.begun.wait()
    taking = asyncio.create_task(standby.hand_over(0))
    await asyncio.sleep(0)
    assert not taking.done(), "its directory is open"
    ledger.go.set()
    await taking
    await round_
    assert ledger.times == 1
    await standby.round()
    assert ledger.times == 1, "it is ours"
    standby.take_back(0)
    await standby.round()
    assert ledger.times == 2


async def test_a_failure_is_not_the_end() -> None:
    class Failing:
        async def catch_up(self) -> None:
            raise OSError("no broker")

    standby = Standby(lambda _: Failing(), 3)  # type: ignore[arg-type,return-value]
    await standby.round()
    await standby.hand_over(1)
