"""Lists of native records, in a Kafka record and in a file, with and without an object around them."""

import orjson
import pytest

from streamproc.model.event import EventError, Reason
from streamproc.sources.decode import Decoder
from streamproc.sources.files import RecordFile
from streamproc.sources.registry import SOURCES
from tests.sources.samples import KUBERNETES, SAMPLES

ENVELOPES = [(name, source.envelope) for name, source in SOURCES.items() if name in SAMPLES and source.envelope]


@pytest.mark.parametrize("format", SAMPLES)
def test_a_bare_list_is_an_envelope(format):
    value = orjson.dumps([SAMPLES[format], SAMPLES[format]])
    found = Decoder("t", format, "acme").decode(value, 2, 5, None)
    assert [event.place for event in found] == [5 * 4096, 5 * 4096 + 1]
    assert found[0].doc["raw"] == SAMPLES[format]


@pytest.mark.parametrize(("format", "name"), ENVELOPES)
def test_a_named_list_is_an_envelope(format, name):
    found = Decoder("t", format, "acme").decode(orjson.dumps({"x": 1, name: [SAMPLES[format]] * 3}), 2, 5, None)
    assert len(found) == 3


@pytest.mark.parametrize("format", SAMPLES)
def test_an_empty_list_holds_no_event(format):
    assert Decoder("t", format, "acme").decode(b"[]", 0, 0, None) == []


def test_what_is_wrong_in_a_list_is_named_by_its_place():
    with pytest.raises(EventError) as caught:
        Decoder("t", "okta", "acme").decode(b"[5]", 0, 0, None)
    assert str(caught.value) == "[0]: value: 5 is not an object"


def test_too_many_in_a_list():
    with pytest.raises(EventError) as caught:
        Decoder("t", "okta", "acme").decode(orjson.dumps([{}] * 4097), 0, 0, None)
    assert caught.value.reason == Reason.TOO_MANY_EVENTS


def test_a_canonical_list_is_no_event():
    with pytest.raises(EventError) as caught:
        Decoder("t").decode(b"[]", 0, 0, None)
    assert caught.value.reason == Reason.NOT_OBJECT


@pytest.mark.parametrize("format", SAMPLES)
def test_files_of_any_layout(format, tmp_path):
    record = SAMPLES[format]
    name = SOURCES[format].envelope
    layouts = [b"\n".join([orjson.dumps(record)] * 2), orjson.dumps([record] * 2)]
    if name is not None:
        layouts.append(orjson.dumps({name: [record] * 2}, option=orjson.OPT_INDENT_2))
    for layout in layouts:
        path = tmp_path / "records"
        path.write_bytes(layout)
        decoder = Decoder("t", format, "acme")
        with RecordFile(str(path), name) as records:
            found = [event for line, value in records for event in decoder.decode(value, 0, line, None)]
        assert [event.doc["raw"] for event in found] == [record, record]


def test_the_header_names_the_format_of_one_record():
    headers = [("source-format", b"kubernetes"), ("source-tenant", b"acme")]
    [event] = Decoder("events").decode(orjson.dumps(KUBERNETES), 0, 0, None, headers)
    assert (event.tenant, event.doc["source"]) == ("acme", "kubernetes")
