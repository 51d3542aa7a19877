"""Whether RocksDB's list of the files of a table is whole.

The list is a log of changes (`MANIFEST-…`, named by `CURRENT`). A record whose length is damaged looks to RocksDB like
the end of a log that was cut off, so that it opens the table with an older list of files and the newest write-ahead
log: the latest offset, and not all that was written before it. All other damage has a checksum that RocksDB asks.

The format of the log: https://github.com/facebook/rocksdb/wiki/Write-Ahead-Log-File-Format
"""

from __future__ import annotations

import struct
from pathlib import Path

from aiokafka.record.util import calc_crc32c

_BLOCK = 32_768
_HEADER = struct.Struct("<IHB")
"""Masked CRC-32C of the type and what follows, length of what follows, type."""
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_UNFINISHED = {_FULL: False, _FIRST: True, _MIDDLE: True, _LAST: False}
_MASK = 0xA282EAD8


def is_whole(directory: Path) -> bool:
    """Whether every byte of the list belongs to a sound record; true where there is no list to be found."""
    try:
        name = (directory / "CURRENT").read_text().strip()
        data = (directory / name).read_bytes()
    except (OSError, UnicodeDecodeError, ValueError):
        return True  # RocksDB sees that, too, and says so
    at, unfinished = 0, False
    while at < len(data):
        left = _BLOCK - at % _BLOCK
        if left < _HEADER.size:  # a block ends in zeros where no header fits
            if any(data[at : at + left]):
                return False
            at += left
            continue
        if len(data) - at < _HEADER.size:
            return False
        checksum, length, kind = _HEADER.unpack_from(data, at)
        end = at + _HEADER.size + length
        if kind not in _UNFINISHED or end > len(data) or _HEADER.size + length > left:
            return False
        if unfinished is (kind in (_FULL, _FIRST)) or checksum != _masked(data[at + _HEADER.size - 1 : end]):
            return False
        unfinished = _UNFINISHED[kind]
        at = end
    return not unfinished


def _masked(data: bytes) -> int:
    crc: int = calc_crc32c(data)
    return (((crc >> 15) | (crc << 17)) + _MASK) & 0xFFFFFFFF
