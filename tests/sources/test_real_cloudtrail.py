"""Captured CloudTrail: every record maps, and nothing raises."""

import os
from collections import Counter
from ipaddress import ip_address
from pathlib import Path

import orjson
import pytest

from streamproc.sources.decode import Decoder
from streamproc.sources.files import RecordFile

DATA = Path(os.environ.get("STREAMPROC_REAL_DATA", "../shared/data"))

SETS = {
    # events, tenants, outcomes
    "cloudtrail_invictus": (2900, 1, {"success": 2600, "failure": 240, "denied": 60}),
    "cloudtrail_stratus": (310, 35, {"success": 258, "failure": 1, "denied": 51}),
}


@pytest.mark.parametrize("name", SETS)
def test_every_record_is_an_event(name):
    path = DATA / name / "events.jsonl"
    if not path.is_file():
        pytest.skip(f"{path} is not there; set STREAMPROC_REAL_DATA to the folder of captured logs")
    decoder, canonical = Decoder("trail", "cloudtrail"), Decoder("events")
    tenants, outcomes, ids = Counter(), Counter(), set()
    with RecordFile(str(path), "Records") as records:
        for line, value in records:
            [event] = decoder.decode(value, 0, line, None)
            original = orjson.loads(value)
            assert event.doc["raw"] == original
            assert event.id == original["eventID"]
            assert event.doc["actor"]["id"]
            if "ip" in event.doc["actor"]:
                ip_address(event.doc["actor"]["ip"])
            [again] = canonical.decode(event.raw, 0, 0, None)
            assert (again.doc, again.raw) == (event.doc, event.raw)
            tenants[event.tenant] += 1
            outcomes[event.doc["outcome"]] += 1
            ids.add(event.id)
    assert (len(ids), len(tenants), outcomes) == SETS[name]
