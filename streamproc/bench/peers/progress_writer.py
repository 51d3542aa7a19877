"""What every contestant that is not ours does beside its work: it tells how far it is, and ends when the bench does.

Nothing but the standard library: some contestants run in an environment of their own.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
from pathlib import Path

WRITE_EVERY_S = 0.1


class ProgressWriter:
    """Cheap calls per record, and a thread that writes down what they said."""

    def __init__(self, path: str) -> None:
        self.taken = 0
        self.first = self.last = 0.0
        self._path = Path(path)
        threading.Thread(target=self._run, name="progress", daemon=True).start()

    def begin(self) -> None:
        """A first record is there, and is about to be worked on."""
        if not self.first:
            self.first = time.monotonic()

    def source(self, count: int = 1) -> None:
        """Source records were taken."""
        self.begin()
        self.last = time.monotonic()
        self.taken += count

    def stage(self) -> None:
        """A record of a later stage was done."""
        self.last = time.monotonic()

    def _run(self) -> None:
        written = None
        fresh = self._path.with_suffix(".new")
        while True:
            time.sleep(WRITE_EVERY_S)
            now = {"taken": self.taken, "first": self.first, "last": self.last}
            if self.taken and now != written:
                fresh.write_text(json.dumps(now))
                fresh.replace(self._path)
                written = now


def end_with_parent() -> None:
    """End when the parent, which holds the other end of standard input, does."""

    def wait() -> None:
        with contextlib.suppress(OSError):
            while os.read(sys.stdin.fileno(), 4096):
                pass
        os._exit(1)

    threading.Thread(target=wait, name="parent", daemon=True).start()
