"""How long a table partition takes to be ready: with its local copy, with one that is behind, and without any.

Run it as `.venv/bin/python docs/adr/measure/recovery.py [KEYS …]`. Starts a broker of its own; a minute or two for the
default sizes.
"""

import asyncio
import os
import shutil
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from streamproc.engine.state import stored_timer
from streamproc.kafka.broker.resolve import open_broker
from streamproc.kafka.client import client_options
from streamproc.kafka.ledger import Ledger, LedgerSettings
from streamproc.kafka.topic_file import TopicSpec
from streamproc.kafka.topics import Topics, apply_topics, load_topics
from streamproc.runtime.process import collect_seldom
from streamproc.settings import Settings

SIZES = (50_000, 200_000, 1_000_000)
VALUE = 220
"""Bytes of a value: what a threshold key with a few events takes."""
BATCH = 5_000


def row(n: int) -> tuple[bytes, bytes]:
    key = b"k" + n.to_bytes(16, "little")
    return key, b"\x02" + (10**12 + n).to_bytes(8, "big") + os.urandom(VALUE - 9)


async def seconds(settings: Settings, topic: str, path: Path) -> tuple[float, float, int]:
    """(wall seconds, CPU seconds, records read) until the partition is ready."""
    ledger = Ledger(LedgerSettings(client_options(settings), 30.0), topic, 0, path, stored_timer)
    began, cpu = time.perf_counter(), time.process_time()
    await ledger.open()
    took = time.perf_counter() - began, time.process_time() - cpu, ledger.recovered
    await ledger.close()
    return took


async def fill(settings: Settings, topic: str, path: Path, first: int, count: int) -> None:
    ledger = Ledger(LedgerSettings(client_options(settings), 30.0), topic, 0, path, stored_timer)
    await ledger.open()
    for start in range(first, first + count, BATCH):
        rows = dict(row(n) for n in range(start, min(start + BATCH, first + count)))
        timers = [(stored_timer(key, value) or 0, key) for key, value in rows.items()]
        await ledger.commit(dict(rows), timers, (), (), {})
    await ledger.close()


def _named(changelog: TopicSpec, size: int) -> TopicSpec:
    return replace(changelog, name=f"{changelog.name}-{size}", topic=f"{changelog.topic}-{size}", partitions=1)


async def measure(settings: Settings, sizes: list[int]) -> None:
    topics = load_topics(settings)
    changelog = topics["detectors-changelog"]
    await apply_topics(settings, Topics([_named(changelog, size) for size in sizes]))
    print("keys       copy on disk    1 % behind      10 % behind     no copy         rate")
    for size in sizes:
        topic = f"{changelog.topic}-{size}"
        with tempfile.TemporaryDirectory() as directory:
            copy, behind, far = (Path(directory) / name for name in ("copy", "behind", "far"))
            await fill(settings, topic, copy, 0, size)
            shutil.copytree(copy, far)
            await fill(settings, topic, copy, 0, size * 9 // 100)
            shutil.copytree(copy, behind)
            await fill(settings, topic, copy, 0, size // 100)
            found = [await seconds(settings, topic, path) for path in (copy, behind, far, Path(directory) / "none")]
        wall, cpu, read = found[-1]
        cells = "".join(f"{w:6.2f} s         " for w, _, _ in found)
        print(f"{size:<10} {cells}{read / wall:,.0f} records/s, {cpu / read * 1e6:.1f} µs CPU each", flush=True)


def main() -> None:
    """Measure and print."""
    collect_seldom()
    sizes = [int(size) for size in sys.argv[1:]] or list(SIZES)
    jars = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "streamproc" / "jars"
    with tempfile.TemporaryDirectory(prefix="streamproc-measure-") as directory:
        base = Settings(broker="java", data_dir=Path(directory), broker_jars=jars)
        with open_broker(base, lambda _: None) as started:
            asyncio.run(measure(base.model_copy(update={"kafka": started.bootstrap}), sizes))


if __name__ == "__main__":
    main()
