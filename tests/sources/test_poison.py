"""Hostile records: each is one error with its reason, and the rest of the batch proceeds."""

import tracemalloc
from dataclasses import dataclass

import pytest

from streamproc.model.event import MAX_TIME_MS, EventError, Reason
from streamproc.sources.decode import Decoder

ARRIVAL = 1_770_733_935_123
HEAD = b'{"tenant_id":"acme","action":"a",'
GOOD = HEAD + b'"id":"good","outcome":"success","event_time":"2026-02-10T14:32:15.123Z"}'


@dataclass
class Record:
    value: bytes | None
    offset: int = 0
    timestamp: int | None = ARRIVAL
    headers: tuple = ()
    key: bytes | None = None


def nested(levels: int) -> bytes:
    """An event of so many levels; the event itself is the first."""
    return HEAD + b'"metadata":' + b'{"a":' * (levels - 2) + b"{}" + b"}" * (levels - 1)


def lists(levels: int) -> bytes:
    return HEAD + b'"x":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


POISON = {
    "tombstone": (None, Reason.TOMBSTONE),
    "no bytes": (b"", Reason.EMPTY),
    "blanks": (b" \n\t", Reason.EMPTY),
    "undecodable bytes": (b"\xff\xfe\x00", Reason.NOT_UTF8),
    "undecodable bytes in a string": (HEAD + b'"x":"\xc3\x28"}', Reason.NOT_UTF8),
    "an encoded surrogate": (HEAD + b'"x":"\xed\xa0\x80"}', Reason.NOT_UTF8),
    "an escaped half surrogate": (HEAD + rb'"x":"\ud800"}', Reason.LONE_SURROGATE),
    "a half surrogate as a key": (HEAD + rb'"\udc00":1}', Reason.LONE_SURROGATE),
    "text": (b"hello", Reason.NOT_JSON),
    "cut off": (GOOD[:-1], Reason.NOT_JSON),
    "two documents": (GOOD + GOOD, Reason.NOT_JSON),
    "a control character in a string": (HEAD + b'"x":"\x00"}', Reason.NOT_JSON),
    "byte order marks": (b"\xef\xbb\xbf" * 2000 + GOOD, Reason.NOT_JSON),
    "NaN": (HEAD + b'"x":NaN}', Reason.NOT_FINITE),
    "Infinity": (HEAD + b'"x":[1,-Infinity]}', Reason.NOT_FINITE),
    "1e400": (HEAD + b'"x":1e400}', Reason.NOT_FINITE),
    "-1e400": (HEAD + b'"event_time":-1e400}', Reason.NOT_FINITE),
    "10,000 digits": (HEAD + b'"id":' + b"9" * 10_000 + b"}", Reason.NOT_FINITE),
    "an id of 30 digits": (HEAD + b'"id":' + b"9" * 30 + b"}", Reason.NUMBER_TOO_LARGE),
    "a tenant of 30 digits": (b'{"action":"a","tenant_id":-' + b"9" * 30 + b"}", Reason.NUMBER_TOO_LARGE),
    "a time of 30 digits": (HEAD + b'"event_time":' + b"9" * 30 + b"}", Reason.TIME_OUT_OF_RANGE),
    "year 0": (HEAD + b'"event_time":"0000-01-01T00:00:00Z"}', Reason.TIME_OUT_OF_RANGE),
    "year 10000": (HEAD + b'"event_time":"10000-01-01T00:00:00Z"}', Reason.TIME_OUT_OF_RANGE),
    "a list": (b"[" + GOOD + b"]", Reason.NOT_OBJECT),
    "a number": (b"1", Reason.NOT_OBJECT),
    "null": (b"null", Reason.NOT_OBJECT),
    "a string": (b'"tenant_id"', Reason.NOT_OBJECT),
    "no tenant": (b'{"action":"a"}', Reason.MISSING_FIELD),
    "no action": (b'{"tenant_id":"acme"}', Reason.MISSING_FIELD),
    "wrong shape": (HEAD + b'"actor":["u1"]}', Reason.WRONG_TYPE),
    "300 KiB": (HEAD + b'"x":"' + b"x" * 300 * 1024 + b'"}', Reason.TOO_LARGE),
    "300 KiB of garbage": (b"\xff" * 300 * 1024, Reason.TOO_LARGE),
    "grows beyond the limit when written canonically": (
        HEAD + b'"x":[' + b"1e9," * 60_000 + b"1]}",
        Reason.TOO_LARGE,
    ),
    "33 levels": (nested(33), Reason.TOO_DEEP),
    "33 levels of lists": (lists(33), Reason.TOO_DEEP),
    "depth 1,000": (nested(1000), Reason.TOO_DEEP),
    "depth 1,100, beyond orjson's own limit": (nested(1100), Reason.TOO_DEEP),
    "depth 10,000": (lists(10_000), Reason.TOO_DEEP),
    "depth 100,000": (lists(100_000), Reason.TOO_DEEP),
}


