"""Bytes → JSON document, with a reason for each way in which bytes are not one."""

import json
import re
from typing import Any, Final, NoReturn

import orjson

from streamproc.model.event import EventError, Reason

MAX_BYTES: Final = 256 * 1024
"""The most an event may take, as received and in canonical form."""
MAX_LEVELS: Final = 32
"""How deep objects and lists may nest; the event itself is level 1."""

BOM: Final = b"\xef\xbb\xbf"
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")


def parse_json(value: bytes | None) -> Any:
    """The document in ``value``; of equal keys in one object the last wins, a byte order mark is skipped.

    Raises EventError: ``tombstone``, ``empty``, ``too_large``, ``not_utf8``, ``not_json``, ``not_finite``
    (NaN, Infinity, 1e400), ``lone_surrogate`` or ``too_deep``. Nothing else is raised, whatever the bytes.
    """
    if value is None:
        raise EventError(Reason.TOMBSTONE, "value: null is not an event (the record is a tombstone)")
    if len(value) > MAX_BYTES:
        raise EventError(Reason.TOO_LARGE, f"value: {len(value)} bytes is not at most {MAX_BYTES}")
    value = value.removeprefix(BOM)
    try:
        doc = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        _explain(value, error)
    if not is_shallow(value):
        check_depth(doc)
    return doc


def check_depth(doc: Any) -> None:
    """Raise EventError ``too_deep`` when ``doc`` nests more than ``MAX_LEVELS`` levels."""
    level = [doc]
    for _ in range(MAX_LEVELS):
        level = [
            child
            for node in level
            for child in (node.values() if type(node) is dict else node if type(node) is list else ())
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return
    raise _too_deep()


def is_shallow(text: bytes, below: int = 0) -> bool:
    """True when so few brackets are in the text that it cannot nest too deep, `below` levels further down; cheaper
    than `check_depth`."""
    return text.count(b"{") + text.count(b"[") + below <= MAX_LEVELS


def _too_deep() -> EventError:
    return EventError(Reason.TOO_DEEP, f"value: more than {MAX_LEVELS} levels of objects and lists is not an event")


def _not_finite(constant: str) -> NoReturn:
    raise EventError(Reason.NOT_FINITE, f"value: {constant[:20]} is not a finite number")


def _float(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        _not_finite(digits)
    return number


def _explain(value: bytes, error: orjson.JSONDecodeError) -> NoReturn:
    """Find why orjson refused: the slower standard parser is more lenient, and has hooks at the usual
    suspects."""
    if not value.strip():
        raise EventError(Reason.EMPTY, "value: no bytes is not a JSON object") from None
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise EventError(
            Reason.NOT_UTF8, f"value: byte {problem.start} ({value[problem.start]:#04x}) is not UTF-8"
        ) from None
    try:
        doc = json.loads(text, parse_constant=_not_finite, parse_float=_float, parse_int=_integer)
        check_depth(doc)
        if _SURROGATE.search(json.dumps(doc, ensure_ascii=False)):
            raise EventError(
                Reason.LONE_SURROGATE,
                "value: half of a surrogate pair (\\ud800 to \\udfff) is not a character",
            )
    except EventError:
        raise
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        pass  # neither parser can read it
    raise EventError(Reason.NOT_JSON, f"value: line {error.lineno} column {error.colno} is not JSON: {error.msg}")


def _integer(digits: str) -> float:
    # not int(): Python refuses thousands of digits, and orjson reads integers beyond 64 bits as floats too
    return _float(digits)
