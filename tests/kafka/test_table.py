"""What a local copy holds after the process that wrote it was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streamproc.kafka.table import LocalTable

WRITES = """
import sys
from pathlib import Path
from streamproc.kafka.table import LocalTable

table = LocalTable(Path(sys.argv[1]))
table.write({b"k": b"logged"}, [(5, b"k")], (), 1, 100)
for n in range(2, 400):
    rows = {b"k%06d" % (n * 100 + i): n.to_bytes(2, "big") * 100 for i in range(100)}
    table.write({b"k": str(n).encode(), **rows}, [(n, key) for key in rows], (), n, 100 + n, logged=False)
if sys.argv[2] == "flushed":
    table.flush()
print("written", flush=True)
sys.stdin.read()
"""
"""Some 8 MB: more than a memtable, so that a part of it is on disk by itself."""


@pytest.mark.parametrize("how", ["flushed", "unflushed"])
def test_what_was_written_without_the_log_is_a_whole_older_state_after_a_kill(tmp_path: Path, how: str) -> None:
    path = tmp_path / "copy"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITES, str(path), how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "written\n"
    os.kill(writer.pid, signal.SIGKILL)
    writer.communicate()
    table = LocalTable(path)
    reached = table.offset
    if how == "flushed":
        assert reached == 399
    assert 1 <= reached < 400
    assert table.written_at == (100 if reached == 1 else 100 + reached)
    assert table.get(b"k") == (b"logged" if reached == 1 else str(reached).encode())
    keys = [key for key, _ in table.items(b"k")]
    assert len(keys) == 1 + 100 * (reached - 1), "all that the offset covers, and nothing beyond it"
    assert len(table.due(1000, 100_000)) == len(keys)
    table.close()