@pytest.mark.parametrize("name", POISON)
def test_each_has_its_reason(name):
    value, reason = POISON[name]
    with pytest.raises(EventError) as caught:
        Decoder("events").decode(value, 0, 0, ARRIVAL)
    assert caught.value.reason is reason
    assert ": " in str(caught.value)
    assert len(str(caught.value)) < 250


def test_the_rest_of_the_batch_proceeds():
    records, expected = [], []
    for offset, (value, reason) in enumerate(POISON.values()):
        records += [Record(value, 2 * offset), Record(GOOD, 2 * offset + 1)]
        expected.append((2 * offset, reason))
    decoder = Decoder("events")
    for _ in range(2):  # the second time with tenant, action and second remembered
        events, errors = decoder.decode_batch(records, 0)
        assert [event.offset for event in events] == [2 * i + 1 for i in range(len(POISON))]
        assert [(index, error.reason) for index, error in errors] == expected


@pytest.mark.parametrize(
    "value",
    [
        nested(32),
        lists(32),
        HEAD + b'"x":' + b"9" * 30 + b"}",  # only ids have to be exact
        HEAD + rb'"x":"\ud83d\ude00"}',
        HEAD + rb'"x":"\u0000"}',
        b"\xef\xbb\xbf" + GOOD,
        HEAD + b'"pad":"' + b"x" * (256 * 1024 - 300) + b'"}',
        HEAD + b'"x":"{[{[{[{[{[{[{[{[{[{[{[{[{[{[{[{[{[{[{[{["}',
    ],
    ids=["32 levels", "32 lists", "30 digits", "a pair", "an escaped zero", "a byte order mark", "256 KiB", "brackets"],
)
def test_what_only_looks_hostile_is_an_event(value):
    [event] = Decoder("events").decode(value, 0, 0, ARRIVAL)
    [again] = Decoder("events").decode(event.raw, 9, 9, 1)
    assert again.doc == event.doc
    assert not event.raw.startswith(b"\xef")


def test_of_equal_keys_the_last_wins():
    value = b'{"tenant_id":"a","tenant_id":"b","action":"x"}'
    [event] = Decoder("events").decode(value, 0, 0, ARRIVAL)
    assert event.tenant == "b"


def test_a_record_timestamp_beyond_the_calendar_is_the_records_fault():
    for timestamp in (MAX_TIME_MS + 1, 2**63 - 1):
        events, [(index, error)] = Decoder("events").decode_batch([Record(GOOD, timestamp=timestamp)], 0)
        assert (events, index, error.reason) == ([], 0, Reason.TIME_OUT_OF_RANGE)


def test_what_is_remembered_is_bounded():
    decoder = Decoder("events")
    tracemalloc.start()
    for start in range(0, 60_000, 1000):
        decoder.decode_batch(
            [
                Record(b'{"tenant_id":"t%d","action":"a%d","event_time":"2026-02-10T14:32:15Z"}' % (i, i), i)
                for i in range(start, start + 1000)
            ],
            0,
        )
    current, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert current < 12_000_000
