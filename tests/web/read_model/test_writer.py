"""Records into rows: folded by revision, counted as the rows are, the same after a restart and when made anew."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamproc.model.time_text import milliseconds
from streamproc.web.read_model import queries
from streamproc.web.read_model.lists import Filters
from streamproc.web.read_model.schema import forget, open_reader
from streamproc.web.read_model.search import expression
from streamproc.web.read_model.statistics import Statistics, statistics
from streamproc.web.read_model.writer import Arrived, Position, Writer
from tests.web.read_model.records import DELIVERIES, INCIDENTS, START, alert, arrived, delivery, link, uid

STATUSES = ("open", "acknowledged", "escalated", "suppressed", "resolved")
FAR = START + 10 * 365 * 86_400_000


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    writer = Writer(tmp_path / "api" / "read-model.sqlite")
    yield writer
    writer.close()


def put(writer: Writer, records: list[Arrived]) -> None:
    ends = {(record.topic, record.partition): Position(record.offset + 1) for record in records}
    writer.apply(records, ends, 0)


def everything(writer: Writer, tenant: str | None = None) -> list[dict[str, Any]]:
    reader = open_reader(writer.path)
    try:
        return queries.list_alerts(reader, Filters(tenant), None, 10_000).items
    finally:
        reader.close()


def counted(writer: Writer, tenant: str | None = None) -> Statistics:
    reader = open_reader(writer.path)
    try:
        return statistics(reader, tenant, 0, FAR)
    finally:
        reader.close()


def sound(writer: Writer) -> None:
    """The file's indices, its search index and its counts agree with its rows."""
    assert writer.connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    writer.connection.execute("INSERT INTO alert_words (alert_words) VALUES ('integrity-check')")
    found, alerts = counted(writer), everything(writer)
    assert found.alerts == len(alerts)
    assert found.triggers == sum(doc["trigger_count"] for doc in alerts)
    assert found.statuses == Counter((doc["status"], doc["severity"]) for doc in alerts)
    by_rule = Counter(doc["rule"]["id"] for doc in alerts)
    assert {rule.id: rule.alerts for rule in found.rules} == by_rule


changes = st.lists(
    st.tuples(
        st.integers(0, 5),  # which alert
        st.integers(1, 6),  # revision
        st.sampled_from(STATUSES),
        st.sampled_from(["low", "high"]),
        st.sampled_from(["a", "b"]),  # rule
        st.booleans(),  # a tombstone instead
    ),
    max_size=40,
)


