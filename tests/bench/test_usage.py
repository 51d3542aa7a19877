"""What is read from /proc: trees of processes, traces, and the progress that contestants tell."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from streamproc.bench.child import Child, plain_environment
from streamproc.bench.progress import Progress, ProgressFile, read_metrics
from streamproc.bench.usage import Sampler, Trace, command_line, process_tree, process_usage

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads /proc, which only Linux has")

BUSY = "import time\nt = time.process_time()\nwhile time.process_time() - t < 0.5: pass\ntime.sleep(60)"


def test_a_tree_holds_children_of_children() -> None:
    inner = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    with subprocess.Popen([sys.executable, "-c", inner]) as outer:
        try:
            deadline = time.monotonic() + 20
            while len(tree := process_tree(outer.pid)) < 2 and time.monotonic() < deadline:
                time.sleep(0.02)
            assert tree[0] == outer.pid
            assert [command_line(pid)[0] for pid in tree] == [sys.executable] * 2
            assert set(tree) < set(process_tree(os.getpid()))
        finally:
            for pid in reversed(tree):
                os.kill(pid, 9)


def test_no_process_has_no_usage() -> None:
    assert process_usage(2**22 + 1) is None


def test_what_a_process_used_is_seen_and_it_ends_with_us(tmp_path: Path) -> None:
    with Child([sys.executable, "-c", BUSY], plain_environment(), tmp_path / "c", tmp_path / "log") as child:
        with Sampler([child.pid], None) as sampler:
            deadline = time.monotonic() + 30
            while (usage := process_usage(child.pid)) and usage[0] < 0.5 and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(0.2)
        pid = child.pid
    trace = sampler.trace
    assert trace.between(trace.times[0], trace.times[-1]) >= 0.4
    assert trace.rss_peak > 1 << 20
    assert child.status is not None
    assert process_usage(pid) is None


def test_cpu_between_samples_is_interpolated() -> None:
    trace = Trace([0.0, 1.0, 2.0], [0.0, 1.0, 1.0], [0.0, 0.2, 0.4], [0.0, 2.0, 3.0], [0.0, 0.1, 0.2])
    assert trace.between(0.5, 1.5) == pytest.approx(0.5)
    assert trace.between(-1, 9) == pytest.approx(1.0)
    assert trace.foreign_cores(0.0, 1.0) == pytest.approx(2.0 - 1.0 - 0.2 - 0.1)


def test_metrics_are_summed_over_topics_and_applied_hits_only() -> None:
    text = """
# TYPE streamproc_events_total counter
streamproc_events_total{topic="events"} 4096.0
streamproc_events_total{topic="cloudtrail"} 4.0
streamproc_events_created{topic="events"} 1.7e+09
streamproc_hits_total 10.0
streamproc_hits_without_group_total 7.0
streamproc_detect_hits_total{result="hits"} 8.0
streamproc_detect_hits_total{result="duplicate"} 3.0
"""
    assert read_metrics(text) == {
        "streamproc_events_total": 4100.0,
        "streamproc_hits_total": 10.0,
        "streamproc_detect_hits_total": 8.0,
    }


async def test_a_progress_file_that_is_not_there_yet_is_no_progress(tmp_path: Path) -> None:
    file = ProgressFile(tmp_path / "progress.json")
    assert await file.read() is None
    (tmp_path / "progress.json").write_bytes(orjson.dumps({"taken": 3, "first": 1.0, "last": 2.0}))
    assert await file.read() == Progress(3, 1.0, 2.0)
