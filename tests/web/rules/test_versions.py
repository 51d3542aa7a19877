"""The local copy of versions: what it forgets, and that losing it loses nothing."""

from __future__ import annotations

from pathlib import Path

from streamproc.config.record import ConfigRecord, encode
from streamproc.web.versions import Entry, VersionCopy

KEY = "acme/rule/r"


def entry(revision: int, place: int, name: str = "x", id: str = "r") -> Entry:
    record = ConfigRecord("rule", "acme", id, revision, {"name": name}, "2026-01-01T00:00:00.000Z", "me")
    return record.key, revision, place, encode(record)


def kept(copy: VersionCopy) -> list[tuple[int, str]]:
    return [(record.revision, record.spec["name"]) for record in copy.of(KEY)]


def test_versions_are_kept_over_a_restart(tmp_path: Path) -> None:
    copy = VersionCopy(tmp_path / "a" / "v.sqlite")
    assert copy.prepare(0, 10) == 0
    copy.add([entry(1, 0), entry(2, 1), entry(1, 2, id="other")], 3)
    copy.close()
    again = VersionCopy(tmp_path / "a" / "v.sqlite")
    assert again.prepare(0, 10) == 3
    assert kept(again) == [(2, "x"), (1, "x")]
    again.close()


def test_a_revision_that_is_written_again_replaces_the_one_before(tmp_path: Path) -> None:
    copy = VersionCopy(tmp_path / "v.sqlite")
    copy.add([entry(1, 0, "former life"), entry(2, 1)], 2)
    copy.add([entry(1, 2, "new life")], 3)
    assert kept(copy) == [(2, "x"), (1, "new life")]
    copy.close()


def test_what_the_topic_has_no_more_is_forgotten(tmp_path: Path) -> None:
    copy = VersionCopy(tmp_path / "v.sqlite")
    copy.add([entry(1, 0), entry(2, 5)], 6)
    assert copy.prepare(3, 6) == 6
    assert kept(copy) == [(2, "x")]
    copy.close()


def test_another_topic_is_read_from_its_beginning(tmp_path: Path) -> None:
    copy = VersionCopy(tmp_path / "v.sqlite")
    copy.add([entry(1, 0), entry(2, 5)], 6)
    assert copy.prepare(0, 4) == 0
    assert kept(copy) == []
    copy.close()


def test_a_damaged_file_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "v.sqlite"
    path.write_bytes(b"not a database at all" * 100)
    copy = VersionCopy(path)
    assert copy.prepare(0, 10) == 0
    copy.add([entry(1, 0)], 1)
    assert kept(copy) == [(1, "x")]
    copy.close()
