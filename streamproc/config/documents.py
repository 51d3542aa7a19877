"""Files that people write: YAML or JSON, one or many documents, with the line that each part stands on.

YAML is read as version 1.2 reads it, which is what people expect: `no` and `09:00` and `2026-01-01` are text,
only `true` and `false` are booleans, and a key given twice is an error.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import orjson
import yaml

STANDARD_INPUT = "-"
SUFFIXES = (".yaml", ".yml", ".json", ".jsonl", ".ndjson")
_MAX_DEPTH = 32
_MAX_PARTS = 400_000
"""Of one document. YAML's anchors make any number of parts out of a few lines."""


class DocumentFileError(ValueError):
    """A file that cannot be read; the text is one line that says which, where and why."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file."""

    source: str
    line: int
    content: dict[str, Any]
    lines: Mapping[str, int]
    """Line of each path, such as `condition.group_by[0]`; empty for JSON."""

    def at(self, path: str = "") -> str:
        """`file:line` of a path, or of the nearest part above it that was written."""
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return f"{self.source}:{self.lines.get(path, self.line)}"


def read_documents(paths: Iterable[str | Path]) -> list[Document]:
    """All documents of the files, in order; of a directory those below it that end in .yaml, .yml or .json.

    Raises DocumentFileError.
    """
    found: list[Document] = []
    for path in paths:
        for file in _files(Path(path)):
            found += parse_documents(_text(file), str(file))
    return found


def parse_documents(text: str, source: str) -> list[Document]:
    """The documents of one file's text; `source` is its name in messages; its suffix says what it holds."""
    if source.endswith((".jsonl", ".ndjson")):
        lines = enumerate(text.splitlines(), 1)
        return [_checked(_json(line, source, number), source, number, {}) for number, line in lines if line.strip()]
    if source.endswith(".json"):
        content = _json(text, source, 1)
        documents = content if isinstance(content, list) else [content]
        return [_checked(document, source, 1, {}) for document in documents]
    return list(_yaml(text, source))


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.rglob("*") if file.suffix in SUFFIXES and file.is_file())
    if not files:
        raise DocumentFileError(f"{path}: has no {', '.join(SUFFIXES)} files")
    return files


def _text(path: Path) -> str:
    try:
        return sys.stdin.read() if str(path) == STANDARD_INPUT else path.read_text(encoding="utf-8")
    except OSError as error:
        raise DocumentFileError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DocumentFileError(f"{path}: is not UTF-8 text") from None


def _json(text: str, source: str, line: int) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise DocumentFileError(f"{source}:{line + error.lineno - 1}: is not JSON: {error.msg}") from None


def _yaml(text: str, source: str) -> Iterator[Document]:
    loader = _Loader(text)
    try:
        while loader.check_node():
            root: yaml.Node = loader.get_node()
            nodes = root.value if isinstance(root, yaml.SequenceNode) else [root]
            for node in nodes:
                lines: dict[str, int] = {}
                _note_lines(node, "", lines, 0)
                content = loader.construct_document(node)
                if content is not None:
                    yield _checked(content, source, node.start_mark.line + 1, lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark is not None else 1
        raise DocumentFileError(f"{source}:{line}: {error.problem or 'is not YAML'}") from None
    except yaml.YAMLError as error:
        raise DocumentFileError(f"{source}: is not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise DocumentFileError(f"{source}: is nested too deeply") from None
    finally:
        loader.dispose()


def _note_lines(node: yaml.Node, path: str, lines: dict[str, int], depth: int) -> None:
    if depth > _MAX_DEPTH:
        return
    if len(lines) > _MAX_PARTS:
        raise yaml.constructor.ConstructorError(None, None, f"has more than {_MAX_PARTS} parts", node.start_mark)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = f"{path}.{key.value}" if path else str(key.value)
            lines[below] = key.start_mark.line + 1
            _note_lines(value, below, lines, depth + 1)
    elif isinstance(node, yaml.SequenceNode):
        for place, value in enumerate(node.value):
            lines[f"{path}[{place}]"] = value.start_mark.line + 1
            _note_lines(value, f"{path}[{place}]", lines, depth + 1)


def _checked(content: Any, source: str, line: int, lines: Mapping[str, int]) -> Document:
    if not isinstance(content, dict):
        raise DocumentFileError(f"{source}:{line}: {content!r:.60} is not a document (a map of fields)")
    document = Document(source, line, content, lines)
    for path, message in _not_json(content, "", 0):
        raise DocumentFileError(f"{document.at(path)}: {path}: {message}")
    return document


def _not_json(value: Any, path: str, depth: int) -> Iterator[tuple[str, str]]:
    """What of it JSON, and so the config topic, cannot carry."""
    if depth > _MAX_DEPTH:
        yield path, f"is nested deeper than {_MAX_DEPTH} levels"
    elif isinstance(value, dict):
        for name, item in value.items():
            below = f"{path}.{name}" if path else str(name)
            if not isinstance(name, str):
                yield below, f"{name!r} is not text, as a field's name must be; put it in quotes"
            yield from _not_json(item, below, depth + 1)
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _not_json(item, f"{path}[{place}]", depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        yield path, f"{value} is not a finite number"
    elif isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        yield path, f"{value} is not a 64-bit number; put it in quotes"
    elif isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            yield path, "is not Unicode text"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # the C parser where there is one
    """YAML 1.2, core schema."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen and name != "<<":
                raise yaml.constructor.ConstructorError(None, None, f"{name}: is given twice", key.start_mark)
            seen.add(name)
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)
        return mapping

    def construct_core_int(self, node: yaml.ScalarNode) -> int:
        text = str(self.construct_scalar(node))
        if len(text) > 40:  # far beyond 64 bits; do not spend time on it
            raise yaml.constructor.ConstructorError(None, None, "is too long a number", node.start_mark)
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_core_int)
for tag, pattern, first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("merge", "<<", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"), first)
