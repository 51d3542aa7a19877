"""What travels on the `signals` topic: frames of hits, commands and ticks, each one record.

A record's value is a kind byte and a version byte, then msgpack. All signals of a partition are applied in the
order of the log, so a tick that follows a frame tells a time at which that frame had been sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ormsgpack

from streamproc.model.command import Action, Command

VERSION = 1
_FRAME, _COMMAND, _TICK = b"h", b"c", b"t"
SPLIT_BYTES = 512 * 1024
"""A frame is closed once its documents exceed this."""


class SignalError(ValueError):
    """A record on `signals` that this version cannot read."""


@dataclass(frozen=True, slots=True)
class RuleRef:
    """The rule a hit was made with, and the tenant of the event."""

    owner: str
    rule_id: str
    revision: int
    counting_hash: bytes
    tenant: str


@dataclass(frozen=True, slots=True)
class Frame:
    """Hits for one `signals` partition, from one source partition, in the order of its offsets.

    A row is a `Hit` whose first place is an index into `refs`. `config_offset` is how far the `config` topic had
    been read by the process that matched.
    """

    source: str
    config_offset: int
    refs: tuple[RuleRef, ...]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Tick:
    """Stream time by source partition ("events/3" → ms): everything that arrived before it has been routed."""

    times: dict[str, int]


Signal = Frame | Command | Tick


def pack_frame(source: str, config_offset: int, refs: Sequence[tuple[Any, ...]], rows: Sequence[Any]) -> bytes:
    """The bytes of a frame; `refs` are plain tuples in the order of `RuleRef`'s fields."""
    return b"h\x01" + ormsgpack.packb([source, config_offset, refs, rows])


def pack_command(command: Command) -> bytes:
    """The bytes of a command."""
    return b"c\x01" + ormsgpack.packb(
        [
            command.id,
            command.alert_id,
            command.fingerprint,
            str(command.action),
            command.by,
            command.at,
            command.revision,
            command.note,
            command.resolution,
        ]
    )


def pack_tick(times: dict[str, int]) -> bytes:
    """The bytes of a tick."""
    return b"t\x01" + ormsgpack.packb(times)


def unpack(value: bytes | None) -> Signal:
    """Any signal from its bytes. Raises SignalError."""
    if not value or len(value) < 3 or value[1] != VERSION:
        raise SignalError("not a signal of version 1")
    kind = value[:1]
    try:
        body = ormsgpack.unpackb(memoryview(value)[2:])
        if kind == _FRAME:
            source, config_offset, refs, rows = body
            return Frame(source, config_offset, tuple(RuleRef(*ref) for ref in refs), rows)
        if kind == _TICK:
            return Tick(body)
        if kind == _COMMAND:
            id_, alert, fp, action, by, at, revision, note, resolution = body
            return Command(id_, alert, fp, Action(action), by, at, revision, note, resolution)
    except (ValueError, TypeError) as error:
        raise SignalError(f"a signal of kind {kind!r} that cannot be read: {error}") from error
    raise SignalError(f"a signal of unknown kind {kind!r}")
