"""CPU and memory of a process tree over time, from /proc."""

from __future__ import annotations

import os
import threading
import time
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

INTERVAL_S = 0.05
_TREE_EVERY = 10
_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def process_usage(pid: int) -> tuple[float, int] | None:
    """(CPU seconds of all threads, resident bytes), None when there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / _TICK, int(fields[21]) * _PAGE


def process_cpu(pid: int | None) -> float:
    """CPU seconds; 0 when there is no such process."""
    found = None if pid is None else process_usage(pid)
    return 0.0 if found is None else found[0]


def machine_cpu() -> float:
    """CPU seconds that the whole machine has been busy (user, nice, system, interrupts)."""
    with Path("/proc/stat").open() as stat:
        user, nice, system, _, _, irq, softirq, *_ = map(int, stat.readline().split()[1:])
    return (user + nice + system + irq + softirq) / _TICK


def process_tree(root: int) -> list[int]:
    """The process and all it has started, directly or not."""
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        try:
            for thread in Path(f"/proc/{pid}/task").iterdir():
                todo += map(int, (thread / "children").read_text().split())
        except OSError:
            continue  # it ended while we looked
    return found


def command_line(pid: int) -> list[str]:
    """Of a process; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return []


@dataclass
class Trace:
    """What was sampled, in parallel lists. Times are `time.monotonic()`; CPU is cumulative, in seconds."""

    times: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)
    """The trees', including members that have ended."""
    broker: list[float] = field(default_factory=list)
    machine: list[float] = field(default_factory=list)
    bench: list[float] = field(default_factory=list)
    """This process's own."""
    rss_peak: int = 0
    """Bytes, of all of them at one instant."""

    def between(self, start: float, end: float, column: str = "own") -> float:
        """CPU seconds used between two instants."""
        values: list[float] = getattr(self, column)
        return self._at(values, end) - self._at(values, start)

    def foreign_cores(self, start: float, end: float) -> float:
        """Mean cores used by neither the trees, the broker nor us."""
        others = self.between(start, end, "machine") - sum(
            self.between(start, end, column) for column in ("own", "broker", "bench")
        )
        return max(0.0, others) / max(end - start, INTERVAL_S)

    def _at(self, values: list[float], when: float) -> float:
        place = bisect_left(self.times, when)
        if place == 0:
            return values[0]
        if place == len(self.times):
            return values[-1]
        before, after = self.times[place - 1], self.times[place]
        share = (when - before) / (after - before)
        return values[place - 1] + (values[place] - values[place - 1]) * share


class Sampler:
    """A context manager that samples, in a thread of its own, the trees of some processes together.

    `trace` is complete when it is left.
    """

    def __init__(self, roots: Sequence[int], broker: int | None) -> None:
        self.trace = Trace()
        self._roots = list(roots)
        self._broker = broker
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        trace = self.trace
        last: dict[int, float] = {}
        pids: list[int] = []
        rounds = 0
        while True:
            if rounds % _TREE_EVERY == 0:
                pids = [pid for root in self._roots for pid in process_tree(root)]
            rounds += 1
            resident = 0
            for pid in pids:
                usage = process_usage(pid)
                if usage is not None:
                    last[pid] = max(last.get(pid, 0.0), usage[0])
                    resident += usage[1]
            trace.times.append(time.monotonic())
            trace.own.append(sum(last.values()))
            trace.broker.append(process_cpu(self._broker))
            trace.machine.append(machine_cpu())
            trace.bench.append(time.process_time())
            trace.rss_peak = max(trace.rss_peak, resident)
            if self._stop.wait(INTERVAL_S):
                return
