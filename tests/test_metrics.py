"""Every metric that is defined is fed somewhere, described in the reference, and says what it should."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import ClientSession
from faust.types import TP
from prometheus_client import REGISTRY, Counter, Gauge, Histogram
from prometheus_client.parser import text_string_to_metric_families

from streamproc import metrics
from streamproc.config.record import ConfigRecord, encode
from streamproc.config.snapshot import ConfigEntry, Snapshot
from streamproc.engine.changes import KEY
from streamproc.kafka.table import LocalTable
from streamproc.runtime.census import KEYS_PER_LOOK, LOOK_S, REST_S, UNKNOWN, Census
from streamproc.runtime.health import HealthSite
from streamproc.runtime.lag import LagGauge
from streamproc.settings import HostPort
from tests.engine.making import BASE, Partition, event, rule, threshold

ROOT = Path(__file__).parents[1]
DEFINED = {name: one for name, one in vars(metrics).items() if isinstance(one, Counter | Gauge | Histogram)}


def exported(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def family(metric: Counter | Gauge | Histogram) -> str:
    (described,) = metric.describe()
    return described.name


def test_every_metric_is_fed_somewhere() -> None:
    code = "\n".join(path.read_text() for path in (ROOT / "streamproc").rglob("*.py"))
    fed = set(re.findall(r"\b([A-Z_]+)\.(?:labels|inc|dec|set|observe|set_function)\(", code))
    fed |= set(re.findall(r"\(metrics\.([A-Z_]+), lambda", code))
    assert DEFINED.keys() - fed == set()


@pytest.mark.parametrize("name", DEFINED)
def test_every_metric_is_in_the_reference(name: str) -> None:
    assert f"`{family(DEFINED[name])}" in (ROOT / "docs/reference/metrics.md").read_text(), "run `make docs`"


def test_names_end_in_their_unit() -> None:
    timed = [family(one) for one in DEFINED.values() if isinstance(one, Histogram)]
    assert [name for name in timed if not name.endswith("_seconds")] == []
    assert [family(one) for one in DEFINED.values() if not re.fullmatch(r"streamproc_[a-z_]+", family(one))] == []


async def test_a_site_shows_them_and_whether_the_process_is_ready() -> None:
    ready = False
    site = HealthSite(HostPort("127.0.0.1", 0), lambda: (ready, {}))
    await site.start()
    try:
        async with ClientSession() as session:
            for ready in (False, True):
                async with session.get(f"http://127.0.0.1:{site.port}/metrics") as answer:
                    shown = {one.name: one for one in text_string_to_metric_families(await answer.text())}
                assert shown["streamproc_ready"].samples[0].value == ready
    finally:
        await site.stop()
    assert {family(one) for one in DEFINED.values()} - shown.keys() == set()


class TestCensus:
    @pytest.fixture
    def table(self, tmp_path: Path) -> Iterator[LocalTable]:
        table = LocalTable(tmp_path / "table")
        yield table
        table.close()

    def filled(self, table: LocalTable, actors: int) -> Snapshot:
        """Keys of two rules, as the engine writes them, and the configuration that has these rules."""
        rules = [rule("p"), threshold("t")]
        partition = Partition(*rules)
        partition.play(*(event(n, n, f"user-{n}") for n in range(actors)))
        table.write(partition.store.values, (), (), 1, 0)
        records = (ConfigRecord("rule", "acme", str(one["id"]), 1, one, "", "") for one in rules)
        return Snapshot.empty().fold(
            ConfigEntry(offset, record.key.encode(), encode(record)) for offset, record in enumerate(records)
        )

    def test_it_counts_keys_and_bytes_by_type(self, table: LocalTable) -> None:
        snapshot = self.filled(table, 7)
        census = Census(table, 3)
        census.look(snapshot, 100.0)
        stored = dict(table.items(KEY))
        shares = [exported("streamproc_state_bytes", detector=name, partition="3") for name in ("pattern", "threshold")]
        assert exported("streamproc_state_keys", detector="pattern", partition="3") == 7
        assert exported("streamproc_state_keys", detector="threshold", partition="3") == 7
        assert sum(share or 0 for share in shares) == sum(len(key) + len(value) for key, value in stored.items())
        census.look(snapshot, 100.0 + REST_S)
        assert exported("streamproc_state_keys", detector="pattern", partition="3") == 7, "each count begins at zero"

    def test_it_looks_at_a_stretch_at_a_time(self, table: LocalTable) -> None:
        snapshot = self.filled(table, KEYS_PER_LOOK // 2 + 1)
        census = Census(table, 4)
        census.look(snapshot, 0.0)
        census.look(snapshot, LOOK_S / 2)
        assert exported("streamproc_state_keys", detector="pattern", partition="4") is None, "not all was looked at"
        census.look(snapshot, LOOK_S)
        assert exported("streamproc_state_keys", detector="pattern", partition="4") == KEYS_PER_LOOK // 2 + 1
        assert exported("streamproc_state_keys", detector="threshold", partition="4") == KEYS_PER_LOOK // 2 + 1

    def test_a_rule_that_is_gone_is_unknown_and_figures_go_with_the_partition(self, table: LocalTable) -> None:
        snapshot = self.filled(table, 2)
        census = Census(table, 5)
        census.look(snapshot, 0.0)
        census.look(Snapshot.empty(), REST_S)
        assert exported("streamproc_state_keys", detector=UNKNOWN, partition="5") == 4
        assert exported("streamproc_state_keys", detector="pattern", partition="5") is None
        census.forget()
        assert exported("streamproc_state_keys", detector=UNKNOWN, partition="5") is None

    def test_a_table_tells_its_size(self, table: LocalTable) -> None:
        assert table.size() == (0, 0)
        self.filled(table, 10)
        assert table.size()[0] >= 20


@dataclass
class Place:
    """A lane, and what the consumer knows of its partition."""

    idle: bool
    fetched: int | None
    end: int | None
    next_offsets: dict[str, int] = field(default_factory=dict)


class Consumer:
    """As much of Faust's consumer as is asked; the way to the position is the one inside it."""

    def __init__(self, places: Mapping[TP, Place]) -> None:
        self._places = places
        self._thread = self._consumer = self._subscription = self.subscription = self.assignment = self
        self.held = {TP("t", 4): 30}

    def state_value(self, tp: TP) -> Any:
        return SimpleNamespace(_position=self._places[tp].fetched)

    def highwater(self, tp: TP) -> int | None:
        assert tp in self._places, "Partition is not assigned"
        return self._places[tp].end


