"""Lists: filters and search find what a naive reader finds; pages neither skip nor repeat while rows arrive."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streamproc.model.time_text import milliseconds
from streamproc.web.read_model import lists, queries
from streamproc.web.read_model.lists import Filters
from streamproc.web.read_model.places import CursorError, cursor, packed, place_of, read_cursor
from streamproc.web.read_model.rows import split
from streamproc.web.read_model.schema import forget, open_reader
from streamproc.web.read_model.search import expression
from streamproc.web.read_model.writer import Position, Writer
from tests.web.read_model.records import START, alert, arrived, uid

STATUSES = ("open", "acknowledged", "resolved")
SEVERITIES = ("low", "high", "critical")
RULES = ("logins", "logins-x", "travel")
WORDS = ("alpha", "beta-gamma", "user.login", "10.0.0.1", "é́té", "@t1", "a+b")


def made(number: int, rng: random.Random) -> dict[str, Any]:
    return alert(
        number,
        tenant_id=rng.choice(("acme", "globex")),
        status=rng.choice(STATUSES),
        severity=rng.choice(SEVERITIES),
        category=rng.choice((None, "identity")),
        rule=rng.choice(RULES),
        assignee=rng.choice((None, None, "ann")),
        title=" ".join(rng.sample(WORDS, 2)),
        at=rng.randrange(30),
        group={"actor.id": f"user_{rng.randrange(5)}"},
    )


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, list[dict[str, Any]]]]:
    rng = random.Random(11)
    docs = [made(number, rng) for number in range(400)]
    writer = Writer(tmp_path_factory.mktemp("lists") / "read-model.sqlite")
    writer.apply(arrived(docs), {("alerts", 0): Position(400)}, 0)
    reader = open_reader(writer.path)
    yield reader, sorted(docs, key=lambda doc: (doc["created_at"], doc["id"]), reverse=True)
    reader.close()
    writer.close()


def subsets(values: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from((*values, "nowhere")), max_size=3, unique=True)


@given(
    st.sampled_from((None, "acme", "globex", "nobody")),
    st.fixed_dictionaries(
        {
            "status": subsets(STATUSES),
            "severity": subsets(SEVERITIES),
            "rule": subsets(RULES),
            "assignee": subsets(("ann",)),
        }
    ),
    st.one_of(st.none(), st.integers(0, 30)),
    st.one_of(st.none(), st.integers(0, 30)),
    st.one_of(
        st.none(),
        st.sampled_from(
            (*WORDS[:5], "login", "gamma beta", "missing", "bet*", "a*", "user_*", "gamma-*", "user_1", "!!")
        ),
    ),
    st.sampled_from((1, 40)),
)
@settings(max_examples=300)
def test_filters_find_what_a_naive_reader_finds(
    many: tuple[Any, list[dict[str, Any]]],
    tenant: str | None,
    facets: dict[str, list[str]],
    since: int | None,
    until: int | None,
    text: str | None,
    few: int,
) -> None:
    reader, docs = many
    chosen = {name: values for name, values in facets.items() if values}
    filters = Filters(
        tenant,
        chosen,
        None if since is None else START + since,
        None if until is None else START + until,
        None if text is None else expression(text) or "",
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(lists, "FEW", few)  # whichever index is walked, the same is found
        found = queries.list_alerts(reader, filters, None, 500).items

    def passes(doc: dict[str, Any]) -> bool:
        shown = {
            "status": doc["status"],
            "severity": doc["severity"],
            "rule": doc["rule"]["id"],
            "assignee": doc["assignee"],
        }
        return (
            tenant in (None, doc["tenant_id"])
            and all(shown[name] in values for name, values in chosen.items())
            and (since is None or milliseconds(doc["created_at"]) >= START + since)
            and (until is None or milliseconds(doc["created_at"]) < START + until)
            and (text is None or spoken(text, doc))
        )

    assert [doc["id"] for doc in found] == [doc["id"] for doc in docs if passes(doc)]


def spoken(text: str, doc: dict[str, Any]) -> bool:
    """As the documentation says it: every word is there, whole or in all its parts."""
    texts = (doc["title"], doc["reason"], doc["rule"]["name"], doc["rule"]["id"], *map(str, doc["group"].values()))
    there = {word for one in texts for word in split(one)}
    chunks = [list(split(chunk)) for chunk in text.split()]
    if text.endswith("*"):
        return any(word.startswith(chunks[0][0]) for word in there)
    return any(chunks) and all(
        chunk[0] in there or (len(chunk) > 1 and set(chunk[1:]) <= there and not chunk[1].isdigit())
        for chunk in chunks
        if chunk
    )


@given(
    st.lists(st.tuples(st.integers(0, 400), st.booleans()), min_size=5, max_size=60, unique_by=lambda one: one[0]),
    st.integers(1, 7),
    st.randoms(use_true_random=False),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_pages_neither_skip_nor_repeat_while_rows_arrive(
    tmp_path: Path, numbers: list[tuple[int, bool]], size: int, rng: random.Random
) -> None:
    """Half of the alerts are there at first. Between pages others arrive, which are newer, and any are changed."""
    path = tmp_path / "pages.sqlite"
    forget(path)
    writer = Writer(path)
    first = [number for number, _ in numbers[: len(numbers) // 2]]
    newest = max(first)
    later = [newest + 1 + number for number, _ in numbers[len(numbers) // 2 :]]
    # several to a millisecond
    writer.apply(arrived([alert(number, at=number // 4) for number in first]), {}, 0)
    reader = open_reader(path)
    seen: list[str] = []
    text: str | None = None
    while True:
        before = None if text is None else read_cursor(text, "alerts")
        page = queries.list_alerts(reader, Filters("acme"), before, size)
        seen += [doc["id"] for doc in page.items]
        assert len(page.items) <= size
        if page.more is None:
            break
        text = cursor(page.more, "alerts")
        if later:
            writer.apply(arrived([alert(number := later.pop(), at=newest // 4 + 1 + number)]), {}, 0)
        changed = rng.choice(first)
        writer.apply(arrived([alert(changed, rng.randrange(2, 9), at=changed // 4, status="resolved")]), {}, 0)
    old = sorted(first, key=lambda number: (number // 4, uid(number)), reverse=True)
    assert seen == [uid(number) for number in old]
    reader.close()
    writer.close()


def test_a_page_of_large_documents_ends_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer(tmp_path / "read-model.sqlite")
    writer.apply(arrived([alert(number, description="x" * 50_000) for number in range(9)]), {}, 0)
    reader = open_reader(writer.path)
    monkeypatch.setattr(lists.documents, "__defaults__", (120_000,))
    seen, before = [], None
    while True:
        page = queries.list_alerts(reader, Filters(), before, 5)
        assert 1 <= len(page.items) <= 2
        seen += [doc["id"] for doc in page.items]
        before = page.more
        if before is None:
            break
    assert seen == [uid(number) for number in range(8, -1, -1)]
    reader.close()
    writer.close()


def test_another_tenants_text_cannot_pass_for_a_filter(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "read-model.sqlite")
    marks = " ".join(f"@t{n} t{n}" for n in range(1, 9))
    writer.apply(
        arrived([alert(1), alert(2, tenant_id="evil", title=f"attack {marks}"), alert(3, title="attack")]), {}, 0
    )
    reader = open_reader(writer.path)
    found = queries.list_alerts(reader, Filters("acme", words=expression("attack") or ""), None, 10).items
    assert [doc["id"] for doc in found] == [uid(3)]
    assert queries.list_alerts(reader, Filters("acme", words=expression("@t2 @s1") or ""), None, 10).items == []
    reader.close()
    writer.close()


@given(st.text(max_size=40))
@settings(max_examples=300)
def test_whatever_is_typed_can_be_searched(many: tuple[Any, list[dict[str, Any]]], text: str) -> None:
    reader, _ = many
    queries.list_alerts(reader, Filters("acme", words=expression(text) or ""), None, 5)


@given(st.text(max_size=30))
def test_only_a_lists_own_cursor_is_taken(text: str) -> None:
    good = cursor(12345 << 21, "alerts status=open")
    assert read_cursor(good, "alerts status=open") == 12345 << 21
    with pytest.raises(CursorError):
        read_cursor(good, "alerts")
    if text != good:
        with pytest.raises(CursorError):
            read_cursor(text, "alerts status=open")


@given(st.integers(-10, 1 << 44), st.integers(-10, 1 << 44), st.uuids(), st.uuids())
def test_places_sort_by_time_then_id(one: int, other: int, a: Any, b: Any) -> None:
    first, second = place_of(one, packed(f"alt_{a}")), place_of(other, packed(f"alt_{b}"))
    assert 0 <= first < 1 << 63
    clamped = [min(max(t, 0), (1 << 42) - 1) for t in (one, other)]
    if clamped[0] != clamped[1]:
        assert (first < second) == (clamped[0] < clamped[1])
    elif str(a)[:5] != str(b)[:5]:
        assert (first < second) == (str(a) < str(b))


def test_ids_are_packed_apart() -> None:
    plain = "0" * 8 + "-0000-0000-0000-" + "0" * 12
    ids = ["alt_" + plain, "dlv_" + plain, plain, "ALT_" + plain, "alt_x", "x", "", "alt_" + plain.upper() + "0"]
    assert len({packed(id) for id in ids}) == len(ids)


def test_related_alerts_share_group_actor_or_rule(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "read-model.sqlite")
    docs = [
        alert(1, rule="a", group={"actor.id": "bob"}),
        alert(2, rule="b", group={"actor.id": "bob"}),
        alert(3, rule="a", group={"actor.id": "eve"}),
        alert(4, rule="c", group={"actor.ip": "10.0.0.1"}, event={"actor": {"id": "bob"}}),
        alert(5, rule="d", group={"actor.id": "eve"}),
        alert(6, rule="a", group={"actor.id": "bob"}, tenant_id="globex"),
    ]
    writer.apply(arrived(docs), {}, 0)
    reader = open_reader(writer.path)
    found = {doc["id"]: why for doc, why in queries.related_alerts(reader, uid(1), 10)}
    assert found == {uid(2): ["group", "actor"], uid(3): ["rule"], uid(4): ["actor"]}
    assert queries.related_alerts(reader, uid(99), 10) == []
    reader.close()
    writer.close()
