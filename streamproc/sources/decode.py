"""Kafka records → events: the first thing that happens to every byte that comes in."""

from collections.abc import Callable, Iterable, Sequence
from gc import is_tracked
from operator import itemgetter
from typing import Any, Final, Protocol

import orjson

from streamproc.model.event import MAX_TIME_MS, Event, EventError, Reason
from streamproc.model.hit import EVENTS_PER_RECORD
from streamproc.sources.canonical import MAX_ID, canonicalise, check_tenant
from streamproc.sources.enrich import Enrich
from streamproc.sources.json_text import BOM, MAX_BYTES, check_depth, is_shallow, parse_json
from streamproc.sources.outcomes import OUTCOMES
from streamproc.sources.registry import CANONICAL, SOURCES, Source, unknown_format
from streamproc.sources.shorten import shorten
from streamproc.sources.spellings import FLAT
from streamproc.sources.times import strict_second

FORMAT_HEADER: Final = "source-format"
"""Record header that names the format of one record, whatever its topic's."""
TENANT_HEADER: Final = "source-tenant"
"""Record header that fixes the tenant of one record, as a topic's `tenant` does for all of them."""

Headers = Iterable[tuple[str, bytes | None]]
Wanted = Callable[[str, dict[str, Any]], object]

SURELY_FITS: Final = 16 * 1024
"""A record of so many bytes, mapped, is less than `MAX_BYTES`: no number is written more than six times as long, and
what is taken out of the record is no longer than it."""

_FIVE: Final = itemgetter("id", "tenant_id", "action", "outcome", "event_time")
_SECONDS: Final = {f"{s:02d}.": s * 1000 for s in range(60)}
_MILLIS: Final = {f"{ms:03d}Z": ms for ms in range(1000)}
_NOTHING: Final[dict[str, Any]] = {}
_OTHER_SPELLINGS: Final = FLAT | {"outcomeRaw"}
_MAX_REMEMBERED: Final = 20_000


class Record(Protocol):
    """What is read of a Kafka record; aiokafka's records are such, wrapped or as they come off the wire."""

    @property
    def value(self) -> bytes | None: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


