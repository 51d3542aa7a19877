"""What a key costs in our local table, and in its timer index (docs/adr/0004 and 0005).

Run it as `.venv/bin/python docs/adr/measure/table.py`. Needs no broker; some ten seconds.
"""

import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from streamproc.kafka.table import LocalTable

KEYS = 100_000
BATCH = 1_000
VALUE = b"x" * 300


def measured(name: str, count: int, work: Callable[[], object]) -> None:
    """Print CPU time per item."""
    began = time.process_time()
    work()
    print(f"{name:<60} {(time.process_time() - began) / count * 1e6:7.2f} µs CPU each")


def main() -> None:
    """Write, read, and find what is due."""
    keys = [b"k" + n.to_bytes(16, "big") for n in range(KEYS)]
    shuffled = random.sample(keys, KEYS)
    with tempfile.TemporaryDirectory() as directory:
        table = LocalTable(Path(directory, "table"))

        def write(timers: bool) -> None:
            for start in range(0, KEYS, BATCH):
                batch = shuffled[start : start + BATCH]
                due = [(start + place, key) for place, key in enumerate(batch)] if timers else []
                table.write(dict.fromkeys(batch, VALUE), due, (), start, 0)

        def due() -> None:
            for now in range(0, KEYS, BATCH):
                found = table.due(now + BATCH - 1, 2 * BATCH)
                table.write({}, (), found, 0, 0)

        def idle() -> None:
            for _ in range(BATCH):
                table.due(KEYS, BATCH)

        measured(f"write a key, {BATCH} in a batch", KEYS, lambda: write(timers=False))
        measured("write a key and its timer", KEYS, lambda: write(timers=True))
        measured("read a key", KEYS, lambda: [table.get(key) for key in shuffled])
        measured("find a key that is due, and remove its timer", KEYS, due)
        measured(f"ask what is due when nothing is, among {KEYS:,} keys", BATCH, idle)
        table.close()


if __name__ == "__main__":
    main()
