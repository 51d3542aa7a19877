"""Who competes on what."""

from __future__ import annotations

import pytest

from streamproc.bench.parts import Part, parts
from streamproc.bench.rivals import KafkaStreamsWorker
from streamproc.bench.scale import FULL

STREAMS = KafkaStreamsWorker("java", "classes")


def part(name: str, *others: KafkaStreamsWorker) -> Part:
    return next(one for one in parts(FULL, faust=False, others=others) if one.name == name)


@pytest.mark.parametrize("name", ["w1", "w2"])
def test_two_processes_stand_beside_a_rival_with_threads_on_every_core(name: str) -> None:
    compared = part(name, STREAMS)
    assert [one.contestant.name for one in compared.matches] == ["raw", "worker", "workers-2", "kafka-streams"]
    assert {(goal.of, goal.against) for goal in compared.goals} >= {("worker", "kafka-streams")}
    assert len({(one.workload.name, one.events, one.rules[0].id) for one in compared.matches}) == 1


def test_without_it_one_process_is_enough() -> None:
    assert [one.contestant.name for one in part("w1").matches] == ["raw", "worker"]
    assert [one.contestant.name for one in part("rules", STREAMS).matches] == ["raw", "worker-10", "worker-10000"]
