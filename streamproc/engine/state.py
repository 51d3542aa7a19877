"""The stored state of one key (a fingerprint), and its bytes.

Layout: a header of fixed size, so that recovery and scans need not decode the rest, then a msgpack list.

    version u8 | timer u64 | rule hash 8 bytes | msgpack [...]

`timer` is the stream time at which the key has to be looked at again; the table keeps an index by it. The same
bytes go to RocksDB and to the changelog. Version 1 differs in the episode (`LAYOUTS`) and in what `retired` keeps; it
is read for ever, and a key is written anew when it next changes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import ormsgpack

from streamproc.alerting.episode import LAYOUTS, Episode
from streamproc.alerting.fingerprint import rule_hash
from streamproc.engine.changes import KEY, RETIRED

VERSION = 2
_HEADER = struct.Struct(">BQ8s")
HEADER_BYTES = _HEADER.size
NEVER = (1 << 63) - 1


class StateError(ValueError):
    """Stored bytes that this version cannot read."""


class KeyState:
    """Everything known of one key.

    `guard` maps a source partition ("events/3") to the highest offset applied from it: a hit at or below it is a
    replay. `touched` is the arrival time of the latest hit. `window` belongs to the rule's detector; until that is
    known, `stored` holds its encoded form.
    """

    __slots__ = (
        "counting_hash",
        "episode",
        "fingerprint",
        "group",
        "guard",
        "owner",
        "rule_id",
        "stored",
        "tenant",
        "timer",
        "touched",
        "window",
    )

    def __init__(
        self, fingerprint: bytes, tenant: str, owner: str, rule_id: str, counting_hash: bytes, group: tuple[Any, ...]
    ) -> None:
        self.fingerprint = fingerprint
        self.tenant = tenant
        self.owner = owner
        self.rule_id = rule_id
        self.counting_hash = counting_hash
        self.group = group
        self.guard: dict[str, int] = {}
        self.touched = 0
        self.timer = NEVER
        self.window: Any = None
        self.stored: Any = None
        self.episode: Episode | None = None


def encode(state: KeyState) -> bytes:
    """The key's bytes; `state.stored` must be up to date with `state.window`."""
    episode = state.episode
    return _HEADER.pack(VERSION, state.timer, rule_hash_of(state.owner, state.rule_id)) + ormsgpack.packb(
        [
            state.tenant,
            state.owner,
            state.rule_id,
            state.counting_hash,
            state.group,
            state.guard,
            state.touched,
            state.stored,
            None if episode is None else episode.encode(),
        ]
    )


def decode(fingerprint: bytes, value: bytes) -> KeyState:
    """The state, its window still encoded. Raises StateError for bytes of an unknown version or shape."""
    version = value[0] if value else 0
    if version not in LAYOUTS:
        raise StateError(f"key {fingerprint.hex()}: state version {version} is not 1 or 2; a newer release wrote it")
    try:
        _, timer, _ = _HEADER.unpack_from(value)
        tenant, owner, rule_id, counting_hash, group, guard, touched, window, episode = ormsgpack.unpackb(
            memoryview(value)[HEADER_BYTES:]
        )
        state = KeyState(fingerprint, tenant, owner, rule_id, counting_hash, tuple(group))
        state.guard, state.touched, state.timer, state.stored = guard, touched, timer, window
        if episode is not None:
            state.episode = Episode.decode(episode, version)
    except (ValueError, TypeError, KeyError, struct.error) as error:
        raise StateError(f"key {fingerprint.hex()}: {error}") from error
    return state


def timer_of(value: bytes) -> int:
    """The header's timer, without decoding the rest."""
    return int.from_bytes(value[1:9], "big")


def stored_timer(key: bytes, value: bytes) -> int | None:
    """The timer index entry of a stored record, for recovery."""
    if key[:1] not in (KEY, RETIRED):
        return None
    timer = timer_of(value)
    return None if timer == NEVER else timer


def rule_hash_in(value: bytes) -> bytes:
    """The header's rule hash, without decoding the rest."""
    return value[9:17]


_hashes: dict[tuple[str, str], bytes] = {}


def rule_hash_of(owner: str, rule_id: str) -> bytes:
    """`rule_hash`, remembered: it is needed at every write."""
    key = (owner, rule_id)
    found = _hashes.get(key)
    if found is None:
        if len(_hashes) > 100_000:
            _hashes.clear()
        found = _hashes[key] = rule_hash(owner, rule_id)
    return found


def retired(when: int, tenant: str, incidents: Sequence[str] = ()) -> bytes:
    """The value of a resolved alert that gets its tombstone at stream time `when`; its links to `incidents` too."""
    return _HEADER.pack(VERSION, when, b"\0" * 8) + ormsgpack.packb([tenant, list(incidents)])


def retired_of(value: bytes) -> tuple[str, list[str]]:
    """The tenant and the incidents in a value made by `retired`."""
    if value[0] == 1:
        return value[HEADER_BYTES:].decode(), []
    tenant, incidents = ormsgpack.unpackb(memoryview(value)[HEADER_BYTES:])
    return tenant, incidents
