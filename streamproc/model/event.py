"""The audit event: what every source is turned into, and why a record could not be."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import orjson

from streamproc.model.hit import EVENTS_PER_RECORD

MIN_TIME_MS: Final = 0
"""1970-01-01T00:00:00.000Z, the earliest time an event may carry."""
MAX_TIME_MS: Final = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z, the latest."""


class Reason(StrEnum):
    """Why a record is not an event; the values label metrics and dead letters."""

    TOMBSTONE = "tombstone"
    EMPTY = "empty"
    TOO_LARGE = "too_large"
    NOT_UTF8 = "not_utf8"
    LONE_SURROGATE = "lone_surrogate"
    NOT_JSON = "not_json"
    NOT_FINITE = "not_finite"
    NOT_OBJECT = "not_object"
    TOO_DEEP = "too_deep"
    TOO_MANY_EVENTS = "too_many_events"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    NUMBER_TOO_LARGE = "number_too_large"
    TOO_LONG = "too_long"
    BAD_TENANT = "bad_tenant"
    FOREIGN_TENANT = "foreign_tenant"
    BAD_ACTION = "bad_action"
    BAD_TIME = "bad_time"
    TIME_OUT_OF_RANGE = "time_out_of_range"
    UNKNOWN_FORMAT = "unknown_format"
    UNMAPPED = "unmapped"


class EventError(ValueError):
    """A record that is not an event. ``str()`` is ``path: value is not what was expected``."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(slots=True)
class Event:
    """One audit event in its canonical form.

    ``time`` and ``arrival`` are milliseconds since the epoch in UTC: ``time`` is what the producer said, not
    clamped, within ``MIN_TIME_MS .. MAX_TIME_MS``; ``arrival`` is the record's timestamp (in a backtest the
    event's own time). ``doc`` is the nested document that rules and alerts see; ``id``, ``tenant_id``,
    ``action``, ``outcome`` and ``event_time`` (ISO 8601, milliseconds, ``Z``) are always in it. ``written`` are
    the record's own bytes where they were canonical already, else None until ``raw`` is asked for: most events of
    native formats match no rule. ``place`` is its place in the source partition, as in ``model.hit``: offset *
    EVENTS_PER_RECORD + index in the record.
    """

    tenant: str
    id: str
    action: str
    time: int
    arrival: int
    doc: dict[str, Any]
    written: bytes | None
    place: int = 0

    @property
    def raw(self) -> bytes:
        """The JSON of ``doc``. Decoding it again gives the same ``doc``."""
        if self.written is None:
            self.written = orjson.dumps(self.doc)
        return self.written

    @property
    def offset(self) -> int:
        """The offset of the record it came from."""
        return self.place // EVENTS_PER_RECORD
