"""Files that are not what was written any more."""

from __future__ import annotations

from pathlib import Path


def overwrite(file: Path, start: int, end: int) -> None:
    """Replace the bytes from `start` to `end`."""
    content = bytearray(file.read_bytes())
    content[start:end] = b"\xff" * (end - start)
    file.write_bytes(content)
