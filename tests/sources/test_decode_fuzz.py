"""Whatever the bytes: EventError or an event, the short and the long way agree, and canonical form is final."""

from dataclasses import dataclass

import orjson
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamproc.model.event import Event, EventError
from streamproc.sources.decode import Decoder
from streamproc.sources.registry import FORMATS

ARRIVAL = 1_770_733_935_123
NAMES = """
id tenant_id tenantId tenant action outcome outcome_raw event_time eventTime actor resource metadata source raw
actor_id actor_ip ip_country resource_id ip email groups type userAgent user_agent Records eventID eventName
eventSource userIdentity accountId recipientAccountId resources requestParameters errorCode responseElements
additionalEventData sessionContext attributes sourceIPAddress
"""
GOOD = orjson.dumps(
    {
        "id": "e1",
        "tenant_id": "acme",
        "action": "user.login",
        "outcome": "failure",
        "event_time": "2026-02-10T14:32:15.123Z",
        "actor": {"id": "u1", "ip": "203.0.113.7"},
        "resource": {"type": "session", "id": "s1"},
        "metadata": {"n": 1},
    }
)


@dataclass
class Record:
    value: bytes | None
    offset: int = 3
    timestamp: int | None = ARRIVAL
    headers: tuple = ()


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["acme", "success", "Denied", "2026-02-10T14:32:15.123Z", "2026-02-10T14:32:15Z", "10.0.0.1"]),
)
names = st.one_of(
    st.sampled_from(NAMES.split()),
    st.text(max_size=6),
)
documents = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(names, inner, max_size=8)),
    max_leaves=25,
)
# mostly an event, with a few fields replaced: random objects alone hardly ever get past the tenant
events = st.builds(
    lambda base, change, drop: {k: v for k, v in {**base, **change}.items() if k not in drop},
    st.sampled_from([orjson.loads(GOOD), {"tenant_id": "acme", "action": "a"}]),
    st.dictionaries(names, documents, max_size=4),
    st.sets(names, max_size=2),
)
trails = st.builds(
    lambda change: {
        "eventID": "x",
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetObject",
        "eventTime": "2026-02-10T14:32:15Z",
        "recipientAccountId": "123456789012",
        **change,
    },
    st.dictionaries(names, documents, max_size=5),
)


def outcome(decode) -> list[Event] | str:
    try:
        return decode()
    except EventError as error:
        return str(error.reason)


@given(st.binary(max_size=200), st.sampled_from(FORMATS))
@example(b"[" * 1020 + b"]" * 1020, "event")
@example(b'{"Records":[1,{},null]}', "cloudtrail")
def test_any_bytes(value, format):
    outcome(lambda: Decoder("t", format).decode(value, 0, 0, ARRIVAL))


@given(st.integers(0, len(GOOD)), st.binary(max_size=6), st.integers(0, 12))
def test_any_damage(at, bits, cut):
    value = GOOD[:at] + bits + GOOD[at + cut :]
    outcome(lambda: Decoder("t").decode(value, 0, 0, ARRIVAL))


@settings(max_examples=400)
@given(st.one_of(events, documents), st.sampled_from([None, "acme"]))
def test_both_ways_agree(doc, tenant):
    value = orjson.dumps(doc)
    decoder = Decoder("t", tenant=tenant)
    long_way = outcome(lambda: decoder.decode(value, 5, 3, ARRIVAL))
    decoder.decode_batch([Record(GOOD)], 5)  # remembers what the short way needs
    found, errors = decoder.decode_batch([Record(value), Record(GOOD)], 5)
    if isinstance(long_way, str):
        assert [(index, str(error.reason)) for index, error in errors] == [(0, long_way)]
        assert len(found) == 1
    else:
        assert (found[:1], errors) == (long_way, [])


@settings(max_examples=400)
@given(st.one_of(events.map(lambda doc: (doc, "event")), trails.map(lambda doc: (doc, "cloudtrail"))))
def test_canonical_form_is_final(given_):
    doc, format = given_
    found = outcome(lambda: Decoder("t", format).decode(orjson.dumps(doc), 5, 3, ARRIVAL))
    if isinstance(found, str):
        return
    for event in found:
        assert orjson.loads(event.raw) == event.doc
        [again] = Decoder("other").decode(event.raw, 0, 0, None)
        assert again.doc == event.doc
        assert again.raw == event.raw
        assert (again.tenant, again.id, again.action, again.time) == (
            event.tenant,
            event.id,
            event.action,
            event.time,
        )


@given(trails)
def test_a_native_record_stays_untouched_under_raw(doc):
    value = orjson.dumps(doc)
    found = outcome(lambda: Decoder("t", "cloudtrail").decode(value, 0, 0, ARRIVAL))
    if not isinstance(found, str) and "Records" not in doc:
        assert found[0].doc["raw"] == orjson.loads(value)
