"""Rules of time in a live engine: late events, duplicates, ticks and kills at random; and the same in a backtest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from hypothesis import strategies as st

from streamproc.backtest.replay import backtest
from streamproc.model.event import Event
from tests.engine.making import Partition, event, index


class Step(NamedTuple):
    """An event: its times are ms after BASE. `id` is that of an earlier one where it comes again."""

    arrival: int
    t: int
    actor: str
    id: str
    fate: str
    """What happens after it: nothing, the batch is written, a tick, a kill before or after the write."""


FATES = ["nothing", "nothing", "write", "tick", "kill", "kill unwritten"]


@st.composite
def plans(draw: st.DrawFn, lateness: int, longest: int, most: int = 25) -> list[Step]:
    """Steps in order of arrival; each arrives within the lateness. Some come twice."""
    grain = max(lateness // 4, 1)
    times = st.integers(0, longest // grain).map(lambda n: n * grain) | st.integers(0, longest)
    delays = st.sampled_from([0, 0, 1, lateness - 1, lateness]) | st.integers(0, lateness)
    found = []
    for n, (t, actor) in enumerate(draw(st.lists(st.tuples(times, st.sampled_from("uv")), max_size=most))):
        found += [(t + draw(delays), n, t, actor) for _ in range(draw(st.sampled_from([1, 1, 1, 2])))]
    fates = draw(st.lists(st.sampled_from(FATES), min_size=len(found), max_size=len(found)))
    return [
        Step(arrival, t, actor, f"e{n}", fate)
        for (arrival, n, t, actor), fate in zip(sorted(found), fates, strict=True)
    ]


def events(steps: list[Step]) -> list[Event]:
    """The events; one in three is of another resource."""
    return [event(place, s.t, s.actor, s.arrival, **_fields(s)) for place, s in enumerate(steps)]


def _fields(step: Step) -> dict[str, Any]:
    return {"id": step.id, "resource": {"id": f"h{int(step.id[1:]) % 3 // 2}"}}


def lived(rule: Mapping[str, Any], steps: list[Step], until: int) -> list[dict[str, Any]]:
    """The last record of each alert, after time went on to `until` (ms after the last arrival)."""
    partition = Partition(rule)
    unwritten: list[Event] = []
    now = 0
    for step, one in zip(steps, events(steps), strict=True):
        now = step.arrival
        partition.apply(one)
        unwritten.append(one)
        if step.fate == "kill unwritten":
            partition.restart()
            partition.apply(*unwritten)
        if step.fate in ("write", "tick", "kill"):
            partition.write()
            unwritten = []
        if step.fate == "tick":
            partition.tick(now)
        if step.fate == "kill":
            partition.restart()
    partition.write()
    partition.tick(now + until)
    return list(partition.last.values())


def delivered(rule: Mapping[str, Any], steps: list[Step]) -> list[dict[str, Any]]:
    """The alerts of a backtest in order of delivery, with arrivals as they were."""
    return list(backtest(index(rule), _late(steps)).alerts.values())


def _late(steps: list[Step]) -> list[Event]:
    """A backtest takes an event's arrival from the latest time so far: an event of no rule sets it for each."""
    found = []
    for place, step in enumerate(steps):
        found.append(event(2 * place, step.arrival, action="clock"))
        found.append(event(2 * place + 1, step.t, step.actor, **_fields(step)))
    return found
