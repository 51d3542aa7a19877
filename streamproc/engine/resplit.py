"""Signals that were sent for one number of partitions, made into signals for another. Pure.

What concerns a key comes out in the order in which it went in. Stream time is told to every new partition, and only
what holds for all old ones: a tick says that what arrived before it has been sent, and a new partition gets what stood
in several old ones.
"""

from __future__ import annotations

from collections.abc import Sequence

from streamproc.alerting.fingerprint import partition_of
from streamproc.engine.frame import Frame, SignalError, Tick, frames, pack_frame, pack_tick, unpack


class Resplit:
    """`times` are, per old partition, the latest times that its ticks told by source; it is kept up to date."""

    def __init__(self, new: int, times: Sequence[dict[str, int]]) -> None:
        self._new = new
        self._times = times
        self._live = set(range(len(times)))
        self._told: dict[str, int] = {}

    def split(self, partition: int, value: bytes) -> list[tuple[int, bytes]]:
        """(new partition, value) pairs for one record of an old partition; what cannot be read stays where it is."""
        try:
            signal = unpack(value)
        except SignalError:
            return [(partition, value)]
        if isinstance(signal, Frame):
            refs = signal.refs
            made = frames(signal.source, signal.config_offset, signal.rows, refs.__getitem__, self._new)
            return [(target, pack_frame(frame)) for target, frame in made]
        if isinstance(signal, Tick):
            times = self._times[partition]
            for source, t in signal.times.items():
                times[source] = max(t, times.get(source, t))
            return self._tell()
        return [(partition_of(signal.fingerprint, self._new), value)]

    def ended(self, partition: int) -> list[tuple[int, bytes]]:
        """An old partition has no more: it holds time up no longer."""
        self._live.discard(partition)
        return self._tell()

    def _tell(self) -> list[tuple[int, bytes]]:
        """A tick to all, if there is anything new to say."""
        if self._live:
            known = [self._times[partition] for partition in self._live]
            common = set(known[0]).intersection(*known[1:])
            times = {source: min(of[source] for of in known) for source in common}
        else:
            times = {}
            for of in self._times:
                for source, t in of.items():
                    times[source] = max(t, times.get(source, t))
        news = {source: t for source, t in sorted(times.items()) if t > self._told.get(source, -1)}
        if not news:
            return []
        self._told |= news
        value = pack_tick(news)
        return [(target, value) for target in range(self._new)]