class Decoder:
    """Decodes the records of one source topic.

    `format` is one of `registry.FORMATS`. `tenant` fixes the tenant: canonical events may name no other, and
    native records belong to it whatever account they name. `enrich` adds to each event once it is right: what it
    adds counts for no limit. Raises ValueError for a format or tenant that cannot be.

    It remembers tenants, actions and minutes it has seen, bounded, only to save work: what it answers depends
    on nothing but its arguments.
    """

    __slots__ = ("_actions", "_enrich", "_minutes", "_source", "_tenant", "_tenants", "skipped", "topic")

    def __init__(
        self, topic: str, format: str = CANONICAL, tenant: str | None = None, enrich: Enrich | None = None
    ) -> None:
        if format != CANONICAL and format not in SOURCES:
            raise ValueError(f"format: {unknown_format(format)}")
        self.topic = topic
        self._source = SOURCES.get(format)
        self._tenant = None if tenant is None else check_tenant(tenant, "tenant")
        self._enrich = enrich
        self._tenants: set[str] = set()
        self._actions: set[str] = set()
        self._minutes: dict[str, int] = {}
        self.skipped = 0
        """Native records that were as they should be, but no events of their own. Whoever counts them sets it back."""

    def decode(
        self, value: bytes | None, partition: int, offset: int, arrival: int | None, headers: Headers = ()
    ) -> list[Event]:
        """The events of one record: one, or those of its envelope (CloudTrail's `Records`) or list; none where its
        source has records that are no events (Kubernetes' early stages).

        `arrival` is the record's timestamp in ms. None, or negative as Kafka says it, means that there is
        none: then the event must carry its time, which is also its arrival.
        Raises EventError, and nothing else; of an envelope, when any of its records is not an event.
        """
        events, error = self._decode(value, partition, offset, arrival, headers)
        if error is not None:
            raise error
        self._add_to(events)
        return events

    def decode_batch(
        self, records: Iterable[Record], partition: int | None = None, wanted: Wanted | None = None
    ) -> tuple[list[Event], list[tuple[int, EventError]]]:
        """The events of many records, in order, and an error with its index for each record that is not an
        event.

        `partition` is where the records come from; None: each record says so itself (`ConsumerRecord.partition`).
        As `decode` on each, but of an envelope the records that are events are answered beside the error.
        Every event is validated; with `wanted(tenant, doc)` only those are answered for which it is true,
        which saves making the others.
        """
        events: list[Event] = []
        errors: list[tuple[int, EventError]] = []
        if self._source is not None:
            for index, record in enumerate(records):
                self._add(index, record, partition, wanted, events, errors)
            return events, errors
        # A canonical event, as most are, pays for nothing but a look at each of its fields. Whatever is not
        # quite so, good or bad, goes through `canonicalise`; both agree, so this loop is only about time.
        # Names are local, and tests are ordered and phrased for speed: see
        # docs/adr/measure/decode_and_match.py.
        loads, five, join, tracked, append = orjson.loads, _FIVE, "".join, is_tracked, events.append
        tenants, actions, outcomes = self._tenants, self._actions, OUTCOMES
        minutes, seconds, millis, enrich = self._minutes, _SECONDS, _MILLIS, self._enrich
        prefix, base = "?", 0
        for index, record in enumerate(records):
            value: Any = record.value
            arrival: Any = record.timestamp
            try:
                doc = loads(value)  # None raises, and goes the long way
                id, tenant, action, outcome, text = five(doc)
                if not text.startswith(prefix):
                    minute = text[:17]
                    base = (minutes[minute] if minute in minutes else self._minute(minute)) + seconds[text[17:20]]
                    prefix = text[:20]
                time = base + millis[text[20:]]
                actor = doc.get("actor", _NOTHING)
                resource = doc.get("resource", _NOTHING)
                metadata = doc.get("metadata", _NOTHING)
                source = doc.get("source", "")
                join((id, source, *actor.values(), *resource.values()))  # raises unless all are text
                plain = (
                    tenant in tenants
                    and action in actions
                    and outcome in outcomes
                    and 0 < len(id) <= MAX_ID
                    and len(value) <= MAX_BYTES
                    and not record.headers
                    and 0 <= arrival <= MAX_TIME_MS
                    and type(metadata) is dict
                    # CPython does not track a dict of scalars for garbage collection: it has no further level
                    and (not tracked(metadata) or is_shallow(value))
                    and "userAgent" not in actor
                    and (
                        len(doc)
                        == 5
                        + (actor is not _NOTHING)
                        + (resource is not _NOTHING)
                        + (metadata is not _NOTHING)
                        + ("source" in doc)
                        or _extras_are_plain(doc, value)
                    )
                )
            except (LookupError, TypeError, ValueError, AttributeError):
                plain = False
            if not plain:
                self._add(index, record, partition, wanted, events, errors)
                continue
            if enrich is not None and enrich(doc):
                value = None  # written anew, if a rule matches
            if wanted is None or wanted(tenant, doc):
                place = record.offset * EVENTS_PER_RECORD
                append(Event(tenant, id, action, time, arrival, doc, value, place))
        return events, errors

    def _add(
        self,
        index: int,
        record: Record,
        partition: int | None,
        wanted: Wanted | None,
        events: list[Event],
        errors: list[tuple[int, EventError]],
    ) -> None:
        if partition is None:
            partition = record.partition  # type: ignore[attr-defined]  # required then, see decode_batch
        found, error = self._decode(record.value, partition, record.offset, record.timestamp, record.headers or ())
        self._add_to(found)
        events.extend(event for event in found if wanted is None or wanted(event.tenant, event.doc))
        if error is not None:
            errors.append((index, error))

    def _add_to(self, events: list[Event]) -> None:
        if self._enrich is not None:
            for event in events:
                if self._enrich(event.doc):
                    event.written = None

    def _decode(
        self, value: bytes | None, partition: int, offset: int, arrival: int | None, headers: Headers
    ) -> tuple[list[Event], EventError | None]:
        events: list[Event] = []
        default_id = f"{self.topic}-{partition}-{offset}"
        place = offset * EVENTS_PER_RECORD
        try:
            if arrival is not None and arrival > MAX_TIME_MS:
                raise EventError(
                    Reason.TIME_OUT_OF_RANGE, f"record timestamp: {arrival} ms is not before the year 10000"
                )
            if arrival is not None and arrival < 0:
                arrival = None
            source, tenant = self._asked(headers)
            doc = parse_json(value)
            envelope = None if source is None else source.envelope
            if source is not None and type(doc) is list:  # an envelope without a name
                envelope, doc = "", {"": doc}
            if type(doc) is not dict:
                raise EventError(Reason.NOT_OBJECT, f"value: {shorten(doc)} is not an object")
            if source is None:
                assert value is not None  # parse_json refuses tombstones
                events.append(self._canonical(doc, value, default_id, arrival, tenant, place))
                return events, None
            records = doc.get(envelope) if envelope is not None else None
            if type(records) is not list:
                assert value is not None
                self._native(events, source, doc, default_id, arrival, tenant, place, len(value), is_shallow(value, 1))
                return events, None
            if len(records) > EVENTS_PER_RECORD:
                raise EventError(
                    Reason.TOO_MANY_EVENTS,
                    f"{envelope or 'value'}: {len(records)} records is not at most {EVENTS_PER_RECORD}",
                )
        except EventError as error:
            return events, error
        errors: list[EventError] = []
        for index, record in enumerate(records):
            try:
                if type(record) is not dict:
                    raise EventError(Reason.NOT_OBJECT, f"value: {shorten(record)} is not an object")
                default = f"{default_id}-{index}"
                self._native(events, source, record, default, arrival, tenant, place + index, MAX_BYTES, False)
            except EventError as error:
                errors.append(EventError(error.reason, f"{envelope}[{index}]: {error.message}"))
        if len(errors) > 1:
            first = errors[0]
            return events, EventError(first.reason, f"{first.message} (and {len(errors) - 1} more)")
        return events, errors[0] if errors else None

    def _canonical(
        self,
        doc: dict[str, Any],
        value: bytes,
        default_id: str,
        arrival: int | None,
        tenant: str | None,
        place: int,
    ) -> Event:
        time, changed = canonicalise(doc, default_id, arrival, tenant)
        raw = _bounded(doc) if changed or value.startswith(BOM) else value
        _remember(self._tenants, doc["tenant_id"])  # of a fixed tenant, no other gets here
        _remember(self._actions, doc["action"])
        return _event(doc, time, arrival, raw, place)

    def _native(
        self,
        events: list[Event],
        source: Source,
        record: dict[str, Any],
        default_id: str,
        arrival: int | None,
        tenant: str | None,
        place: int,
        size: int,
        shallow: bool,
    ) -> None:
        doc = source.map(record)
        if doc is None:
            self.skipped += 1
            return
        if tenant is not None:
            doc["tenant_id"] = tenant
        doc["raw"] = record
        time, _ = canonicalise(doc, default_id, arrival, tenant)
        # What a record of its own says in a few KiB cannot grow past the limit, so that it is written only when a
        # rule matches; of an envelope the size of one record is not known.
        raw = None if size <= SURELY_FITS else _bounded(doc)
        if not shallow:
            check_depth(doc)  # the record is one level deeper under `raw`
        events.append(_event(doc, time, arrival, raw, place))

    def _asked(self, headers: Headers) -> tuple[Source | None, str | None]:
        """The source and the fixed tenant of a record with these headers; of equal headers the last
        counts."""
        source, tenant = self._source, self._tenant
        for name, content in headers:
            if name == FORMAT_HEADER:
                format = (content or b"").decode("utf-8", "replace")
                if format != CANONICAL and format not in SOURCES:
                    raise EventError(Reason.UNKNOWN_FORMAT, f"{FORMAT_HEADER}: {unknown_format(format)}")
                source = SOURCES.get(format)
            elif name == TENANT_HEADER:
                asked = check_tenant((content or b"").decode("utf-8", "replace"), TENANT_HEADER)
                if self._tenant is not None and asked != self._tenant:
                    raise EventError(
                        Reason.FOREIGN_TENANT,
                        f"{TENANT_HEADER}: {shorten(asked)} is not {shorten(self._tenant)}, "
                        "the only tenant allowed here",
                    )
                tenant = asked
        return source, tenant

    def _minute(self, prefix: str) -> int:
        """The instant of the first 17 characters of a canonical time; ValueError when they are none."""
        ms = strict_second(f"{prefix}00.")
        if ms is None:
            raise ValueError(prefix)
        if len(self._minutes) >= _MAX_REMEMBERED:
            self._minutes.clear()
        self._minutes[prefix] = ms
        return ms


def _event(doc: dict[str, Any], time: int, arrival: int | None, raw: bytes | None, place: int) -> Event:
    return Event(
        doc["tenant_id"],
        doc["id"],
        doc["action"],
        time,
        time if arrival is None else arrival,
        doc,
        raw,
        place,
    )


def _bounded(doc: dict[str, Any]) -> bytes:
    """The canonical JSON, which may be longer than what was received: 1e9 is written 1000000000.0."""
    raw = orjson.dumps(doc)
    if len(raw) > MAX_BYTES:
        raise EventError(Reason.TOO_LARGE, f"value: {len(raw)} bytes in canonical form is not at most {MAX_BYTES}")
    return raw


def _extras_are_plain(doc: dict[str, Any], value: bytes) -> bool:
    return type(doc.get("outcome_raw", "")) is str and _OTHER_SPELLINGS.isdisjoint(doc) and is_shallow(value)


def _remember(known: set[str], value: str) -> None:
    if len(known) >= _MAX_REMEMBERED:
        known.clear()
    known.add(value)
