"""Files of documents: what YAML and JSON mean here, and where an error is said to be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streamproc.config.documents import DocumentFileError, parse_documents, read_documents


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"),  # the country
        ("yes", "yes"),
        ("off", "off"),
        ("true", True),
        ("False", False),
        ("09:00", "09:00"),  # YAML 1.1 has 17:30 as 1050
        ("17:30", "17:30"),
        ("2026-01-01", "2026-01-01"),
        ("010", 10),
        ("0x1F", 31),
        ("0o17", 15),
        ("1_000", "1_000"),
        ("1e3", 1000.0),
        ("-1.5", -1.5),
        (".5", 0.5),
        ("~", None),
        ("", None),
        ("null", None),
        ("5m", "5m"),
        ('"10"', "10"),
        ("1.2.3.4", "1.2.3.4"),
    ],
)
def test_plain_yaml_values_are_what_they_look_like(text: str, value: Any) -> None:
    (document,) = parse_documents(f"a: {text}", "f.yaml")
    assert document.content == {"a": value}
    assert type(document.content["a"]) is type(value)


def test_many_documents_in_a_file_and_their_lines() -> None:
    text = "a: 1\n---\n- b: {c: [x,\n        y]}\n- d: 2\n---\n---\ne: 3\n"
    documents = parse_documents(text, "f.yaml")
    assert [document.content for document in documents] == [{"a": 1}, {"b": {"c": ["x", "y"]}}, {"d": 2}, {"e": 3}]
    assert [document.line for document in documents] == [1, 3, 5, 8]
    assert documents[1].at("b.c[1]") == "f.yaml:4"
    assert documents[1].at("b.c[1].not.written") == "f.yaml:4"
    assert documents[1].at("nothing") == documents[1].at() == "f.yaml:3"


@pytest.mark.parametrize(
    ("name", "text", "count"),
    [
        ("f.json", '{"a": 1}', 1),
        ("f.json", '[{"a": 1}, {"b": 2}]', 2),
        ("f.jsonl", '{"a": 1}\n\n{"b": 2}\n', 2),
        ("f.yaml", '{"a": 1}', 1),
        ("f.yaml", "", 0),
        ("-", "a: 1", 1),
    ],
)
def test_forms_of_files(name: str, text: str, count: int) -> None:
    assert len(parse_documents(text, name)) == count


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("f.yaml", "a: 1\nb: 2\na: 3\n", "f.yaml:3: a: is given twice"),
        ("f.yaml", "a:\n  b: [1\n", "f.yaml:3: "),
        ("f.yaml", "a: .nan", "f.yaml:1: a: nan is not a finite number"),
        ("f.yaml", "\n\na: {b: [0, .inf]}", "f.yaml:3: a.b[1]: inf is not a finite number"),
        ("f.yaml", "1: 2", "f.yaml:1: 1: 1 is not text"),
        ("f.yaml", "a: 99999999999999999999", "is not a 64-bit number; put it in quotes"),
        ("f.yaml", f"a: {'9' * 5000}", "f.yaml:1: "),
        ("f.yaml", "just text", "f.yaml:1: 'just text' is not a document"),
        ("f.yaml", "a: !!python/object/apply:os.getcwd []", "f.yaml:1: could not determine a constructor"),
        ("f.yaml", "a: &a {b: *a}", "nested deeper than 32"),
        ("f.yaml", "a: " + "[" * 2000, "f.yaml"),
        ("f.yaml", "a: '\x00'", "f.yaml"),
        ("f.json", '{"a": 1', "f.json:1: is not JSON"),
        ("f.json", "[1]", "f.json:1: 1 is not a document"),
        ("f.jsonl", '{"a": 1}\n{"a"', "f.jsonl:2: is not JSON"),
    ],
)
def test_what_cannot_be_read_is_one_line_with_its_place(name: str, text: str, message: str) -> None:
    with pytest.raises(DocumentFileError) as error:
        parse_documents(text, name)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_directories_are_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("b.yaml", "a.yml", "sub/c.json"):
        (tmp_path / name).write_text(f'{{"name": "{name}"}}')
    (tmp_path / "notes.txt").write_text("not a document")
    assert [document.content["name"] for document in read_documents([tmp_path])] == ["a.yml", "b.yaml", "sub/c.json"]


def test_missing_files_and_empty_directories_are_named(tmp_path: Path) -> None:
    with pytest.raises(DocumentFileError, match="nothing\\.yaml: cannot be read: No such file"):
        read_documents([tmp_path / "nothing.yaml"])
    with pytest.raises(DocumentFileError, match="has no \\.yaml"):
        read_documents([tmp_path])
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9")
    with pytest.raises(DocumentFileError, match="is not UTF-8 text"):
        read_documents([tmp_path])
