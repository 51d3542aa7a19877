"""What travels on the `signals` topic: frames of hits, commands, ticks and seeds, each one record.

A record's value is a kind byte and a version byte, then msgpack. All signals of a partition are applied in the
order of the log, so a tick that follows a frame tells a time at which that frame had been sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import ormsgpack

from streamproc.alerting.fingerprint import partition_of
from streamproc.model.command import Action, Command
from streamproc.model.hit import Hit

_FRAME, _COMMAND, _TICK, _SEED = b"h", b"c", b"t", b"s"
_VERSIONS: dict[bytes, tuple[int, ...]] = {_COMMAND: (1, 2)}
"""What can be read of each kind; 1 where nothing is said. Version 1 of a command ends with its resolution."""
SPLIT_BYTES = 512 * 1024
"""A frame is closed once its documents exceed this."""


class SignalError(ValueError):
    """A record on `signals` that this version cannot read."""


class RuleRef(NamedTuple):
    """The rule a hit was made with, and the tenant of the event."""

    owner: str
    rule_id: str
    revision: int
    counting_hash: bytes
    tenant: str


@dataclass(frozen=True, slots=True)
class Frame:
    """Hits for one `signals` partition, from one source partition, in the order of its offsets.

    A row is a `Hit`; `refs` says what its first place means. `config_offset` is how far the `config` topic had
    been read by the process that matched.
    """

    source: str
    config_offset: int
    refs: Mapping[int, RuleRef]
    rows: Sequence[Hit]


@dataclass(frozen=True, slots=True)
class Tick:
    """Stream time by source partition ("events/3" → ms): everything that arrived before it has been routed."""

    times: dict[str, int]


class PastAlert(NamedTuple):
    """An alert that a backfill found: its whole record, and when it was resolved (ms)."""

    alert_id: str
    resolved_at: int
    record: bytes


@dataclass(frozen=True, slots=True)
class Seed:
    """What a backfill learnt of one key: its window as the detector encodes it, and alerts of the past.

    `ref` says the rule that it was learnt with; a key learns nothing from a rule that counts something else by now.
    """

    ref: RuleRef
    fingerprint: bytes
    group: tuple[Any, ...]
    touched: int
    window: Any = None
    alerts: Sequence[PastAlert] = ()


Signal = Frame | Command | Tick | Seed


def frames(
    source: str, config_offset: int, hits: Sequence[Hit], ref: Callable[[int], RuleRef], partitions: int
) -> list[tuple[int, Frame]]:
    """Hits of one source partition, in order, as (partition, frame) pairs; a frame is split at `SPLIT_BYTES`."""
    open_rows: dict[int, list[Hit]] = {}
    sizes: dict[int, int] = {}
    done: list[tuple[int, Frame]] = []

    def close(partition: int) -> None:
        rows = open_rows.pop(partition)
        sizes.pop(partition)
        refs = {number: ref(number) for number in {row[0] for row in rows}}
        done.append((partition, Frame(source, config_offset, refs, rows)))

    for hit in hits:
        partition = partition_of(hit[1], partitions)
        rows = open_rows.get(partition)
        if rows is None:
            rows = open_rows[partition] = []
            sizes[partition] = 0
        rows.append(hit)
        size = sizes[partition] = sizes[partition] + len(hit[8]) + 128
        if size > SPLIT_BYTES:
            close(partition)
    for partition in list(open_rows):
        close(partition)
    return done


def pack_frame(frame: Frame) -> bytes:
    """The bytes of a frame."""
    refs = [(number, *ref) for number, ref in frame.refs.items()]
    return b"h\x01" + ormsgpack.packb([frame.source, frame.config_offset, refs, frame.rows])


def pack_command(command: Command) -> bytes:
    """The bytes of a command."""
    return b"c\x02" + ormsgpack.packb(
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
            command.incident_id,
            command.assignee,
            command.until,
            command.reason,
        ]
    )


def pack_tick(times: dict[str, int]) -> bytes:
    """The bytes of a tick."""
    return b"t\x01" + ormsgpack.packb(times)


def pack_seed(seed: Seed) -> bytes:
    """The bytes of a seed."""
    return b"s\x01" + ormsgpack.packb(
        [
            list(seed.ref),
            seed.fingerprint,
            seed.group,
            seed.touched,
            seed.window,
            [list(alert) for alert in seed.alerts],
        ]
    )


def unpack(value: bytes | None) -> Signal:
    """Any signal from its bytes. Raises SignalError, and nothing else.

    A frame's rows are not looked into, as there are a great many: only `pack_frame` makes them.
    """
    if not value or len(value) < 3 or value[1] not in _VERSIONS.get(value[:1], (1,)):
        raise SignalError("not a signal of a known version")
    kind = value[:1]
    try:
        body = ormsgpack.unpackb(memoryview(value)[2:])
        if kind == _FRAME:
            source, config_offset, refs, rows = body
            _check((source, config_offset, refs, rows), _FRAME_TYPES)
            return Frame(source, config_offset, {number: _ref(*ref) for number, *ref in refs}, rows)
        if kind == _TICK:
            for pair in body.items():
                _check(pair, _TIME_TYPES)
            return Tick(body)
        if kind == _COMMAND:
            return _command(body, value[1])
        if kind == _SEED:
            ref, fp, group, touched, window, alerts = body
            _check((fp, group, touched, alerts), _SEED_TYPES)
            return Seed(_ref(*ref), fp, tuple(group), touched, window, [PastAlert(*alert) for alert in alerts])
    except (ValueError, TypeError, AttributeError) as error:
        raise SignalError(f"a signal of kind {kind!r} that cannot be read: {error}") from error
    raise SignalError(f"a signal of unknown kind {kind!r}")


_NONE = type(None)
_TEXT, _MAYBE_TEXT, _NUMBER = (str,), (str, _NONE), (int,)
_FRAME_TYPES = (_TEXT, _NUMBER, (list,), (list,))
_REF_TYPES = (_TEXT, _TEXT, _NUMBER, (bytes,), _TEXT)
_SEED_TYPES = ((bytes,), (list,), _NUMBER, (list,))
_TIME_TYPES = (_TEXT, _NUMBER)
_COMMAND_TYPES = (
    _TEXT,
    _TEXT,
    (bytes,),
    _TEXT,
    _TEXT,
    _NUMBER,
    (int, _NONE),
    _MAYBE_TEXT,
    _MAYBE_TEXT,
)
_MORE_COMMAND_TYPES = (_MAYBE_TEXT, _MAYBE_TEXT, (int, _NONE), _MAYBE_TEXT)
_LAST_MS = 253_402_300_799_999
"""The end of the year 9999: later times have no ISO 8601 text."""


def _command(body: Sequence[Any], version: int) -> Command:
    _check(body, _COMMAND_TYPES if version == 1 else (*_COMMAND_TYPES, *_MORE_COMMAND_TYPES))
    id_, alert, fp, action, by, at, *rest = body
    command = Command(id_, alert, fp, Action(action), by, at, *rest)
    for moment in (command.at, command.until or 0):
        if not 0 <= moment <= _LAST_MS:
            raise ValueError(f"{moment} is no time, in ms since the epoch")
    return command


def _check(values: Sequence[object], types: Sequence[tuple[type, ...]]) -> None:
    for value, wanted in zip(values, types, strict=True):
        if type(value) not in wanted:
            raise TypeError(f"{value!r:.40} is no {wanted[0].__name__}")


def _ref(*values: Any) -> RuleRef:
    _check(values, _REF_TYPES)
    return RuleRef(*values)
