"""What an address adds to an event, and what it never changes."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamproc.engine.match import Matcher
from streamproc.model.hit import Hit
from streamproc.rules import RuleIndex, compile_rule, parse_rule
from streamproc.sources import enrich as module
from streamproc.sources.decode import Decoder
from streamproc.sources.enrich import Enricher, Place, place_of
from tests.mmdb import BRITISH, LONDON
from tests.sources.samples import SAMPLES

GB = {"country": {"iso_code": "GB"}, "location": {"latitude": 51.5, "longitude": -0.1}}
ADDED = {"country": "GB", "location": {"lat": 51.5, "lon": -0.1}}


def enriched(actor: Any, record: Any = GB) -> Any:
    doc = {"action": "a", "actor": copy.deepcopy(actor)}
    before = copy.deepcopy(doc)
    assert Enricher(lambda address: record)(doc) is (doc != before)
    return doc["actor"]


class TestPlaces:
    @pytest.mark.parametrize(
        ("record", "place"),
        [
            (LONDON, Place("GB", 51.5142, -0.0931, "London")),
            ({"country": {"iso_code": "gb"}, "continent": {"code": "EU"}}, Place("GB")),
            ({"country": "US", "lat": "37.4056", "lng": "-122.0775", "city": "Mountain View"},
             Place("US", 37.4056, -122.0775, "Mountain View")),
            ({"country": "United States", "country_code": "US", "asn": "AS15169"}, Place("US")),
            ({"country_code": "DE", "latitude": 52, "longitude": 13.4}, Place("DE", 52.0, 13.4)),
            ({"location": {"latitude": -90, "longitude": 180.0}}, Place(None, -90.0, 180.0)),
        ],
    )  # fmt: skip
    def test_shapes(self, record: Any, place: Place) -> None:
        assert place_of(record) == place

    @pytest.mark.parametrize(
        "record",
        [
            *(None, [], "GB", 7, {}, {"country": None}, {"country": {}}, {"country": {"iso_code": 44}}),
            *({"country": {"iso_code": code}} for code in ("", "G", "GBR", "G1", "ÄÖ", "--")),
            *({"country_code": "United Kingdom"}, {"country": ["GB"]}, {"location": "somewhere"}),
            *({"location": {"latitude": lat, "longitude": 1}} for lat in (None, "x", True, 90.1, -91, [5])),
            *({"location": {"latitude": 1, "longitude": lon}} for lon in (None, "", False, 180.1, float("nan"))),
            *({"lat": "nan", "lng": "1"}, {"lat": "1", "lng": "inf"}, {"lat": "1"}, {"lng": "1"}),
        ],
    )
    def test_odd_records_tell_nothing(self, record: Any) -> None:
        assert place_of(record) == Place()
        assert enriched({"ip": BRITISH}, record) == {"ip": BRITISH}


class TestEvents:
    def test_country_and_coordinates_are_added(self) -> None:
        assert enriched({"id": "u", "ip": BRITISH}) == {"id": "u", "ip": BRITISH, **ADDED}

    def test_a_city_is_named_where_it_is_known(self) -> None:
        assert enriched({"ip": BRITISH}, LONDON)["location"] == {"lat": 51.5142, "lon": -0.0931, "city": "London"}

    def test_its_own_values_win_each_for_itself(self) -> None:
        own = {"ip": BRITISH, "country": "DE"}
        assert enriched(own) == {**own, "location": ADDED["location"]}
        own = {"ip": BRITISH, "location": {"lat": 1}}
        assert enriched(own) == {**own, "country": "GB"}
        both = {"ip": BRITISH, "country": "", "location": "at home"}
        assert enriched(both) == both

    @pytest.mark.parametrize("absent", [("country",), ("location",), ("country", "location")])
    def test_null_is_absent(self, absent: tuple[str, ...]) -> None:
        assert enriched({"ip": BRITISH, **ADDED, **dict.fromkeys(absent)}) == {"ip": BRITISH, **ADDED}

    @pytest.mark.parametrize(
        "address",
        [
            *("10.0.0.1", "172.16.5.4", "192.168.1.1", "127.0.0.1", "169.254.1.1", "100.64.0.1", "0.0.0.0"),
            *("255.255.255.255", "224.0.0.1", "240.0.0.1", "203.0.113.7", "198.51.100.1", "192.0.2.1"),
            *("::1", "::", "fe80::1", "fe80::1%eth0", "2001:4860::8%1", "fc00::1", "ff02::1", "ff0e::1"),
            *("::ffff:10.0.0.1", "2001:db8::1"),
            *("", "localhost", "81.2.69.142:443", "081.2.69.142", " 81.2.69.142", "81.2.69.0/24", "1" * 100_000),
        ],
    )
    def test_private_reserved_and_malformed_addresses_have_no_place(self, address: str) -> None:
        asked: list[str] = []
        doc = {"actor": {"ip": address}}
        assert not Enricher(asked.append)(doc)
        assert (doc, asked) == ({"actor": {"ip": address}}, [])

    def test_long_text_is_not_remembered(self) -> None:
        enrich = Enricher(lambda address: GB)
        enrich({"actor": {"ip": "1" * 100_000}})
        assert enrich._known == {}

    def test_an_ipv4_address_within_ipv6_is_looked_up_as_what_it_is(self) -> None:
        asked: list[str] = []
        Enricher(asked.append)({"actor": {"ip": f"::ffff:{BRITISH}"}})
        assert asked == [BRITISH]

    def test_what_one_event_gets_is_not_shared_with_the_next(self) -> None:
        enrich = Enricher(lambda address: GB)
        first, second = {"actor": {"ip": BRITISH}}, {"actor": {"ip": BRITISH}}
        assert enrich(first)
        assert enrich(second)
        first["actor"]["location"]["lat"] = 0  # type: ignore[index]
        assert second["actor"] == {"ip": BRITISH, **ADDED}

    def test_addresses_are_remembered_but_not_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "MAX_REMEMBERED", 3)
        asked: list[str] = []
        enrich = Enricher(lambda address: asked.append(address) or GB)
        for last in (1, 1, 2, 3, 2, 1, 4, 1):
            assert enrich({"actor": {"ip": f"8.8.8.{last}"}})
        assert asked == ["8.8.8.1", "8.8.8.2", "8.8.8.3", "8.8.8.4", "8.8.8.1"]
        assert len(enrich._known) <= 3


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(BRITISH),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
addresses = st.ip_addresses().map(str) | st.text(max_size=70)
actors = json | st.fixed_dictionaries(
    {}, optional={"ip": addresses | st.just(BRITISH) | json, "country": json, "location": json, "id": json}
)
records = json | st.fixed_dictionaries(
    {},
    optional={
        "country": json | st.fixed_dictionaries({}, optional={"iso_code": st.sampled_from(["GB", "x"]) | json}),
        "location": json | st.fixed_dictionaries({"latitude": json, "longitude": st.floats(-200, 200) | json}),
        "country_code": json,
        "lat": st.text("0123456789.-eE_n", max_size=6) | json,
        "lng": st.text("0123456789.-", max_size=6) | json,
        "city": json | st.fixed_dictionaries({"names": json}),
    },
)


@given(st.dictionaries(st.sampled_from(["action", "raw", "metadata"]), json), actors, records)
def test_nothing_else_changes_and_nothing_raises(others: dict[str, Any], actor: Any, record: Any) -> None:
    doc = {**others, "actor": actor}
    before = copy.deepcopy(doc)
    changed = Enricher(lambda address: record)(doc)
    after = doc["actor"]
    if not changed:
        assert repr(doc) == repr(before)  # NaN is not equal to itself
        return
    added = {name: after[name] for name in ("country", "location") if before["actor"].get(name) is None}
    kept = {name: value for name, value in after.items() if name not in added}
    assert repr(kept) == repr({n: v for n, v in before["actor"].items() if n not in added})
    assert repr({**doc, "actor": None}) == repr({**before, "actor": None})
    country, location = added.get("country"), added.get("location")
    assert country is None or (len(country) == 2 and country.isascii() and country.isupper())
    if location is not None:
        assert -90 <= location["lat"] <= 90
        assert -180 <= location["lon"] <= 180
    assert country is not None or location is not None
    assert orjson.loads(orjson.dumps(added)) == added


@dataclass
class Record:
    value: bytes
    offset: int
    timestamp: int = 1_770_733_935_123
    headers: tuple[tuple[str, bytes], ...] = ()


def event(ip: str, number: int = 0, **fields: Any) -> bytes:
    doc = {"id": f"e{number}", "tenant_id": "acme", "action": "a", "outcome": "success"}
    return orjson.dumps({**doc, "event_time": "2026-02-10T14:32:15.000Z", "actor": {"ip": ip}, **fields})


def gb(address: str) -> Any:
    return GB if address == BRITISH else None


class TestDecoding:
    def test_of_each_way_through_the_decoder(self) -> None:
        """The first of a tenant and action goes the long way, the next the short one; a flat spelling is rewritten."""
        decoder = Decoder("events", enrich=Enricher(gb))
        flat = orjson.dumps({"tenant_id": "acme", "action": "a", "actor_ip": BRITISH})
        records = [Record(event(BRITISH, n), n) for n in range(3)] + [Record(flat, 3)]
        wanted: list[Any] = []
        events, errors = decoder.decode_batch(records, 0, lambda tenant, doc: wanted.append(doc["actor"]) or True)
        assert errors == []
        assert [e.doc["actor"] for e in events] == wanted == [{"ip": BRITISH, **ADDED}] * 4
        assert [orjson.loads(e.raw) for e in events] == [e.doc for e in events]
        [one] = decoder.decode(records[0].value, 0, 0, 1)
        assert one.doc == events[0].doc
        assert orjson.loads(one.raw) == one.doc

    def test_an_event_without_a_place_keeps_its_bytes(self) -> None:
        decoder = Decoder("events", enrich=Enricher(gb))
        values = [event("10.0.0.1", n) for n in range(3)]
        events, _ = decoder.decode_batch([Record(value, n) for n, value in enumerate(values)], 0)
        assert all(e.raw is value for e, value in zip(events, values, strict=True))

    def test_native_records_and_their_original_stays_untouched(self) -> None:
        record = {**SAMPLES["okta"]}
        plain = Decoder("okta", "okta", "acme").decode(orjson.dumps(record), 0, 0, 1)
        found = Decoder("okta", "okta", "acme", Enricher(lambda address: GB)).decode(orjson.dumps(record), 0, 0, 1)
        for without, one in zip(plain, found, strict=True):
            assert one.doc["raw"] == without.doc["raw"]
            assert orjson.loads(one.raw) == one.doc
            assert {**one.doc, "actor": None} == {**without.doc, "actor": None}

    def test_rules_find_by_it_and_alerts_show_it(self) -> None:
        written = {"id": "r", "name": "R", "type": "pattern", "condition": {"actor.country": "GB"}}
        rule = compile_rule(parse_rule(written, default_tenant="acme"), 1)
        index = RuleIndex.empty.with_tenant("acme", [rule])
        records = [Record(event(ip, n), n) for n, ip in enumerate([BRITISH, "8.8.8.8", BRITISH])]
        matcher, hits = Matcher(index), list[Hit]()
        events, _ = Decoder("events", enrich=Enricher(gb)).decode_batch(records, 0, index.candidates)
        for one in events:
            matcher.match(one, one.place, hits)
        assert [hit[6] for hit in hits] == ["e0", "e2"]
        assert [orjson.loads(hit[8])["actor"] for hit in hits] == [{"ip": BRITISH, **ADDED}] * 2
