"""The batch form: order, places, ids, and what is wanted."""

from dataclasses import dataclass

import orjson
from aiokafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder
from aiokafka.structs import ConsumerRecord

from streamproc.sources.decode import Decoder


@dataclass
class Record:
    value: bytes | None
    offset: int
    timestamp: int = 1_770_733_935_123
    headers: tuple = ()


def event(number: int, **fields) -> bytes:
    doc = {
        "id": f"e{number}",
        "tenant_id": f"t{number % 3}",
        "action": "a",
        "outcome": "success",
        "event_time": f"2026-02-10T14:32:{number % 60:02d}.000Z",
    }
    return orjson.dumps({**doc, **fields})


def test_order_and_places():
    decoder = Decoder("events")
    found, errors = decoder.decode_batch([Record(event(i), 10 + i) for i in range(200)], 0)
    assert errors == []
    assert [e.id for e in found] == [f"e{i}" for i in range(200)]
    assert [e.place for e in found] == [(10 + i) * 4096 for i in range(200)]


def test_default_ids_differ_between_partitions_and_offsets():
    value = b'{"tenant_id":"a","action":"x"}'
    decoder = Decoder("events")
    ids = [
        e.id for partition in (0, 1) for e in decoder.decode_batch([Record(value, 0), Record(value, 1)], partition)[0]
    ]
    assert ids == ["events-0-0", "events-0-1", "events-1-0", "events-1-1"]


def test_aiokafkas_own_records():
    value = b'{"tenant_id":"a","action":"x"}'
    wrapped = ConsumerRecord("events", 3, 8, 1_000_000_000_000, 0, None, value, None, 0, 0, ())
    [found], errors = Decoder("events").decode_batch([wrapped])
    assert (found.id, found.arrival, errors) == ("events-3-8", 1_000_000_000_000, [])

    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 1 << 20)
    builder.append(0, 1_000_000_000_000, b"k", value, [("source-tenant", b"a")])
    builder.append(1, 1_000_000_000_000, None, None, [])
    [found], [(index, error)] = Decoder("events").decode_batch(DefaultRecordBatch(bytes(builder.build())), 3)
    assert (found.id, found.arrival, index, error.reason) == ("events-3-0", 1_000_000_000_000, 1, "tombstone")


def test_only_what_is_wanted_is_made_but_all_is_checked():
    records = [Record(event(0), 0), Record(event(1), 1), Record(b"{", 2), Record(event(4, outcome="Denied"), 3)]
    seen = []

    def wanted(tenant, doc):
        seen.append((tenant, doc["id"]))
        return tenant == "t1"

    found, errors = Decoder("events").decode_batch(records, 0, wanted)
    assert [e.id for e in found] == ["e1", "e4"]
    assert seen == [("t0", "e0"), ("t1", "e1"), ("t1", "e4")]
    assert [index for index, _ in errors] == [2]


def test_of_an_envelope_the_good_ones_proceed_and_the_record_is_an_error():
    def trail(name, **fields):
        return {
            "eventID": name,
            "eventSource": "iam.amazonaws.com",
            "eventName": "CreateUser",
            "eventTime": "2026-02-10T14:32:15Z",
            "recipientAccountId": "1",
            **fields,
        }

    value = orjson.dumps({"Records": [trail("a"), trail("b", eventName=None), trail("c"), 5]})
    found, [(index, error)] = Decoder("trail", "cloudtrail").decode_batch([Record(value, 7)], 0)
    assert [(e.id, e.place) for e in found] == [("a", 7 * 4096), ("c", 7 * 4096 + 2)]
    assert index == 0
    assert str(error) == ("Records[1]: eventName: null is not the text that a CloudTrail record has here (and 1 more)")


def test_more_records_than_places_is_an_error():
    value = orjson.dumps({"Records": [{}] * 4097})
    found, [(_, error)] = Decoder("trail", "cloudtrail").decode_batch([Record(value, 7)], 0)
    assert (found, error.reason) == ([], "too_many_events")
