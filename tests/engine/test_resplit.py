"""Signals for n partitions made into signals for m: nothing lost, nothing twice, nothing before its time."""

from __future__ import annotations

from collections import defaultdict
from hashlib import blake2b

from hypothesis import given
from hypothesis import strategies as st

from streamproc.alerting.fingerprint import partition_of
from streamproc.engine.frame import Frame, RuleRef, Tick, frames, pack_command, pack_frame, pack_tick, unpack
from streamproc.engine.resplit import Resplit
from streamproc.model.command import Action, Command
from streamproc.model.hit import Hit

REFS = {n: RuleRef("*", f"rule-{n}", 1, b"h" * 8, f"tenant-{n}") for n in range(3)}
SOURCES = ("events/0", "events/1")


def fp(n: int) -> bytes:
    return blake2b(bytes((n,)), digest_size=16).digest()


def hit(key: int, place: int, arrival: int) -> Hit:
    return (key % 3, fp(key), ("g",), arrival, arrival, place, f"e{place}", None, b"{}")


sends = st.lists(
    st.tuples(
        st.sampled_from(SOURCES),
        st.lists(st.integers(0, 40), max_size=12),  # keys of the hits of a batch
        st.booleans(),  # whether a tick follows
    ),
    max_size=12,
)


@given(sends=sends, old=st.integers(1, 5), more=st.integers(1, 5), choice=st.randoms(use_true_random=False))
def test_every_hit_once_in_its_partition_in_order_and_behind_no_tick_that_covers_it(
    sends: list[tuple[str, list[int], bool]], old: int, more: int, choice: object
) -> None:
    new = old + more
    logs: dict[int, list[bytes]] = {partition: [] for partition in range(old)}
    sent: dict[bytes, list[int]] = defaultdict(list)
    place = 0
    for source, keys, ticks in sends:
        hits = []
        for key in keys:
            place += 1
            hits.append(hit(key, place, place))
            sent[fp(key)].append(place)
        for target, frame in frames(source, 7, hits, REFS.__getitem__, old):
            logs[target].append(pack_frame(frame))
        if ticks:
            for log in logs.values():
                log.append(pack_tick({source: place}))

    resplit = Resplit(new, [{} for _ in logs])
    out: dict[int, list[bytes]] = defaultdict(list)
    left = {partition: iter(log) for partition, log in logs.items()}
    while left:  # any interleaving will do
        partition = choice.choice(sorted(left))  # type: ignore[attr-defined]
        value = next(left[partition], None)
        if value is None:
            del left[partition]
        made = resplit.ended(partition) if value is None else resplit.split(partition, value)
        for target, one in made:
            out[target].append(one)

    found: dict[bytes, list[int]] = defaultdict(list)
    for target, log in out.items():
        told: dict[str, int] = {}
        for value in log:
            signal = unpack(value)
            if isinstance(signal, Tick):
                told |= signal.times
                continue
            assert isinstance(signal, Frame)
            assert signal.config_offset == 7
            for number, key, _, _, arrival, where, *_ in signal.rows:
                assert partition_of(key, new) == target
                assert arrival > told.get(signal.source, -1), "a tick said that it had been sent"
                assert signal.refs[number] == REFS[number]
                found[key].append(where)
    assert found == sent
    last = {
        source: max((unpack(v).times.get(source, -1) for v in logs[0] if v[:1] == b"t"), default=-1)
        for source in SOURCES
    }  # type: ignore[union-attr]
    for target in range(new):
        told = {}
        for value in out[target]:
            if value[:1] == b"t":
                told |= unpack(value).times  # type: ignore[union-attr]
        assert {source: told.get(source, -1) for source in SOURCES} == last, "time went on as far as it had"


def test_commands_go_where_their_key_is_and_what_cannot_be_read_stays() -> None:
    resplit = Resplit(7, [{}, {}])
    command = Command("c", "alt_x", fp(9), Action.ACKNOWLEDGE, "me", 1, None, None, None)
    value = pack_command(command)
    assert resplit.split(0, value) == [(partition_of(fp(9), 7), value)]
    assert resplit.split(1, b"?? broken") == [(1, b"?? broken")]