@given(changes, st.lists(st.integers(1, 9), min_size=1, max_size=6), st.booleans())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_records_in_any_order_fold_as_the_plainest_reader_does(
    tmp_path: Path, made: list[tuple[int, int, str, str, str, bool]], cuts: list[int], again: bool
) -> None:
    docs: list[dict[str, Any] | str] = [
        uid(number)
        if gone
        else alert(number, revision, status=status, severity=severity, rule=rule, tenant_id=f"t{number % 2}")
        for number, revision, status, severity, rule, gone in made
    ]
    if again:
        docs = docs + docs[: len(docs) // 2]
    oracle: dict[str, dict[str, Any]] = {}
    for doc in docs:
        if isinstance(doc, str):
            oracle.pop(doc, None)
        elif doc["id"] not in oracle or doc["revision"] >= oracle[doc["id"]]["revision"]:
            oracle[doc["id"]] = doc
    path = tmp_path / "fold.sqlite"
    forget(path)
    writer = Writer(path)
    records, at = arrived(docs), 0
    while at < len(records):
        size = cuts[at % len(cuts)]
        put(writer, records[at : at + size])
        at += size
        if size == 3:  # now and then in another process
            writer.close()
            writer = Writer(path)
    wanted = sorted(oracle.values(), key=lambda doc: (doc["created_at"], doc["id"]), reverse=True)
    assert everything(writer) == wanted
    assert everything(writer, "t1") == [doc for doc in wanted if doc["tenant_id"] == "t1"]
    sound(writer)
    writer.close()


def test_a_file_made_anew_is_equal(writer: Writer, tmp_path: Path) -> None:
    rng = random.Random(4)
    docs = [
        alert(number, rng.randrange(1, 5), status=rng.choice(STATUSES), at=number % 20)
        for number in (rng.randrange(80) for _ in range(400))
    ]
    for start in range(0, 400, 37):
        put(writer, arrived(docs[start : start + 37], start=start))
    other = Writer(tmp_path / "other.sqlite")
    put(other, arrived(docs))
    same_moment = everything(other)
    assert everything(writer) == same_moment, "the order within a millisecond too"
    assert counted(writer) == counted(other)
    before = writer.epoch
    writer.rebuild()
    assert everything(writer) == []
    assert writer.positions() == {}
    assert writer.epoch != before
    put(writer, arrived(docs))
    assert everything(writer) == same_moment
    sound(writer)
    other.close()


def test_a_batch_that_fails_leaves_nothing(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    put(writer, arrived([alert(1)]))
    changed = writer.changed

    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("disk is full")

    with monkeypatch.context() as patched:
        patched.setattr("streamproc.web.read_model.apply_others.links", fail)
        with pytest.raises(sqlite3.OperationalError):
            put(writer, arrived([alert(2, rule="new-words"), alert(1, 2)], start=1))
    assert [doc["revision"] for doc in everything(writer)] == [1]
    assert writer.positions() == {("alerts", 0): Position(1)}
    assert writer.changed == changed
    put(writer, arrived([alert(2, rule="new-words"), alert(1, 2)], start=1))
    assert len(everything(writer)) == 2
    sound(writer)


def test_a_file_that_is_broken_or_old_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "read-model.sqlite"
    path.write_bytes(b"this is no database, but long enough to be taken for one" * 100)
    writer = Writer(path)
    put(writer, arrived([alert(1)]))
    writer.connection.execute("PRAGMA user_version = 77")
    writer.close()
    writer = Writer(path)
    assert everything(writer) == []
    writer.close()


def test_what_is_no_document_is_passed_over(writer: Writer) -> None:
    bad = [
        Arrived("alerts", 0, 0, 0, b"x", b"{"),
        Arrived("alerts", 0, 1, 0, b"x", b'{"id": 7}'),
        Arrived("alerts", 0, 2, 0, b"\xff", None),
        Arrived("deliveries", 0, 0, 0, b"x", b"[]"),
        Arrived("incidents", 0, 0, 0, b"x", b"null"),
    ]
    applied = writer.apply([*bad, *arrived([alert(3)], start=3)], {}, 0)
    assert applied.unreadable == 5
    assert len(everything(writer)) == 1


def test_answers_to_commands_are_told_also_of_revisions_that_were_overtaken(writer: Writer) -> None:
    docs = [
        alert(1, 2, last_command={"id": "c1", "action": "acknowledge", "result": "done"}),
        alert(1, 2, last_command={"id": "c2", "action": "acknowledge", "result": "refused: …"}),
        alert(1, 3, last_command={"id": "c3", "action": "resolve", "result": "done"}),
    ]
    applied = writer.apply(arrived(docs), {}, 0)
    assert [command for command, _ in applied.commands] == ["c1", "c2", "c3"]
    (shown,) = everything(writer)
    assert shown["last_command"]["id"] == "c3"


def test_words_follow_the_alert(writer: Writer) -> None:
    def found(text: str) -> int:
        reader = open_reader(writer.path)
        try:
            return len(queries.list_alerts(reader, Filters("acme", words=expression(text) or ""), None, 10).items)
        finally:
            reader.close()

    put(writer, arrived([alert(1, title="Impossible travel", group={"actor.id": "bob@example.com"})]))
    assert (found("travel"), found("bob@example.com"), found("BOB"), found("203.0.113.1"), found("exam*")) == (
        1,
        1,
        1,
        0,
        1,
    )
    put(writer, arrived([alert(1, 2, title="Nothing of note", group={"actor.id": "bob@example.com"})], start=1))
    assert (found("travel"), found("note"), found("note bob"), found("note eve")) == (0, 1, 1, 0)
    put(writer, arrived([uid(1)], start=2))
    assert found("note") == 0
    sound(writer)


def test_acted_is_what_people_did(writer: Writer) -> None:
    done = {"at": "2026-01-01T00:00:00.000Z", "from": "open", "to": "resolved", "revision": 2}
    put(
        writer,
        arrived(
            [
                alert(1),
                alert(2, acknowledged_at="2026-01-01T00:00:00.000Z"),
                alert(3, status="resolved", history=[{**done, "by": "ann"}]),
                alert(4, status="resolved", history=[{**done, "by": "streamproc"}]),
            ]
        ),
    )
    assert (counted(writer).acted, counted(writer).alerts) == (2, 4)


def test_deliveries_are_counted_and_pruned(writer: Writer) -> None:
    suppressed = delivery(2, 1, state="suppressed", reason="cooldown", channel=None, count=3, attempts=[])
    records = [
        delivery(1, 1, state="retrying", reason="timeout"),
        suppressed,
        delivery(1, 1),
        {**suppressed, "count": 7},
    ]
    put(writer, arrived(records, DELIVERIES))
    assert counted(writer, "acme").deliveries == [
        ("", "suppressed", "cooldown", 1, 7),
        ("slack/security", "delivered", "ok", 1, 0),
    ]
    reader = open_reader(writer.path)
    assert [doc["count"] for doc in queries.deliveries_of(reader, uid(1))] == [0, 7]
    assert queries.deliveries_of(reader, uid(2)) == []
    reader.close()
    assert writer.keep(0, START + 1500, None) == 1
    assert [row[1] for row in counted(writer, "acme").deliveries] == ["suppressed"]
    put(writer, arrived([suppressed["id"]], DELIVERIES, start=4))
    assert counted(writer, "acme").deliveries == []


def test_incidents_are_folded_from_links(writer: Writer) -> None:
    put(
        writer,
        arrived([link("inc_a", 1, at=5, severity="low"), link("inc_a", 2, at=9), link("inc_b", 3, at=7)], INCIDENTS),
    )
    reader = open_reader(writer.path)
    page = queries.list_incidents(reader, "acme", [], None, 10)
    assert [(one["id"], one["alert_count"], one["severity"]) for one in page.items] == [
        ("inc_b", 1, "high"),
        ("inc_a", 2, "high"),
    ]
    assert queries.list_incidents(reader, "other", [], None, 10).items == []
    put(writer, arrived([link("inc_b", 3, at=7, alert_status="resolved"), f"inc_a/{uid(1)}"], INCIDENTS, start=3))
    assert [one["id"] for one in queries.list_incidents(reader, None, ["resolved"], None, 10).items] == ["inc_b"]
    assert [one["id"] for one in queries.list_incidents(reader, None, [], None, 10).items] == ["inc_a", "inc_b"]
    put(writer, arrived([f"inc_b/{uid(3)}"], INCIDENTS, start=5))
    assert queries.get_incidents(reader, "inc_b") == []
    (incident,) = queries.get_incidents(reader, "inc_a")
    assert [one["id"] for one in incident["alerts"]] == [uid(2)]
    assert milliseconds(incident["created_at"]) == START + 9
    reader.close()


def test_letters_keep_their_bytes_and_go_with_their_topic(writer: Writer) -> None:
    headers = (("reason", b"not_json"), ("origin-topic", b"events"), ("original-x", b"\xff\x00"))
    made = [
        Arrived("dead-letters", 1, n, START + n, b"k", b"\xff\x00{", headers, "acme" if n % 2 else None)
        for n in range(50)
    ]
    put(writer, made + made[:3])
    reader = open_reader(writer.path)
    letters, more = queries.list_letters(reader, Filters(), None, 30)
    assert [letter.offset for letter in letters] == list(range(49, 19, -1))
    rest, end = queries.list_letters(reader, Filters(), more, 30)
    assert [letter.offset for letter in rest] == list(range(19, -1, -1))
    assert end is None
    own, _ = queries.list_letters(reader, Filters("acme", {"reason": ["not_json"]}), None, 100)
    assert [letter.offset for letter in own] == list(range(49, 0, -2))
    letter = queries.get_letter(reader, "1-7")
    assert letter is not None
    assert (letter.key, letter.value, letter.headers, letter.tenant) == (b"k", b"\xff\x00{", headers, "acme")
    writer.keep(0, None, START + 48)
    assert len(queries.list_letters(reader, Filters(), None, 100)[0]) == 2
    reader.close()
