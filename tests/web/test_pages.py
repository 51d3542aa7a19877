"""The dashboard's files as they are served, and the texts that people write in it."""

from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from streamproc.config.documents import parse_documents
from streamproc.web.pages import static_files, text_of
from tests.web.conftest import Api

SCRIPTS = {name: file.content.decode() for name, file in static_files().items() if name.endswith(".js")}
MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|setAttribute\(.style"
)


def test_nothing_is_loaded_from_elsewhere_and_nothing_stands_in_the_page() -> None:
    page = static_files()["index.html"].content.decode()
    assert "style=" not in page
    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []
    named = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page))
    for text in SCRIPTS.values():
        named |= {f"/static/{name}" for name in re.findall(r'(?:from |import\()"\./([^"]+)"', text)}
    assert {name.removeprefix("/static/") for name in named} <= set(static_files())
    assert set(SCRIPTS) <= {name.removeprefix("/static/") for name in named}, "no file that nobody loads"
    for name, file in static_files().items():
        if name.endswith(".css"):
            assert b"url(" not in file.content
            assert b"@import" not in file.content


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_comes_from_the_api_cannot_become_markup(name: str) -> None:
    assert MARKUP.findall(SCRIPTS[name]) == []


DOCUMENT = {
    "id": "r",
    "enabled": True,
    "title": "a: b # c",
    "text": "one\ntwo\n",
    "condition": {"action": {"in": ["no", "1", "~"]}, "count": 5, "actor.ip": "2026-01-01"},
    "tests": [{"name": "x", "events": [{"action": "a"}]}, {"name": "y", "events": []}],
    "none": None,
    "when": "09:00",
}


def test_a_document_comes_back_from_its_text() -> None:
    (read,) = parse_documents(text_of(DOCUMENT), "text")
    assert read.content == DOCUMENT
    assert read.lines["condition.count"] != read.lines["condition.action"], "a field a line"
    assert text_of({"a": [1, 2]}) == "a: [1, 2]\n"
    shared = ["x"]
    assert "&" not in text_of({"a": shared, "b": shared})
    assert yaml.safe_load(text_of({"a": {}, "b": []})) == {"a": {}, "b": []}


PLAIN = st.one_of(
    st.none(), st.booleans(), st.integers(-(1 << 63), (1 << 64) - 1), st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=("Cs",)), max_size=12),
    st.from_regex(r"[-+.0-9eExo~_:]{1,6}", fullmatch=True),
)  # fmt: skip
NAMES = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",)), max_size=6), st.sampled_from(["<<", "no", "1", "~", ""])
)
JSON = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=12
)


@example({"\x85": "a\u2028b\r\n"})
@given(st.dictionaries(NAMES, JSON, max_size=4))
def test_any_document_comes_back_from_its_text(document: dict[str, object]) -> None:
    (read,) = parse_documents(text_of(document), "text")
    assert read.content == document


@pytest.mark.broker
async def test_files_are_served_once_and_strictly(api: Api) -> None:
    page = await api("GET", "/", token=None)
    assert "/static/app.js" in page.text
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    script = await api("GET", "/static/app.js", token=None)
    assert script.headers["Content-Type"].startswith("text/javascript")
    again = {"If-None-Match": script.headers["ETag"]}
    assert (await api("GET", "/static/app.js", token=None, headers=again, status=304)).text == ""
    await api("GET", "/static/nothing.js", token=None, status=404)
    await api("GET", "/static/..%2fpages.py", token=None, status=404)


@pytest.mark.broker
async def test_texts_are_read_with_their_lines(api: Api) -> None:
    async def read(text: str) -> dict[str, object]:
        answer: dict[str, object] = (await api("POST", "/dashboard/read", {"text": text})).json
        return answer

    found = await read("name: x\ncondition:\n  count: 5\n")
    assert found["document"] == {"name": "x", "condition": {"count": 5}}
    assert found["lines"] == {"name": 1, "condition": 2, "condition.count": 3}
    assert (await read('{"a": [1]}'))["document"] == {"a": [1]}
    assert (await read("a: 1\na: 2"))["error"] == {"line": 2, "message": "a: is given twice"}
    assert (await read("a: 1\nb: {x"))["error"] is not None
    assert (await read("# nothing"))["error"] == {"line": 1, "message": "has no document: write its fields"}
    assert (await read("a: 1\n---\nb: 2"))["error"] == {"line": 3, "message": "has more than one document"}
    assert (await read("just text"))["error"] is not None
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{new}: &{new} [{','.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert (await read(bomb))["error"] is not None
    assert (await api("POST", "/dashboard/write", {"document": {"a": 1}})).json == {"text": "a: 1\n"}
    await api("POST", "/dashboard/read", {"text": "a: 1"}, token=None, status=401)
    await api("POST", "/dashboard/write", {"document": {}}, token=None, status=401)
