"""How long `streamproc topics resize` takes, with so many keys and signals that were not applied (docs/adr/0010).

Run it as `.venv/bin/python docs/adr/measure/resize.py [KEYS HITS]`. Starts a broker of its own; half a minute.
"""

import asyncio
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from streamproc.alerting.fingerprint import partition_of
from streamproc.engine.frame import RuleRef, frames, pack_frame
from streamproc.kafka.broker.resolve import open_broker
from streamproc.kafka.client import client_options
from streamproc.kafka.producer import AwaitedProducer
from streamproc.kafka.topics import Topics, apply_topics, load_topics
from streamproc.runtime.resize import resize
from streamproc.runtime.takeover import taken_over
from streamproc.settings import Settings

VALUE, EVENT = 220, b'{"' + b"x" * 400 + b'"}'
OLD, NEW = 4, 6
REF = RuleRef("*", "rule", 1, b"h" * 8, "acme")


async def fill(settings: Settings, keys: int, hits: int) -> None:
    topics = load_topics(settings)
    await apply_topics(settings)
    prints = [os.urandom(16) for _ in range(keys)]
    for partition in range(OLD):
        mine = [b"k" + fp for fp in prints if partition_of(fp, OLD) == partition]
        async with taken_over(settings, topics["detectors-changelog"], partition) as ledger:
            for start in range(0, len(mine), 5000):
                value = b"\x02" + (1).to_bytes(8, "big") + os.urandom(VALUE - 9)
                await ledger.commit(dict.fromkeys(mine[start : start + 5000], value), (), (), (), {})
    dead, signals = topics["dead-letters"], topics["signals"]
    producer = AwaitedProducer(client_options(settings), 30.0, dead.topic, dead.partitions)
    await producer.start()
    for start in range(0, hits, 4000):
        rows = [(0, prints[n % keys], ("g",), n, n, n, f"e{n}", None, EVENT) for n in range(start, start + 4000)]
        for target, frame in frames("events/0", 0, rows, lambda _: REF, OLD):
            await producer.send({(signals.topic, target): [(None, pack_frame(frame), [])]})
    await producer.stop()


async def measure(settings: Settings, keys: int, hits: int) -> None:
    await fill(settings, keys, hits)
    grown = {"signals", "detectors-changelog"}
    wanted = [replace(s, partitions=NEW) if s.name in grown else s for s in load_topics(settings).values()]
    began, cpu = time.perf_counter(), time.process_time()
    steps: list[tuple[float, str]] = []
    made = await resize(settings, lambda line: steps.append((time.perf_counter() - began, line)), Topics(wanted))
    took, cpu = time.perf_counter() - began, time.process_time() - cpu
    done = made.done["detect"]
    print(
        f"{OLD} → {NEW} partitions, {keys:,} keys ({done.moved:,} moved), {hits:,} hits: {took:.1f} s, CPU {cpu:.1f} s"
    )
    for at, line in steps:
        print(f"  {at:5.1f} s {line}")


def main() -> None:
    """Measure and print."""
    keys, hits = (int(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) > 2 else (400_000, 200_000)
    jars = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "streamproc" / "jars"
    with tempfile.TemporaryDirectory(prefix="streamproc-measure-") as directory:
        base = Settings(broker="java", data_dir=Path(directory), broker_jars=jars)
        with open_broker(base, lambda _: None) as started:
            asyncio.run(measure(base.model_copy(update={"kafka": started.bootstrap}), keys, hits))


if __name__ == "__main__":
    main()
