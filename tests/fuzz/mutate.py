"""Inputs that are almost right: samples with pieces changed, as bytes and as JSON. All follows from the seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**53, 2**63, -(2**63), 1e308, -0.0, 1.5, "", " ", "*", "?", "\0", "\u2028", "𝕏"),
    *("..", "a.b", "-", "${X}", "{{ x }}", "{% for i in (1..9) %}", "9" * 400, "é" * 70, "x" * 5000),
    *([], {}, [[]], [{}], {"": None}, {"$sealed": "x"}, ["a"] * 200, [1, "1", None, {"a": [1]}]),
    *("2026-02-10T14:32:15.123Z", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "30d", "7 * * * *", "CRON"),
    *("10.0.0.0/8", "::1", "(a+)+$", "[", "high", "critical", "default", "UTC", "Europe/Berlin"),
)
WORDS = ("id", "type", "condition", "all", "any", "none", "matches", "in", "not", "regex", "group_by", "raw", "steps")


def inputs(samples: Sequence[bytes], seed: int) -> Iterator[bytes]:
    """Without end: samples changed in one to a few places."""
    rng = random.Random(seed)
    documents = [doc for doc in map(_parsed, samples) if doc is not None]
    while True:
        if documents and rng.random() < 0.7:
            document = rng.choice(documents)
            for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
                document = _changed(document, rng, 0)
            try:
                yield orjson.dumps(document)
            except orjson.JSONEncodeError:  # a whole number beyond 64 bits
                continue
        else:
            yield _cut(rng.choice(samples), rng)


def _parsed(sample: bytes) -> Any:
    try:
        return orjson.loads(sample)
    except orjson.JSONDecodeError:
        return None


def _changed(value: Any, rng: random.Random, depth: int) -> Any:
    if depth > 12 or rng.random() < 0.15:
        return _odd(value, rng)
    if isinstance(value, dict) and value:
        key = rng.choice(list(value))
        match rng.randrange(6):
            case 0:
                return {other: inner for other, inner in value.items() if other != key}
            case 1:
                return {**value, rng.choice((*WORDS, str(key).swapcase(), f"{key}_", "a.b")): value[key]}
            case 2:
                return {**value, rng.choice((*WORDS, *map(str, value))): rng.choice(ODD)}
            case _:
                return {**value, key: _changed(value[key], rng, depth + 1)}
    if isinstance(value, list) and value:
        place = rng.randrange(len(value))
        match rng.randrange(4):
            case 0:
                return value[:place] + value[place + 1 :]
            case 1:
                return value + [value[place]] * rng.choice((1, 2, 150))
            case _:
                return [*value[:place], _changed(value[place], rng, depth + 1), *value[place + 1 :]]
    return _odd(value, rng)


def _odd(value: Any, rng: random.Random) -> Any:
    match rng.randrange(6):
        case 0:
            return [value]
        case 1:
            return {"a": value}
        case 2 if isinstance(value, str):
            return value + rng.choice(("", " ", "*", "\0", value, "é"))
        case 3 if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**60:
            return value * rng.choice((-1, 0, 2, 0.5, 1000))
        case 4:
            nested: Any = value
            for _ in range(rng.choice((5, 40, 300))):
                nested = [nested] if rng.random() < 0.5 else {"a": nested}
            return nested
        case _:
            return rng.choice(ODD)


def _cut(sample: bytes, rng: random.Random) -> bytes:
    data = bytearray(sample)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(5):
            case 0:
                del data[at : at + rng.choice((1, 2, 16))]
            case 1:
                data[at:at] = rng.randbytes(rng.choice((1, 4)))
            case 2 if data:
                data[at % len(data)] ^= 1 << rng.randrange(8)
            case 3:
                del data[at:]
            case _:
                data[at:at] = data[at : at + rng.choice((3, 30))]
    return bytes(data)
