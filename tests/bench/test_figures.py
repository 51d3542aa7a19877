"""Percentiles, medians, goals, and what they are worth when something was not measured."""

from __future__ import annotations

import pytest

from streamproc.bench.figures import Goal, Latency, Standing, percentile
from streamproc.bench.measure import RunResult, pause
from streamproc.bench.progress import Progress


def result(name: str, cpu: float, broker: float | None = 1.0) -> RunResult:
    return RunResult(name, 1000, 1.0, 1.0, 1.0, 1000, cpu, broker, 100.0, 0.0, None)


def standing(name: str, *cpus: float) -> Standing:
    return Standing(name, name, tuple(result(name, cpu) for cpu in cpus))


@pytest.mark.parametrize(("share", "value"), [(0.0, 1), (0.5, 50), (0.99, 99), (0.991, 100), (1.0, 100)])
def test_percentiles_are_values_that_were_measured(share: float, value: float) -> None:
    assert percentile([float(n) for n in range(100, 0, -1)], share) == value


def test_a_latency_says_what_did_not_arrive() -> None:
    row = Latency.of("x", [0.010, 0.020, 0.030], 5)
    assert (row.count, row.missing, row.p50, row.max) == (3, 2, 20.0, 30.0)


def test_a_standing_is_its_median_and_keeps_every_run() -> None:
    third = standing("worker", 5.0, 9.0, 6.0)
    assert third.cpu == 6.0
    assert [run["cpu_s_per_million"] for run in third.as_json()["runs"]] == [5.0, 9.0, 6.0]


def test_what_was_not_measured_has_no_median() -> None:
    assert Standing("raw", "raw", (result("raw", 3.0, broker=None),)).median("broker_cpu_s_per_million") is None


@pytest.mark.parametrize(("cost", "reached"), [(6.0, (2.0, True)), (6.6, (2.2, True)), (6.9, (2.3, False))])
def test_a_goal_is_a_ratio_of_medians(cost: float, reached: tuple[float, bool]) -> None:
    goal = Goal("", "worker", "raw", 2.2)
    found = goal.reached([standing("raw", 3.0), standing("worker", cost)])
    assert found == (pytest.approx(reached[0]), reached[1])


def test_a_goal_needs_both() -> None:
    assert Goal("", "worker", "faust", 1 / 15).reached([standing("worker", 3.0)]) is None


@pytest.mark.parametrize(
    ("taken", "at", "seconds"),
    [
        pytest.param(100, 11.0, 1.0, id="nine seconds remain: no longer than a second"),
        pytest.param(500, 11.0, 0.5, id="half of the second that remains"),
        pytest.param(990, 11.0, 0.1, id="close to the end: often"),
        pytest.param(1000, 11.0, 0.1, id="waiting for a later stage"),
    ],
)
def test_a_contestant_is_asked_seldom_until_the_end_is_near(taken: int, at: float, seconds: float) -> None:
    assert pause(Progress(taken, 10.0, at), 1000, at) == pytest.approx(seconds)
