"""The GeoIP file: found, replaced, damaged and gone while it is in use."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY

from streamproc import geoip as module
from streamproc.config.snapshot import Snapshot
from streamproc.geoip import GeoIp, GeoIpError
from streamproc.rules import RuleIndex, compile_rule, parse_rule
from streamproc.runtime.worker import _export
from tests.mmdb import AUSTRALIAN, BRITISH, LONDON, SYDNEY, write_cities, write_mmdb


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_cities(tmp_path / "geo.mmdb")


def country(geoip: GeoIp, ip: str) -> Any:
    doc: dict[str, Any] = {"actor": {"ip": ip}}
    geoip.enrich(doc)
    return doc["actor"].get("country")


def opened(path: Path | None) -> GeoIp:
    geoip = GeoIp(path)
    geoip.refresh()
    return geoip


def counted(name: str, **labels: str) -> Callable[[], float]:
    """How much a counter has grown since."""

    def value() -> float:
        return REGISTRY.get_sample_value(f"streamproc_geoip_{name}_total", labels) or 0.0

    before = value()
    return lambda: value() - before


def test_addresses_of_a_file(file: Path) -> None:
    loads = counted("loads")
    geoip = opened(file)
    doc = {"actor": {"ip": BRITISH}}
    assert geoip.enrich(doc)
    location = {"lat": 51.5142, "lon": -0.0931, "city": "London"}
    assert doc == {"actor": {"ip": BRITISH, "country": "GB", "location": location}}
    found = [country(geoip, ip) for ip in (AUSTRALIAN, "2001:4860::8", "::ffff:1.1.1.1", "8.8.8.8", "10.0.0.1", "x")]
    assert found == ["AU", "AU", "AU", None, None, None]
    assert loads() == 1


def test_no_file_is_set() -> None:
    geoip = opened(None)
    geoip.require()
    assert (country(geoip, BRITISH), geoip.loaded) == (None, False)


def test_a_file_of_ipv4_only_knows_no_other_address(tmp_path: Path) -> None:
    failures = counted("failures", what="lookup")
    geoip = opened(write_mmdb(tmp_path / "geo.mmdb", {"1.1.1.0/24": SYDNEY}, ip_version=4))
    assert [country(geoip, ip) for ip in ("2001:4860::8", AUSTRALIAN)] == [None, "AU"]
    assert failures() == 0


def test_a_file_that_is_replaced_is_read_again(file: Path) -> None:
    geoip, loads = opened(file), counted("loads")
    assert country(geoip, BRITISH) == "GB"
    geoip.refresh()
    assert loads() == 0
    write_mmdb(file, {"81.2.69.0/24": SYDNEY})
    assert country(geoip, BRITISH) == "GB"  # until somebody looks
    geoip.refresh()
    assert (country(geoip, BRITISH), country(geoip, AUSTRALIAN), loads()) == ("AU", None, 1)


def test_a_link_that_points_elsewhere_is_another_file(file: Path, tmp_path: Path) -> None:
    other, link = write_mmdb(tmp_path / "other.mmdb", {"81.2.69.0/24": SYDNEY}), tmp_path / "link.mmdb"
    link.symlink_to(file)
    geoip = opened(link)
    assert country(geoip, BRITISH) == "GB"
    link.unlink()
    link.symlink_to(other)
    geoip.refresh()
    assert country(geoip, BRITISH) == "AU"


written = itertools.count(1)


def overwrite(path: Path, content: bytes) -> None:
    """In place, as a careless updater does: the same file, shortened first."""
    with path.open("r+b") as out:
        out.truncate(0)
        out.write(content)
    os.utime(path, ns=(1, next(written)))  # clocks are coarse: two writes may have one time


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "inside", "no metadata"])
def test_a_damaged_file_leaves_the_one_before_in_use(file: Path, damage: str) -> None:
    geoip, failures, loads = opened(file), counted("failures", what="load"), counted("loads")
    whole = file.read_bytes()
    start = whole.rindex(b"\xab\xcd\xefMaxMind.com")
    overwrite(
        file,
        {
            "empty": b"",
            "cut": whole[: len(whole) // 2],
            "text": b"<html>quota exceeded</html>",
            "inside": b"\xff" * start + whole[start:],
            "no metadata": whole[: start + 14],
        }[damage],
    )
    for _ in range(3):
        geoip.refresh()
    assert [country(geoip, ip) for ip in (BRITISH, AUSTRALIAN, "2001:4860::9")] == ["GB", "AU", "AU"]
    assert (failures(), loads()) == (1, 0)  # said once, not at every look
    assert geoip.detail(2).startswith("Test-City of 20")
    assert f"; {file}: is not a whole MMDB file (" in geoip.detail(2)
    assert "rules need it" not in geoip.detail(2)
    overwrite(file, whole)
    geoip.refresh()
    assert (loads(), "MMDB" in geoip.detail(2)) == (1, False)


def test_a_file_that_comes_later_or_goes(tmp_path: Path) -> None:
    path, failures = tmp_path / "geo.mmdb", counted("failures", what="load")
    geoip = opened(path)
    geoip.refresh()
    assert (country(geoip, BRITISH), failures()) == (None, 1)
    assert geoip.detail(1) == f"{path}: cannot be read: No such file or directory; 1 rule needs it"
    with pytest.raises(GeoIpError, match="cannot be read: No such file or directory"):
        geoip.require()
    write_cities(path)
    geoip.refresh()
    assert country(geoip, BRITISH) == "GB"
    path.unlink()
    geoip.refresh()
    assert country(geoip, BRITISH) == "GB"
    assert geoip.detail(1).endswith(f"; {path}: cannot be read: No such file or directory")
    write_mmdb(path, {"81.2.69.0/24": SYDNEY})
    geoip.refresh()
    assert country(geoip, BRITISH) == "AU"


def test_a_directory_is_no_file(tmp_path: Path) -> None:
    assert "cannot be read: Is a directory" in opened(tmp_path).detail(0)


def test_a_file_that_is_being_written_waits_for_the_next_look(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    geoip, failures = GeoIp(file), counted("failures", what="load")
    opening = module._open

    def written_meanwhile(path: Path) -> Any:
        monkeypatch.setattr(module, "_open", opening)
        found = opening(path)
        os.utime(path, ns=(5, 5))
        return found

    monkeypatch.setattr(module, "_open", written_meanwhile)
    with pytest.raises(GeoIpError, match="is being written"):
        geoip.require()
    assert not geoip.loaded
    geoip.require()
    assert (geoip.loaded, failures()) == (True, 0)


def test_no_copy_of_the_file_stays_behind(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(copies))
    geoip = opened(file)
    overwrite(file, b"damaged")
    geoip.refresh()
    file.unlink()
    geoip.refresh()
    assert (list(copies.iterdir()), country(geoip, BRITISH)) == ([], "GB")


def test_a_look_up_that_fails_adds_nothing_and_is_counted(file: Path) -> None:
    def broken(address: str) -> object:
        raise RuntimeError("damaged inside")

    failures = counted("failures", what="lookup")
    assert module._lookup(broken, True)(BRITISH) is None
    assert failures() == 1


async def test_it_is_kept_fresh(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REFRESH_S", 0)
    geoip = GeoIp(file)
    task = asyncio.create_task(geoip.keep_fresh())
    try:
        async with asyncio.timeout(10):
            while not geoip.loaded:
                await asyncio.sleep(0)
            write_mmdb(file, {"81.2.69.0/24": SYDNEY})
            while country(geoip, BRITISH) != "AU":
                await asyncio.sleep(0)
    finally:
        task.cancel()


@pytest.mark.parametrize(
    ("needing", "said"), [(0, "absent"), (1, "absent; 1 rule needs it"), (12, "absent; 12 rules need it")]
)
def test_what_readiness_says_without_a_file(needing: int, said: str) -> None:
    assert opened(None).detail(needing) == said


def test_the_gauge_counts_rules_until_there_is_a_file(file: Path) -> None:
    class Tailer:
        snapshot = Snapshot.empty()

        def subscribe(self, listener: Any) -> None: ...

    written = {"id": "r", "name": "R", "type": "impossible_travel", "condition": {}}
    rules = RuleIndex.empty.with_tenant("acme", [compile_rule(parse_rule(written, default_tenant="acme"), 1)])
    tailer, geoip = Tailer(), GeoIp(file)
    _export(tailer, geoip)  # type: ignore[arg-type]
    values = []
    for snapshot in (tailer.snapshot, Snapshot(1, rules, {}, {}, {})):
        tailer.snapshot = snapshot
        values.append(REGISTRY.get_sample_value("streamproc_rules_without_geoip"))
    geoip.refresh()
    values.append(REGISTRY.get_sample_value("streamproc_rules_without_geoip"))
    assert values == [0, 1, 0]


def test_the_records_of_the_tests_are_as_a_reader_gives_them(file: Path) -> None:
    """The files are written by another library than the one that reads them."""
    import maxminddb

    with maxminddb.open_database(file) as reader:
        assert reader.get(BRITISH) == LONDON
