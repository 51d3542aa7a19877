"""A batch decodes canonical events the short way. Documents that are nearly canonical show that it is no shortcut."""

from dataclasses import dataclass

import orjson
import pytest

from streamproc.model.event import MAX_TIME_MS, EventError
from streamproc.sources.decode import Decoder

ARRIVAL = 1_770_733_935_123
CANONICAL = {
    "id": "e1",
    "tenant_id": "acme",
    "action": "user.login",
    "outcome": "failure",
    "event_time": "2026-02-10T14:32:15.123Z",
    "actor": {"id": "u1", "type": "user", "ip": "203.0.113.7"},
    "resource": {"type": "session", "id": "s1"},
    "metadata": {"n": 1},
}


@dataclass
class Record:
    value: bytes | None
    offset: int = 3
    timestamp: int | None = ARRIVAL
    headers: tuple = ()


def deep(levels: int):
    value = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def both_ways(record: Record, tenant: str | None = None):
    """What the two ways make of a record: the event, or the reason."""
    decoder = Decoder("events", tenant=tenant)
    try:
        [long_way] = decoder.decode(record.value, 5, record.offset, record.timestamp, record.headers)
    except EventError as error:
        long_way = error.reason
    decoder.decode_batch([Record(orjson.dumps(CANONICAL))], 5)  # remembers what the short way needs
    events, errors = decoder.decode_batch([record], 5)
    return long_way, (events[0] if events else errors[0][1].reason)


NEARLY = {
    "canonical": {},
    "no actor": {"actor": ...},
    "no actor, resource, metadata": {"actor": ..., "resource": ..., "metadata": ...},
    "null actor": {"actor": None},
    "a source": {"source": "app"},
    "a number as source": {"source": 5},
    "null source": {"source": None},
    "outcome_raw": {"outcome_raw": "Denied"},
    "a number as outcome_raw": {"outcome_raw": 1},
    "outcomeRaw": {"outcomeRaw": "Denied"},
    "an extra field": {"hostname": "h"},
    "an extra field, deep": {"hostname": deep(40)},
    "an extra field with few brackets": {"hostname": deep(5)},
    "camelCase in actor": {"actor": {"id": "u1", "userAgent": "curl"}},
    "a flat actor": {"actor": ..., "actor_id": "u2"},
    "a flat field beside actor": {"ip_country": "DE"},
    "a flat field that actor has": {"actor_ip": "10.0.0.1"},
    "a numeric actor id": {"actor": {"id": 5}},
    "a numeric address": {"actor": {"ip": 5}},
    "a null address": {"actor": {"ip": None}},
    "groups": {"actor": {"groups": ["a"]}},
    "actor is text": {"actor": "u1"},
    "actor is a list": {"actor": ["u1"]},
    "resource is a number": {"resource": 7},
    "metadata is text": {"metadata": "x"},
    "metadata is a number": {"metadata": 7},
    "metadata is null": {"metadata": None},
    "metadata is empty": {"metadata": {}},
    "metadata with levels": {"metadata": deep(5)},
    "metadata as deep as may be": {"metadata": deep(31)},
    "metadata too deep": {"metadata": deep(32)},
    "metadata wide": {"metadata": {"items": [{}] * 100}},
    "too large": {"metadata": {"x": "x" * 300_000}},
    "an empty id": {"id": ""},
    "a numeric id": {"id": 5},
    "the longest id": {"id": "i" * 512},
    "an id too long": {"id": "i" * 513},
    "no id": {"id": ...},
    "another tenant": {"tenant_id": "globex"},
    "a bad tenant": {"tenant_id": "*"},
    "a list as tenant": {"tenant_id": ["acme"]},
    "a numeric tenant": {"tenant_id": 5},
    "a new action": {"action": "b"},
    "an empty action": {"action": ""},
    "an object as action": {"action": {}},
    "a source's own outcome": {"outcome": "Failure"},
    "a list as outcome": {"outcome": ["failure"]},
    "another second": {"event_time": "2026-02-10T14:32:16.000Z"},
    "no milliseconds": {"event_time": "2026-02-10T14:32:15Z"},
    "tenths": {"event_time": "2026-02-10T14:32:15.1Z"},
    "microseconds": {"event_time": "2026-02-10T14:32:15.123456Z"},
    "a zone": {"event_time": "2026-02-10T14:32:15.123+01:00"},
    "a small z": {"event_time": "2026-02-10T14:32:15.123z"},
    "no zone": {"event_time": "2026-02-10T14:32:15.123"},
    "a blank in it": {"event_time": "2026-02-10 14:32:15.123Z"},
    "signs for digits": {"event_time": "2026-02-10T14:32:15.+12Z"},
    "a leap second": {"event_time": "2026-02-10T14:32:60.123Z"},
    "no such day": {"event_time": "2026-02-30T14:32:15.123Z"},
    "before 1970": {"event_time": "1969-12-31T23:59:59.999Z"},
    "a number as time": {"event_time": 1_770_733_935},
    "an object as time": {"event_time": {}},
}


@pytest.mark.parametrize("tenant", [None, "acme"])
@pytest.mark.parametrize("name", NEARLY)
def test_both_ways_agree(name, tenant):
    doc = {field: value for field, value in {**CANONICAL, **NEARLY[name]}.items() if value is not ...}
    long_way, short_way = both_ways(Record(orjson.dumps(doc)), tenant)
    assert short_way == long_way


@pytest.mark.parametrize(
    "record",
    [
        Record(orjson.dumps(CANONICAL), headers=(("source-format", b"cloudtrail"),)),
        Record(orjson.dumps(CANONICAL), headers=(("source-tenant", b"globex"),)),
        Record(orjson.dumps(CANONICAL), headers=(("trace", b"1"),)),
        Record(orjson.dumps(CANONICAL), timestamp=None),
        Record(orjson.dumps(CANONICAL), timestamp=-1),
        Record(orjson.dumps(CANONICAL), timestamp=0),
        Record(orjson.dumps(CANONICAL), timestamp=MAX_TIME_MS + 1),
        Record(b"\xef\xbb\xbf" + orjson.dumps(CANONICAL)),
        Record(orjson.dumps(CANONICAL) + b" "),
        Record(orjson.dumps([CANONICAL])),
        Record(b" " * 300_000 + orjson.dumps(CANONICAL)),
        Record(None),
    ],
)
def test_both_ways_agree_on_the_record(record):
    long_way, short_way = both_ways(record)
    assert short_way == long_way
