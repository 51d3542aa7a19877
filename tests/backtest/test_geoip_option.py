"""`streamproc backtest` with a GeoIP file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mmdb import AUSTRALIAN, BRITISH, write_cities

from .test_command import Files, event, files

__all__ = ["files"]

TRAVEL = {"id": "t", "name": "Travel", "type": "impossible_travel", "condition": {}}
TRIP = [
    event(0, actor={"id": "u", "ip": BRITISH}),
    event(30, actor={"id": "u", "ip": AUSTRALIAN}),
    event(40, actor={"id": "v", "ip": "10.0.0.1"}),
]


@pytest.mark.parametrize("by", ["option", "setting"])
def test_alerts_are_found_by_places_and_show_them(files: Files, by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(write_cities(files.folder / "geo.mmdb"))
    if by == "setting":
        monkeypatch.setenv("STREAMPROC_GEOIP_DB", path)
    options = ["--geoip", path] if by == "option" else []
    status, [alert], summary = files.backtest(files.rules(TRAVEL), files.events(*TRIP), *options)
    assert status == 0
    assert alert["event"]["actor"]["country"] == "AU"
    assert alert["event"]["actor"]["location"] == {"lat": -33.8688, "lon": 151.2093}
    assert "London" in alert["reason"]
    assert "GeoIP" not in summary


def test_without_a_file_it_says_what_is_missing(files: Files) -> None:
    status, alerts, summary = files.backtest(files.rules(TRAVEL), files.events(*TRIP))
    assert (status, alerts) == (0, [])
    assert "1 of the rules needs country or coordinates, and there is no GeoIP file" in summary


@pytest.mark.parametrize(("content", "said"), [(None, "cannot be read"), (b"x", "is not a whole MMDB file")])
def test_a_file_that_cannot_be_used_ends_it(files: Files, tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "broken.mmdb"
    if content is not None:
        path.write_bytes(content)
    status, _, summary = files.backtest(files.rules(TRAVEL), files.events(*TRIP), "--geoip", str(path))
    assert status == 2
    assert f"--geoip: {path}: {said}" in summary


def test_matches_use_it_too(files: Files) -> None:
    rule = {"id": "r", "name": "R", "type": "pattern", "condition": {"actor.country": "AU"}}
    path = write_cities(files.folder / "geo.mmdb")
    options = ("--matches", "--geoip", str(path))
    _, found, _ = files.backtest(files.rules(rule), files.events(*TRIP), *options)
    assert found == [{"line": 1, "rule_id": "r"}]
