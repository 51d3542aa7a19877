"""What a local copy holds after the process that wrote it was killed."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from streamproc.kafka import manifest
from streamproc.kafka.local_copy import CopyOf, LocalCopy
from streamproc.kafka.table import LocalTable
from tests.kafka.damage import overwrite

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


def damaged_table(path: Path, start: int, end: int) -> None:
    """5,000 rows with timers on disk, of which some bytes are not what was written."""
    table = LocalTable(path)
    rows = {b"k%06d" % n: os.urandom(100) for n in range(5_000)}
    table.write({}, [(n, key) for n, key in enumerate(rows)], (), 7, 100)
    table.write(rows, (), (), 7, 100)
    table.flush()
    table.close()
    [file] = [file for file in path.glob("*.sst") if file.stat().st_size > 100_000]
    overwrite(file, start, end)


WALKS: dict[str, Callable[[LocalTable], object]] = {
    "items": lambda table: list(table.items(b"k")),
    "scan": lambda table: table.scan(b"k", b"k", 10_000, lambda *_: False),
    "scan up to the damage": lambda table: [table.scan(b"k", b"k", n, lambda *_: False) for n in range(1, 5_000, 7)],
}


@pytest.mark.parametrize("walk", WALKS.values(), ids=WALKS)
def test_a_walk_that_comes_upon_damage_does_not_end_as_if_all_were_read(
    tmp_path: Path, walk: Callable[[LocalTable], object]
) -> None:
    damaged_table(tmp_path / "copy", 200_000, 210_000)
    table = LocalTable(tmp_path / "copy")
    with pytest.raises(Exception, match="Corruption"):
        walk(table)
    table.close()
    rebuilt = LocalTable(tmp_path / "copy")
    assert rebuilt.offset == 0, "what is known to be damaged is thrown away at the next start"
    rebuilt.close()


def test_damage_among_the_timers_is_no_end_of_them(tmp_path: Path) -> None:
    path = tmp_path / "copy"
    table = LocalTable(path)
    table.write({}, [(n, os.urandom(40)) for n in range(5_000)], (), 7, 100)
    table.flush()
    table.close()
    [file] = [file for file in path.glob("*.sst") if file.stat().st_size > 100_000]
    overwrite(file, 100_000, 101_000)
    table = LocalTable(path)
    with pytest.raises(Exception, match="Corruption"):
        table.due(10_000, 10_000)
    table.close()


async def test_a_copy_whose_offset_cannot_be_read_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "copy"
    table = LocalTable(path)
    table.write({b"k%d" % n: b"v" for n in range(10)}, (), (), 7, 100)
    table.flush()
    table.close()
    [file] = path.glob("*.sst")
    overwrite(file, 5, 60)  # its only block of data
    with pytest.raises(Exception, match="Corruption"):
        _ = LocalTable(path).offset
    (path.parent / "copy.damaged").unlink()
    copy = LocalCopy(CopyOf("any", 0, path, lambda *_: None), {}, lambda _: None)
    await copy.open()
    assert copy.table.offset == 0
    assert list(copy.table.items(b"k")) == []
    copy.close()


LOGGED = """
import os, sys
from pathlib import Path
from streamproc.kafka import table

table._WRITE_BUFFER_BYTES = 64 * 1024
copy = table.LocalTable(Path(sys.argv[1]))
for n in range(1, 301):
    copy.write({b"k%03d" % (n * i % 400): b"%06d" % n * 20 for i in range(1, 21)}, (), (), n, n)
os._exit(0)
"""
"""Many changes to the list of files, and a write-ahead log that the last ones are only in."""


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("logged") / "copy"
    subprocess.run([sys.executable, "-c", LOGGED, str(path)], check=True)
    return path


def the_list(path: Path) -> Path:
    return path / (path / "CURRENT").read_text().strip()


def test_every_damage_to_the_list_of_files_is_noticed(logged: Path, tmp_path: Path) -> None:
    path = tmp_path / "copy"
    shutil.copytree(logged, path)
    assert manifest.is_whole(path)
    file, rng = the_list(path), random.Random(1)
    whole = file.read_bytes()
    assert len(whole) > 1_000
    for at in range(len(whole) - 2):
        damaged = bytearray(whole)
        damaged[at : at + 2] = (int.from_bytes(whole[at : at + 2]) ^ rng.randrange(1, 1 << 16)).to_bytes(2)
        file.write_bytes(damaged)
        assert not manifest.is_whole(path), at
    for end in range(1, len(whole)):
        file.write_bytes(whole[:end])
        if manifest.is_whole(path):  # between two records nobody can tell
            assert end in ends_of_records(whole)
    file.write_bytes(whole + bytes(5))
    assert not manifest.is_whole(path)


def ends_of_records(log: bytes) -> set[int]:
    at, ends = 0, set()
    while at < len(log):
        at += 7 + int.from_bytes(log[at + 4 : at + 6], "little")
        ends.add(at)
    return ends


@pytest.mark.parametrize("back", range(2, 8))
def test_an_older_list_of_files_is_not_joined_with_the_newest_log(logged: Path, tmp_path: Path, back: int) -> None:
    path = tmp_path / "copy"
    shutil.copytree(logged, path)
    file = the_list(path)
    data = bytearray(file.read_bytes())
    record = sorted(ends_of_records(bytes(data)))[-1 - back]
    data[record + 4 : record + 6] = b"\xff\x7f"  # its length: to RocksDB, the list ends here
    file.write_bytes(data)
    table = LocalTable(path)
    assert table.offset == 0, "begun anew; with the newest log it would be 300, and rows would be missing"
    assert list(table.items(b"k")) == []
    table.close()


def test_a_long_list_of_files_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more than one block, so that records are cut in pieces."""
    monkeypatch.setattr("streamproc.kafka.table._WRITE_BUFFER_BYTES", 16 * 1024)
    path = tmp_path / "copy"
    table = LocalTable(path)
    for n in range(2_000):
        table.write({os.urandom(8): bytes(2_000) + os.urandom(9) for _ in range(10)}, (), (), n, n)
    assert the_list(path).stat().st_size > 2 * 32_768
    assert manifest.is_whole(path)
    table.close()
    again = LocalTable(path)
    assert again.offset == 1_999
    again.close()
