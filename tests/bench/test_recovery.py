"""Recovery as the bench measures it: on a real worker, and what it reads out of metrics and logs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import aiohttp
import orjson
import pytest
from rich.console import Console

from streamproc.bench.contestant import BenchError
from streamproc.bench.course import Course
from streamproc.bench.recovery import GOAL_KEYS, RecoveryFigure, Restart, goals, measure_recovery, opening_s, recovered
from streamproc.bench.scale import QUICK
from streamproc.bench.show import Show
from streamproc.settings import Settings

FAST = Restart(2.4, 0.3, 2.0, 12, 140.0, 130.0, 0.0)
SLOW = Restart(7.0, 5.0, 7.5, 1_000_090, 400.0, 390.0, 0.0)


def test_records_are_summed_over_changelogs() -> None:
    text = """
# TYPE streamproc_recovered_records_total counter
streamproc_recovered_records_total{changelog="a"} 4096.0
streamproc_recovered_records_total{changelog="b"} 4.0
streamproc_recovered_records_created{changelog="a"} 1.7e+09
"""
    assert recovered(text) == 4100


def test_opening_is_the_last_that_the_worker_says(tmp_path: Path) -> None:
    log = tmp_path / "kept.log"
    lines = [{"event": "worker.starting"}, *({"event": "partitions.assigned", "seconds": n} for n in (0.5, 1.25))]
    log.write_bytes(b"a warning\n" + b"\n".join(map(orjson.dumps, lines)))
    assert opening_s(log) == 1.25
    log.write_bytes(b"a warning\n")
    with pytest.raises(BenchError, match="does not say"):
        opening_s(log)


def test_aims_are_about_a_million_keys() -> None:
    figure = RecoveryFigure(GOAL_KEYS, 450.0, 200.0, FAST, SLOW)
    assert [goal["reached"] for goal in goals([figure])] == [True, True, True]
    late = replace(figure, kept=replace(FAST, ready_s=5.1), rebuilt=replace(SLOW, open_s=5.1), working_mib=480.0)
    assert [goal["reached"] for goal in goals([late])] == [False, False, False]
    assert goals([replace(figure, keys=100_000)]) == []


def test_the_rate_is_of_the_time_that_partitions_were_opened() -> None:
    assert RecoveryFigure(GOAL_KEYS, 1.0, 1.0, FAST, SLOW).as_json()["rebuilt_per_s"] == 200_018
    assert replace(SLOW, open_s=0.0).records_per_s == 0.0


@pytest.mark.broker
@pytest.mark.slow
async def test_a_worker_is_started_with_its_copy_and_without(
    broker: str, new_settings: Callable[..., Settings], tmp_path: Path
) -> None:
    settings = new_settings(kafka=broker, topic_prefix="")
    quiet = Console(quiet=True)
    async with aiohttp.ClientSession() as session:
        course = Course(settings, tmp_path, QUICK, Show(quiet, quiet), session)
        figure = await measure_recovery(course, 1_000, lambda *_: None)
    assert figure.kept.records < 1_000 <= figure.rebuilt.records
    assert figure.kept.ready_s > 0
    assert figure.rebuilt.open_s <= figure.rebuilt.ready_s
    assert figure.disk_mib > 0
    assert figure.peak_mib > 50
