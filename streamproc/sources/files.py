"""Files of records: JSON lines, a JSON array, one JSON document, or an envelope of records; plain or gzip."""

import gzip
import io
import json
import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import orjson

from streamproc.sources.json_text import BOM

_GZIP: Final = b"\x1f\x8b"
_BLANK: Final = " \t\r\n"
_SCANNER: Final = json.JSONDecoder(parse_int=lambda digits: 0, parse_float=lambda digits: 0.0)
"""Finds where a JSON value ends; what the value is, the event decoder says."""


class RecordFileError(ValueError):
    """A file of which not even the records can be told apart. `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


class RecordFile:
    """An open file of records; iterating it gives (line number, the record's own bytes).

    `name` may be `-`, standard input. `size` is in bytes, None where it is not known; `position` is how much
    of it has been read. Iterating raises RecordFileError where an array or envelope is broken, and OSError
    where the file or its compression is. A line that is not JSON is a record like others: it is the decoder
    that refuses it.
    """

    def __init__(self, name: str, envelope: str | None = None) -> None:
        self.name = name
        self._envelope = envelope
        self._file: BinaryIO = sys.stdin.buffer if name == "-" else Path(name).open("rb")  # noqa: SIM115
        self.size = None if name == "-" else Path(name).stat().st_size

    @property
    def position(self) -> int:
        """Bytes read so far, as they are in the file (compressed, if it is)."""
        return 0 if self.size is None else self._file.tell()

    def __enter__(self) -> "RecordFile":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not sys.stdin.buffer:
            self._file.close()

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        try:
            yield from split_records(_unpacked(self._file), self._envelope)
        except (EOFError, zlib.error) as error:
            raise OSError(f"is not a complete gzip file ({error})") from error


def split_records(stream: BinaryIO, envelope: str | None = None) -> Iterator[tuple[int, bytes]]:
    """(line number, bytes) of each record in `stream`; `envelope` as in `registry.Source`."""
    skipped, first = _first_line(stream)
    if first.startswith(b"[") or (first and not _is_json(first)):
        content = first + stream.read()
        if first.startswith(b"[") or _is_json(content):
            yield from _split_document(content, skipped, envelope)
            return
        stream = io.BytesIO(content)  # lines after all, of which the first is broken
    elif first:
        yield from _split_line(skipped + 1, first.strip(), envelope)
        skipped += 1
    for number, line in enumerate(stream, skipped + 1):
        line = line.strip()
        if line:
            yield from _split_line(number, line, envelope)


def _unpacked(file: BinaryIO) -> BinaryIO:
    # by its first bytes, not by its name: standard input has none
    buffered = file if isinstance(file, io.BufferedReader) else io.BufferedReader(file)  # type: ignore[type-var]
    return gzip.GzipFile(fileobj=buffered) if buffered.peek(2)[:2] == _GZIP else buffered  # type: ignore[return-value]


def _first_line(stream: BinaryIO) -> tuple[int, bytes]:
    """How many blank lines there are before the first other one, and that one, without a byte order mark."""
    skipped = 0
    for line in stream:
        line = (line.removeprefix(BOM) if not skipped else line).lstrip()
        if line:
            return skipped, line
        skipped += 1
    return skipped, b""


def _is_json(content: bytes) -> bool:
    try:
        orjson.loads(content)
    except ValueError:
        return False
    return True


def _split_line(number: int, line: bytes, envelope: str | None) -> Iterator[tuple[int, bytes]]:
    # the field's name is looked for first, as most lines hold a record and need not be read twice
    if envelope is not None and f'"{envelope}"'.encode() in line and _is_json(line):
        for _, record in _split_document(line, 0, envelope):
            yield number, record
    else:
        yield number, line


def _split_document(content: bytes, skipped: int, envelope: str | None) -> Iterator[tuple[int, bytes]]:
    """The elements of an array, or of the list in the envelope, else the document as it is."""
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = skipped + content.count(b"\n", 0, error.start) + 1
        raise RecordFileError(line, f"byte {content[error.start]:#04x} is not UTF-8") from None
    scan = _Scan(text, skipped)
    if text.startswith("["):
        start = 0
    else:
        found = None if envelope is None else scan.field(envelope)
        if found is None:
            yield skipped + 1, content.strip()
            return
        start = found
    yield from scan.elements(start)


class _Scan:
    """Walks a JSON text and cuts elements out of it, byte for byte as they are written."""

    def __init__(self, text: str, skipped: int) -> None:
        self._text = text
        self._line = skipped + 1
        self._counted = 0

    def field(self, name: str) -> int | None:
        """Where the list under `name` of the top-level object starts, or None when there is none."""
        at = self._skip(1)
        while self._text[at : at + 1] == '"':
            key, at = self._value(at)
            at = self._skip(self._skip(at) + 1)  # the colon
            if key == name and self._text[at : at + 1] == "[":
                return at
            _, at = self._value(at)
            at = self._skip(at)
            if self._text[at : at + 1] == ",":
                at = self._skip(at + 1)
        return None

    def elements(self, start: int) -> Iterator[tuple[int, bytes]]:
        """Of the array that starts at `start`."""
        at = self._skip(start + 1)
        if self._text[at : at + 1] == "]":
            return
        while True:
            _, end = self._value(at)
            yield self._line_of(at), self._text[at:end].encode("utf-8")
            at = self._skip(end)
            following = self._text[at : at + 1]
            if following == "]":
                rest = self._skip(at + 1)
                if start == 0 and rest < len(self._text):
                    raise RecordFileError(self._line_of(rest), "there is more after the list")
                return
            if following != ",":
                raise RecordFileError(self._line_of(at), "the list does not go on with a comma or end with ]")
            at = self._skip(at + 1)

    def _value(self, at: int) -> tuple[Any, int]:
        scan: Callable[[str, int], tuple[Any, int]] = _SCANNER.raw_decode
        try:
            return scan(self._text, at)
        except RecursionError:
            raise RecordFileError(self._line_of(at), "a record nests too deep to be read") from None
        except json.JSONDecodeError as error:
            raise RecordFileError(self._line_of(error.pos), f"is not JSON: {error.msg}") from None

    def _skip(self, at: int) -> int:
        text = self._text
        while at < len(text) and text[at] in _BLANK:
            at += 1
        return at

    def _line_of(self, at: int) -> int:
        self._line += self._text.count("\n", self._counted, at)
        self._counted = max(self._counted, at)
        return self._line
