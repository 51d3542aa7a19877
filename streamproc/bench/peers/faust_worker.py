"""The same two rules as a stock Faust worker, written the way its documentation does it.

One agent filters and sends to a topic keyed by group; another counts in a RocksDB table and writes an alert for
each trigger. Settings are Faust's own, except the log level: at its default, a terminal spinner sets the root
logger to DEBUG, which would cost it 10 to 20 % more.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import faust

from streamproc.bench.peers.progress_writer import ProgressWriter, end_with_parent
from streamproc.bench.rules import BRUTE_FORCE, BUSY_HOUR

PARTITIONS = 4
BRUTE = os.environ["BENCH_WORKLOAD"] == "w1"
RULE = BRUTE_FORCE if BRUTE else BUSY_HOUR
FIELD = RULE.group_by.rpartition(".")[2]

progress = ProgressWriter(os.environ["BENCH_PROGRESS"])
app = faust.App(
    os.environ["BENCH_GROUP"],
    broker=f"kafka://{os.environ['BENCH_KAFKA']}",
    store="rocksdb://",
    datadir=os.environ["BENCH_STATE"],
    topic_partitions=PARTITIONS,
    value_serializer="json",
    web_enabled=False,
)
events = app.topic(os.environ["BENCH_EVENTS"], key_type=str, key_serializer="raw")
keyed = app.topic(os.environ["BENCH_KEYED"], key_type=str, key_serializer="raw", partitions=PARTITIONS)
alerts = app.topic(os.environ["BENCH_ALERTS"], key_type=str, key_serializer="raw", partitions=PARTITIONS)
counts = app.Table("counts", partitions=PARTITIONS, options={"driver": "rocksdict"})


def wanted(event: dict[str, Any]) -> bool:
    """The rule's filter."""
    return not BRUTE or (event["action"] == "user.login" and event["outcome"] == "failure")


def reached(key: str, event_time: str) -> bool:
    """Count one event of this key, and say whether the rule's condition holds."""
    ms = round(datetime.fromisoformat(event_time).timestamp() * 1000)
    if BRUTE:
        times = [t for t in counts.get(key) or () if t > ms - RULE.window_ms]
        times.append(ms)
        counts[key] = times
        return len(times) >= RULE.count
    hour = ms // RULE.window_ms
    stored = counts.get(key)
    count = stored[1] + 1 if stored is not None and stored[0] == hour else 1
    counts[key] = [hour, count]
    return count >= RULE.count


async def rekey(stream: Any) -> None:
    """Send what the rule counts to the partition of its group."""
    async for event in stream:
        progress.source()
        if wanted(event):
            await keyed.send(key=f"{event['tenant_id']}|{event['actor'][FIELD]}", value=event)


async def count(stream: AsyncIterator[dict[str, Any]]) -> None:
    """Count per group, and tell of each trigger."""
    async for event in stream:
        progress.stage()
        tenant, group = event["tenant_id"], event["actor"][FIELD]
        if reached(f"{tenant}|{group}", event["event_time"]):
            alert = {"rule": RULE.id, "tenant_id": tenant, "group": group, "event_id": event["id"]}
            await alerts.send(key=f"{tenant}|{group}", value=alert)


app.agent(events)(rekey)
app.agent(keyed)(count)

if __name__ == "__main__":
    end_with_parent()
    sys.argv = ["faust", "worker", "--loglevel", "info", "--without-web"]
    app.main()
