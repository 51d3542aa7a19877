"""What `events send` makes of files of native records, before any of them is sent."""

import orjson
import pytest

from streamproc.cli.event_sender import Tally
from streamproc.cli.events import _messages, _Wrap
from streamproc.settings import Settings
from streamproc.sources.decode import Decoder
from tests.sources.samples import KUBERNETES, SAMPLES, changed


def messages(path, format, tally):
    wrap = _Wrap(Settings(), "events", format, "acme", True)
    return list(_messages([str(path)], wrap, None, tally, lambda done: None))


@pytest.mark.parametrize("format", SAMPLES)
def test_each_record_goes_as_it_is_with_its_format_and_tenant(format, tmp_path):
    path = tmp_path / "records.json"
    path.write_bytes(orjson.dumps([SAMPLES[format]] * 2))
    found = messages(path, format, Tally())
    assert [message.value for message in found] == [orjson.dumps(SAMPLES[format])] * 2
    assert found[0].tenant == "acme"
    assert found[0].headers == [("source-format", format.encode()), ("source-tenant", b"acme")]
    [event] = Decoder("events").decode(found[0].value, 0, 0, None, found[0].headers)
    assert (event.tenant, event.doc["source"]) == ("acme", format)


def test_records_that_are_no_events_are_left_out_and_counted(tmp_path):
    path = tmp_path / "audit.json"
    early, bad = changed(KUBERNETES, stage="RequestReceived"), changed(KUBERNETES, stage="?")
    path.write_bytes(orjson.dumps({"kind": "EventList", "items": [early, KUBERNETES, bad]}))
    tally = Tally()
    [message] = messages(path, "kubernetes", tally)
    assert message.value == orjson.dumps(KUBERNETES)
    assert (tally.skipped, tally.refused) == (1, 1)
