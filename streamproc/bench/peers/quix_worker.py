"""The same two rules in Quix Streams, written the way its documentation does it.

Filter, group by key (which writes to a repartition topic of its own), count in state (RocksDB with a changelog), and
send an alert for each trigger. Settings are its own, except the level of its log. It runs in an environment of its
own, so of ours it uses nothing that needs more than the standard library.
"""

from __future__ import annotations

import os
from datetime import datetime
from typing import Any

from quixstreams import Application, State

from streamproc.bench.peers.progress_writer import ProgressWriter, end_with_parent
from streamproc.bench.rules import BRUTE_FORCE, BUSY_HOUR

BRUTE = os.environ["BENCH_WORKLOAD"] == "w1"
RULE = BRUTE_FORCE if BRUTE else BUSY_HOUR
FIELD = RULE.group_by.rpartition(".")[2]

progress = ProgressWriter(os.environ["BENCH_PROGRESS"])


def wanted(event: dict[str, Any]) -> bool:
    """The rule's filter."""
    progress.source()
    return not BRUTE or (event["action"] == "user.login" and event["outcome"] == "failure")


def key_of(event: dict[str, Any]) -> str:
    """What is counted apart."""
    return f"{event['tenant_id']}|{event['actor'][FIELD]}"


def reached(event: dict[str, Any], state: State) -> dict[str, Any] | None:
    """Count one event of this key; an alert when the rule's condition holds."""
    progress.stage()
    ms = round(datetime.fromisoformat(event["event_time"]).timestamp() * 1000)
    if BRUTE:
        times = [time for time in state.get("times", []) if time > ms - RULE.window_ms]
        times.append(ms)
        state.set("times", times)
        count = len(times)
    else:
        hour = ms // RULE.window_ms
        before, count = state.get("hour", (hour, 0))
        count = count + 1 if before == hour else 1
        state.set("hour", (hour, count))
    if count < RULE.count:
        return None
    tenant, group = event["tenant_id"], event["actor"][FIELD]
    return {"rule": RULE.id, "tenant_id": tenant, "group": group, "event_id": event["id"]}


def main() -> None:
    """Until SIGTERM."""
    app = Application(
        broker_address=os.environ["BENCH_KAFKA"],
        consumer_group=os.environ["BENCH_GROUP"],
        auto_offset_reset="earliest",
        state_dir=os.environ["BENCH_STATE"],
        loglevel="WARNING",
    )
    events = app.topic(os.environ["BENCH_EVENTS"], key_deserializer="str", value_deserializer="json")
    alerts = app.topic(os.environ["BENCH_ALERTS"], key_serializer="str", value_serializer="json")
    stream = app.dataframe(events).filter(wanted)
    stream = stream.group_by(key_of, name="by-group", key_serializer="str", key_deserializer="str")
    stream = stream.apply(reached, stateful=True).filter(lambda alert: alert is not None)
    stream.to_topic(alerts)
    app.run()


if __name__ == "__main__":
    end_with_parent()
    main()
