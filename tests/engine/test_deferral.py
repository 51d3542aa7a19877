"""However two readings of a partition interleave, each event is worked on once, and a tenant's in their order."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from streamproc.engine.deferral import Deferral

TENANTS = "abc"


class Event(NamedTuple):
    offset: int
    tenant: str


class Partition:
    """Two readings of one log; the second gets as far as it is asked to."""

    def __init__(self, log: list[Event]) -> None:
        self.log = log
        self.deferral = Deferral()
        self.worked: list[Event] = []
        self.first = 0

    def read(self, count: int) -> None:
        """The first reading takes so many records."""
        slice_, self.first = self.log[self.first : self.first + count], self.first + count
        if slice_:
            self.worked += [event for event in slice_ if event.tenant not in self.deferral.since]
            self.deferral.read = slice_[-1].offset + 1

    def read_again(self, count: int) -> None:
        """The second reading gets so many records from its place on, wherever the first is."""
        deferral = self.deferral
        records = [event for event in self.log if event.offset >= deferral.position][:count]
        position = records[-1].offset + 1 if records else self.log[-1].offset + 1 if self.log else 0
        while deferral.since:
            now, tenants, rest = deferral.cut(records)
            assert [*now, *rest] == records
            self.worked += [event for event in now if event.tenant in tenants]
            deferral.done(rest[0].offset if rest else position)
            self.check(deferral.since)
            records = list(rest)
            if not records:
                break

    def check(self, deferred: Collection[str]) -> None:
        """What may be committed is done."""
        safe = self.deferral.position if deferred else self.deferral.read
        assert {event for event in self.log if event.offset < safe} <= set(self.worked)


@given(
    st.lists(st.tuples(st.integers(1, 3), st.sampled_from(TENANTS)), max_size=60),
    st.lists(
        st.one_of(
            st.tuples(st.just("read"), st.integers(1, 9)),
            st.tuples(st.just("again"), st.integers(1, 9)),
            st.tuples(st.just("defer"), st.sets(st.sampled_from(TENANTS), min_size=1)),
        ),
        max_size=60,
    ),
)
def test_every_event_is_worked_on_once_and_in_its_tenants_order(
    gaps: list[tuple[int, str]], steps: list[tuple[str, int | set[str]]]
) -> None:
    offset, log = -1, []
    for gap, tenant in gaps:  # offsets have holes: the ends of transactions
        offset += gap
        log.append(Event(offset, tenant))
    partition = Partition(log)
    for step, what in steps:
        if isinstance(what, set):
            partition.deferral.add(what)
            partition.check(partition.deferral.since)
        elif step == "read":
            partition.read(what)
        elif partition.deferral.since:
            partition.read_again(what)
    partition.read(len(log))
    for _ in range(len(log) + 1):
        partition.read_again(3)
    assert not partition.deferral.since
    assert sorted(partition.worked) == log, "once each"
    for tenant in TENANTS:
        mine = [event.offset for event in partition.worked if event.tenant == tenant]
        assert mine == sorted(mine)


def test_records_that_are_gone_end_the_second_reading() -> None:
    deferral = Deferral()
    deferral.read = 10
    deferral.add(["a"])
    deferral.read = 20
    assert deferral.cut([Event(25, "a")]) == ((), (), [Event(25, "a")]), "retention took what was before"
    assert deferral.done(25)
    assert not deferral.since


def test_a_tenant_that_is_deferred_later_counts_from_there_only() -> None:
    deferral = Deferral()
    deferral.read = 10
    deferral.add(["a"])
    deferral.read = 20
    deferral.add(["a", "b"])
    deferral.read = 30
    assert deferral.since == {"a": 10, "b": 20}
    records = [Event(offset, "b") for offset in (12, 19, 20, 29, 31)]
    now, tenants, rest = deferral.cut(records)
    assert (now, tenants) == (records[:2], {"a"})
    assert not deferral.done(20)
    now, tenants, rest = deferral.cut(rest)
    assert (now, set(tenants), rest) == (records[2:4], {"a", "b"}, records[4:])
    assert deferral.done(30)
