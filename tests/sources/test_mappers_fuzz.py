"""Whatever stands in a native record: an event whose parts are what they should be, or an EventError."""

import copy
from ipaddress import ip_address

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamproc.model.event import EventError, Reason
from streamproc.sources.decode import Decoder
from streamproc.sources.outcomes import OUTCOMES
from streamproc.sources.registry import SOURCES
from tests.sources.samples import SAMPLES

ARRIVAL = 1_770_733_935_123
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.integers(-3, 20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["", "DE", "10.0.0.1:80", "[::1]:9", "a@b", "a:b", "://", "2026-02-10T14:32:15Z", "x" * 600, "/"]),
)


def paths(value, at=()):
    """Every place in a document."""
    yield at
    for key, one in value.items() if type(value) is dict else enumerate(value) if type(value) is list else ():
        yield from paths(one, (*at, key))


def replaced(document, path, value):
    document = copy.deepcopy(document)
    holder = document
    try:
        for key in path[:-1]:
            holder = holder[key]
        if type(holder) is (dict if type(path[-1]) is str else list):
            holder[path[-1]] = value
    except (LookupError, TypeError):
        pass  # an earlier change took this place away
    return document


@st.composite
def mutated(draw, format):
    sample = SAMPLES[format]
    names = sorted({key for path in paths(sample) for key in path if type(key) is str})
    documents = st.recursive(
        scalars,
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.one_of(st.sampled_from(names), st.text(max_size=4)), inner)
        ),
        max_leaves=8,
    )
    places = sorted((path for path in paths(sample) if path), key=repr)
    record = copy.deepcopy(sample)
    for path in draw(st.lists(st.sampled_from(places), max_size=5)):
        record = replaced(record, path, draw(documents))
    for name in draw(st.sets(st.sampled_from(sorted(sample)), max_size=3)):
        record.pop(name, None)
    return record


@pytest.mark.parametrize("format", SAMPLES)
@settings(max_examples=500)
@given(data=st.data())
def test_any_record(format, data):
    record = data.draw(mutated(format))
    untouched = copy.deepcopy(record)
    try:
        SOURCES[format].map(record)
    except EventError as error:
        assert error.reason == Reason.UNMAPPED  # a mapper knows no other; what a field may be, `canonicalise` says
    assert record == untouched
    try:
        events = Decoder("t", format, "acme").decode(orjson.dumps(record), 0, 0, ARRIVAL)
    except EventError:
        return
    for event in events:
        doc = event.doc
        assert doc["raw"] == orjson.loads(orjson.dumps(record))
        assert doc["outcome"] in OUTCOMES
        actor = doc.get("actor", {})
        if "ip" in actor:
            ip_address(actor["ip"])
        if "country" in actor:
            assert len(actor["country"]) == 2
        if "location" in actor:
            assert actor["location"].keys() == {"lat", "lon"}
        assert all(type(group) is str for group in actor.get("groups", []))
        assert all(resource for resource in doc.get("resources", []))
        [again] = Decoder("other").decode(event.raw, 0, 0, None)
        assert (again.doc, again.raw, again.id) == (doc, event.raw, event.id)


@pytest.mark.parametrize("format", SOURCES)
@given(record=st.dictionaries(st.text(max_size=6), st.recursive(scalars, st.lists, max_leaves=4), max_size=6))
def test_a_record_of_something_else(format, record):
    with pytest.raises(EventError) as caught:
        SOURCES[format].map(record)
    assert caught.value.reason == Reason.UNMAPPED
