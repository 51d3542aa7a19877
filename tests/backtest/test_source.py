"""Files of events: every way to write them, and what is said of those that are none."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest

from streamproc.backtest.source import EventFiles, SourceError


def doc(n: int, **fields: Any) -> dict[str, Any]:
    return {"id": f"e{n}", "tenant_id": "acme", "action": "a", "event_time": "2026-02-10T12:00:00Z"} | fields


def lines(*docs: Any) -> bytes:
    return b"".join(orjson.dumps(one) + b"\n" for one in docs)


TRAIL = {
    "eventID": "t1",
    "eventTime": "2026-02-10T12:00:00Z",
    "eventSource": "s3.amazonaws.com",
    "eventName": "GetObject",
    "recipientAccountId": "123456789012",
    "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::123456789012:user/ann"},
}


@pytest.mark.parametrize(
    ("content", "format", "found"),
    [
        (lines(doc(1), doc(2)), "event", [(0, "e1"), (1, "e2")]),
        (orjson.dumps([doc(1), doc(2)]), "event", [(0, "e1"), (1, "e2")]),
        (gzip.compress(lines(doc(1), doc(2)), mtime=0), "event", [(0, "e1"), (1, "e2")]),
        (lines(TRAIL, TRAIL | {"eventID": "t2"}), "cloudtrail", [(0, "t1"), (1, "t2")]),
        (orjson.dumps({"Records": [TRAIL, TRAIL | {"eventID": "t2"}]}), "cloudtrail", [(0, "t1"), (1, "t2")]),
        (b"", "event", []),
    ],
)
def test_a_file_of_events(tmp_path: Path, content: bytes, format: str, found: list[tuple[int, str]]) -> None:
    file = tmp_path / "events"
    file.write_bytes(content)
    files = EventFiles([str(file)], format)
    assert [(number, event.id) for number, event in files] == found
    assert files.rejected.reasons.total() == 0


def test_what_is_no_event_is_counted_and_the_first_ten_are_named(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.jsonl", tmp_path / "bad.jsonl"
    good.write_bytes(lines(doc(1)))
    bad.write_bytes(b"\n" + lines({"action": "a"}, doc(2), [1]) + b"nonsense\n" * 12 + lines(doc(3)))
    files = EventFiles([str(good), str(bad)])
    assert [event.id for _, event in files] == ["e1", "e2", "e3"]
    assert files.rejected.reasons == {"missing_field": 1, "not_object": 1, "not_json": 12}
    assert len(files.rejected.first) == 10
    assert files.rejected.first[0].startswith(f"{bad}:2: ")
    assert "tenant_id" in files.rejected.first[0]
    assert files.rejected.first[2].startswith(f"{bad}:5: ")


def test_numbers_go_on_from_file_to_file_and_count_what_is_no_event(tmp_path: Path) -> None:
    one, two = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    one.write_bytes(lines(doc(1), 5, doc(2)))
    two.write_bytes(lines(doc(3)))
    assert [number for number, _ in EventFiles([str(one), str(two)])] == [0, 2, 3]


def test_a_tenant_owns_native_records(tmp_path: Path) -> None:
    file = tmp_path / "trail.jsonl"
    file.write_bytes(lines(TRAIL))
    own, given = EventFiles([str(file)], "cloudtrail"), EventFiles([str(file)], "cloudtrail", "acme")
    assert [event.tenant for _, event in own] == ["123456789012"]
    assert [event.tenant for _, event in given] == ["acme"]
    assert (own.tenants, given.tenants) == ({"123456789012"}, {"acme"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read: No such file or directory"),
        (b'[{"a": 1},\n{"b": ]', "2: is not JSON"),
        (gzip.compress(lines(doc(1)), mtime=0)[:-9], "is not a complete gzip file"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_with_its_line(tmp_path: Path, content: bytes | None, message: str) -> None:
    file = tmp_path / "events"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SourceError) as raised:
        list(EventFiles([str(file)]))
    assert str(raised.value).startswith(f"{file}:")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_progress_is_told_in_bytes(tmp_path: Path) -> None:
    file = tmp_path / "events"
    file.write_bytes(lines(*map(doc, range(1200))))
    told: list[int] = []
    list(EventFiles([str(file)], progress=lambda name, position: told.append(position)))
    assert told == sorted(told)
    assert told[-1] == file.stat().st_size
