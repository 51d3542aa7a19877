"""What keeping the versions of rules costs: in every process's memory, or in one file of the API.

Run it as `.venv/bin/python docs/adr/measure/rule_versions.py`. Needs no broker; some ten seconds.
"""

import tempfile
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

from streamproc.config.record import ConfigRecord, encode
from streamproc.config.snapshot import ConfigEntry, Snapshot
from streamproc.web.versions import Entry, VersionCopy

RULES, REVISIONS, BATCH = 1_000, 100, 2_000
SPEC = {
    "name": "Excessive Failed Logins",
    "type": "threshold",
    "condition": {"action": "user.login", "outcome": "failure", "count": 5, "window_seconds": 300},
    "severity": "high",
    "channels": ["email", "slack"],
    "runbook": "https://wiki.example.com/runbooks/excessive-failed-logins",
}


def versions() -> list[ConfigRecord]:
    """Every revision of every rule, as one after another changed them."""
    return [
        ConfigRecord("rule", "acme", f"r{n}", revision, SPEC | {"cooldown_min": revision}, "2026-01-01", "somebody")
        for revision in range(1, REVISIONS + 1)
        for n in range(RULES)
    ]


def main() -> None:
    """Measure and print."""
    written = versions()
    entries: list[Entry] = [(one.key, one.revision, place, encode(one)) for place, one in enumerate(written)]
    size = sum(len(value) for *_, value in entries)
    print(f"{len(entries):,} versions of {RULES:,} rules, {size / 1e6:.0f} MB")

    # records on `config` under a key and of a kind of their own: kept in the snapshot of every process
    records = [
        ConfigEntry(place, f"acme/template/r{place}".encode(), encode(replace(one, kind="template", id=f"r{place}")))
        for place, one in enumerate(written)
    ]
    began = time.perf_counter()
    Snapshot.empty().fold(records)
    seconds = time.perf_counter() - began
    tracemalloc.start()
    snapshot = Snapshot.empty().fold(records)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    print(f"in each process: {held / 1e6:.0f} MB held, {seconds:.1f} s longer start ({snapshot.offset:,} records)")

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "versions.sqlite"
        copy = VersionCopy(path)
        began = time.perf_counter()
        for start in range(0, len(entries), BATCH):
            copy.add(entries[start : start + BATCH], start + BATCH)
        print(f"in the API's file: {len(entries) / (time.perf_counter() - began):,.0f} versions/s to make it")
        times = []
        for n in range(500):
            began = time.perf_counter()
            assert len(copy.of(f"acme/rule/r{n}")) == REVISIONS
            times.append(time.perf_counter() - began)
        copy.close()
        print(f"{path.stat().st_size / 1e6:.0f} MB; {1000 * sorted(times)[475]:.1f} ms at p95 for {REVISIONS} versions")


if __name__ == "__main__":
    main()
