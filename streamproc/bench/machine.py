"""The machine a measurement runs on: what it is, whether it is quiet, and which process is the broker."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streamproc.bench.usage import command_line, machine_cpu, process_cpu, process_tree

QUIET_CORES = 0.08
"""Others may use this much while a run begins."""
_LOOK_S = 2.0
_MAIN_CLASS = "kafka.Kafka"


def find_broker() -> int | None:
    """The broker's process: a child of ours, else the only one on this machine. None when that is not sure."""
    ours = [pid for pid in process_tree(os.getpid()) if _MAIN_CLASS in command_line(pid)]
    if ours:
        return ours[0]
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    all_ = [pid for pid in pids if _MAIN_CLASS in command_line(pid)]
    return all_[0] if len(all_) == 1 else None


def foreign_cores(broker: int | None, seconds: float = _LOOK_S) -> float:
    """Cores that processes other than the broker and this one use now."""

    def others() -> float:
        return machine_cpu() - process_cpu(broker) - time.process_time()

    started, before = time.monotonic(), others()
    time.sleep(seconds)
    return max(0.0, others() - before) / (time.monotonic() - started)


def wait_until_quiet(broker: int | None, limit_s: float, tell: Callable[[str], None]) -> float:
    """Wait, at most `limit_s`, for two quiet looks in a row; answers the cores in use at the last look."""
    deadline = time.monotonic() + limit_s
    calm = 0
    busy = 0.0
    while time.monotonic() < deadline and calm < 2:
        busy = foreign_cores(broker)
        calm = calm + 1 if busy < QUIET_CORES else 0
        if not calm:
            tell(f"waiting for a quiet machine: others use {busy:.2f} cores")
    return busy


def describe() -> dict[str, Any]:
    """What a reader needs to know of the machine and the software."""
    packages = ("streamproc", "aiokafka", "faust-streaming", "orjson", "rocksdict", "cramjam", "uvloop")
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in packages},
    }


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