def lag(partition: int) -> float | None:
    return exported("streamproc_lag_records", topic="t", partition=str(partition))


def test_lag_is_what_is_not_worked_off() -> None:
    places = {
        TP("t", 0): Place(True, 100, 100, {"t": 99}),  # the record at 99 is the end of a transaction
        TP("t", 1): Place(False, 100, 150, {"t": 40}),
        TP("t", 2): Place(False, 100, 150),  # nothing acknowledged since the assignment
        TP("t", 3): Place(True, None, None),
        TP("t", 4): Place(True, 100, 100, {"t": 100}),  # a second reading is at 30
    }
    lanes: dict[Any, Any] = {**places, TP("t", 9): Place(True, 1, 1)}  # 9 has just been revoked
    gauge = LagGauge(lambda: lanes, lambda: Consumer(places))
    gauge.look()
    assert [lag(n) for n in (0, 1, 2, 3, 4, 9)] == [0, 110, 50, None, 70, None]
    del lanes[TP("t", 1)]
    gauge.look()
    assert lag(1) is None, "nobody reads where a partition stood that somebody else has now"


async def test_times_and_latencies_of_a_batch() -> None:
    partition = Partition(threshold("t", count=2))
    partition.apply(event(1, 0, "u"))
    assert partition.engine.take().alerts == []
    partition.apply(event(2, 10, "u", arrival=500))
    first = partition.engine.take().alerts
    assert [one.arrived for one in first] == [BASE + 500]
    partition.apply(event(3, 5000, "u"))
    assert [one.arrived for one in partition.engine.take().alerts] == [None], "only the record that opens the alert"
