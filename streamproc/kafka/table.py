"""The local copy of one table partition: RocksDB, with an index by timer.

Keys and values are bytes. The first byte of a key says what it is: `t` is the timer index (8 bytes of time, then
the key), `m` is bookkeeping; everything else belongs to the caller. What is written with one call is one atomic
write, and it includes the changelog offset that it brings the copy up to.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import structlog
from rocksdict import (
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    Options,
    Rdict,
    RdictIter,
    ReadOptions,
    WriteBatch,
    WriteOptions,
)

from streamproc.kafka import manifest

log = structlog.get_logger(__name__)

TIMER, META = b"t", b"m"
_OFFSET = b"m:offset"
_WRITTEN = b"m:written"
_CACHE = Cache(64 * 1024 * 1024)
"""Of all tables of a process together."""
_WRITE_BUFFER_BYTES = 8 * 1024 * 1024
_MANIFEST_BYTES = 4 * 1024 * 1024
"""It is read whole when a table is opened."""
_MERGED_FILES, _LOADED_FILES = 4, 16
"""New files that are merged into the old ones, as a rule and while a table is rebuilt (docs/adr/measure/recovery.py: a
third less CPU and time). From 20 on RocksDB would slow down who writes."""


def _damaged(path: Path) -> Path:
    """The mark beside a copy that it was found damaged."""
    return path.with_name(f"{path.name}.damaged")


def _throw_away(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)
    _damaged(path).unlink(missing_ok=True)


def is_damage(error: Exception) -> bool:
    """Whether what RocksDB raised says that what is on disk is not what was written."""
    return "Corruption" in str(error)


def _options() -> Options:
    """Small on purpose: a worker has one of these per partition (the library's defaults take 2 GiB of cache each)."""
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_write_buffer_size(_WRITE_BUFFER_BYTES)
    options.set_max_write_buffer_number(2)
    options.set_compression_type(DBCompressionType.lz4())
    options.set_keep_log_file_num(2)
    options.set_max_open_files(256)
    options.set_max_manifest_file_size(_MANIFEST_BYTES)
    options.set_level_zero_file_num_compaction_trigger(_MERGED_FILES)
    table = BlockBasedOptions()
    table.set_block_cache(_CACHE)
    table.set_bloom_filter(10, False)
    options.set_block_based_table_factory(table)
    return options


class LocalTable:
    """Opens (or creates) the copy under `path`; one process at a time, RocksDB holds a lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        if _damaged(path).exists() or not manifest.is_whole(path):
            log.warning("table.damaged", path=str(path), next="rebuilding from the changelog")
            _throw_away(path)
        self._db = Rdict(str(path), _options())
        self._swept = 0
        self._unlogged = WriteOptions()
        self._unlogged.disable_wal = True

    @classmethod
    def wipe(cls, path: Path) -> LocalTable:
        """An empty copy in place of whatever is under `path`."""
        _throw_away(path)
        return cls(path)

    @property
    def offset(self) -> int:
        """The changelog offset to read on from; 0 for an empty copy."""
        stored = self.get(_OFFSET)
        return 0 if stored is None else int.from_bytes(stored, "big")

    @property
    def written_at(self) -> int:
        """Wall-clock seconds of the last write, 0 for an empty copy."""
        stored = self.get(_WRITTEN)
        return 0 if stored is None else int.from_bytes(stored, "big")

    def get(self, key: bytes) -> bytes | None:
        """The value under `key`."""
        value: bytes | None = self._noting(self._db.get, key)
        return value

    def _noting(self, ask: Callable[..., Any], *arguments: Any) -> Any:
        """Ask RocksDB. What it finds damaged, now or in threads of its own before, is thrown away at the next start.

        Until then nothing is to be built on it.
        """
        try:
            return ask(*arguments)
        except Exception as error:
            if is_damage(error):
                _damaged(self.path).touch()
            raise

    def _ended(self, entries: RdictIter) -> bool:
        """Whether there is nothing more. An iterator that comes upon damage looks so, too; then this raises."""
        if entries.valid():
            return False
        self._noting(entries.status)
        return True

    def due(self, until: int, limit: int) -> list[tuple[int, bytes]]:
        """Up to `limit` index entries (time, key) with time <= `until`, earliest first."""
        found: list[tuple[int, bytes]] = []
        if until < 0:
            return found
        bounds = ReadOptions()
        bounds.set_iterate_upper_bound(TIMER + (until + 1).to_bytes(8, "big"))
        entries = self._db.iter(bounds)
        # Entries below the last sweep are deleted: starting past them spares walking over their tombstones.
        entries.seek(TIMER + self._swept.to_bytes(8, "big"))
        while not self._ended(entries) and len(found) < limit:
            key = entries.key()
            if key[:1] != TIMER:
                break
            found.append((int.from_bytes(key[1:9], "big"), key[9:]))
            entries.next()
        return found

    def entries_of(self, keys: Set[bytes]) -> list[tuple[int, bytes]]:
        """All index entries (time, key) of some keys; looks through the whole index."""
        entries = ((key[1:9], key[9:]) for key, _ in self.items(TIMER))
        return [(int.from_bytes(when, "big"), key) for when, key in entries if key in keys]

    def write(
        self,
        puts: Mapping[bytes, bytes | None],
        timers: Iterable[tuple[int, bytes]],
        fired: Iterable[tuple[int, bytes]],
        offset: int,
        now: int,
        moot: Iterable[tuple[int, bytes]] = (),
        logged: bool = True,
    ) -> None:
        """Put (or, for None, delete), add and remove index entries, and note the changelog offset, all or nothing.

        `fired` are index entries that `due` answered, `moot` those whose key is deleted before their time. What is not
        `logged` may be gone after a crash, and with it all later such writes; `flush` before one that is.
        """
        batch = WriteBatch(raw_mode=True)
        put, delete = batch.put, batch.delete
        for key, value in puts.items():
            if value is None:
                delete(key)
            else:
                put(key, value)
        swept = -1
        for when, key in fired:
            delete(TIMER + when.to_bytes(8, "big") + key)
            swept = max(swept, when)
        lowest = swept if swept >= 0 else self._swept
        for when, key in timers:
            put(TIMER + when.to_bytes(8, "big") + key, b"")
            lowest = min(lowest, when)
        for when, key in moot:
            delete(TIMER + when.to_bytes(8, "big") + key)
        put(_OFFSET, offset.to_bytes(8, "big"))
        put(_WRITTEN, now.to_bytes(8, "big"))
        self._noting(self._db.write, batch, None if logged else self._unlogged)
        self._swept = max(lowest, 0)

    @contextmanager
    def loading(self) -> Iterator[None]:
        """While a great deal is written: files are merged `_LOADED_FILES` at a time, which rewrites each less often."""
        self._db.set_options({"level0_file_num_compaction_trigger": str(_LOADED_FILES)})
        try:
            yield
        finally:
            self._db.set_options({"level0_file_num_compaction_trigger": str(_MERGED_FILES)})

    def flush(self) -> None:
        """Have all that was written on disk, logged or not."""
        self._noting(self._db.flush)

    def scan(
        self, start: bytes, prefix: bytes, limit: int, wanted: Callable[[bytes, bytes], bool]
    ) -> tuple[list[bytes], bytes | None]:
        """Look at up to `limit` keys with `prefix`, from `start` on.

        Answers those wanted, and where to go on (None: all were looked at).
        """
        found: list[bytes] = []
        entries = self._db.iter()
        entries.seek(start)
        for _ in range(limit):
            if self._ended(entries):
                return found, None
            key = entries.key()
            if not key.startswith(prefix):
                return found, None
            if wanted(key, entries.value()):
                found.append(key)
            entries.next()
        if self._ended(entries) or not entries.key().startswith(prefix):
            return found, None
        return found, entries.key()

    def items(self, prefix: bytes) -> Iterable[tuple[bytes, bytes]]:
        """All (key, value) under a prefix, in order of keys."""
        entries = self._db.iter()
        entries.seek(prefix)
        while not self._ended(entries) and entries.key().startswith(prefix):
            yield entries.key(), entries.value()
            entries.next()

    def size(self) -> tuple[int, int]:
        """(keys as RocksDB estimates them, index entries included; bytes of its files). Cheap: nothing is read."""
        count = self._db.property_int_value
        return count("rocksdb.estimate-num-keys") or 0, count("rocksdb.total-sst-files-size") or 0

    def close(self) -> None:
        """Release the lock; the copy stays on disk."""
        self._noting(self._db.close)
