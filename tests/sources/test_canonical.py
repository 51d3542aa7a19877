"""The spellings, defaults, words and limits of an event, as tables."""

import orjson
import pytest

from streamproc.model.event import EventError, Reason
from streamproc.sources.decode import Decoder

ARRIVAL = 1_770_733_935_123  # 2026-02-10T14:32:15.123Z
MINIMAL = {"tenant_id": "acme", "action": "user.login"}
CANONICAL = {
    "id": "e1",
    "tenant_id": "acme",
    "action": "user.login",
    "outcome": "failure",
    "event_time": "2026-02-10T14:32:15.123Z",
    "actor": {"id": "u1", "type": "user", "email": "u@example.com", "ip": "203.0.113.7", "groups": ["Finance"]},
    "resource": {"type": "session", "id": "s1"},
    "source": "app",
    "metadata": {"actor_role": "member", "affected_count": 3},
}


def decode(doc, tenant=None, **options):
    [event] = Decoder("events", tenant=tenant, **options).decode(orjson.dumps(doc), 2, 7, ARRIVAL)
    assert orjson.loads(event.raw) == event.doc
    return event


def refusal(doc, tenant=None):
    with pytest.raises(EventError) as caught:
        decode(doc, tenant)
    return caught.value


def test_a_canonical_event_keeps_its_own_bytes():
    value = b' {"tenant_id":"acme", "id":"e1","action":"a","outcome":"denied","event_time":"2026-02-10T14:32:15.123Z"}'
    [event] = Decoder("events").decode(value, 0, 5, ARRIVAL + 9)
    assert event.raw is value
    assert (event.tenant, event.id, event.action) == ("acme", "e1", "a")
    assert (event.time, event.arrival) == (ARRIVAL, ARRIVAL + 9)
    assert (event.place, event.offset) == (5 * 4096, 5)


def test_defaults_come_from_the_record():
    event = decode(MINIMAL)
    assert event.doc == {
        **MINIMAL,
        "id": "events-2-7",
        "outcome": "success",
        "event_time": "2026-02-10T14:32:15.123Z",
    }
    assert (event.time, event.arrival) == (ARRIVAL, ARRIVAL)
    assert orjson.loads(event.raw) == event.doc


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"actor_id": "u1"}, {"actor": {"id": "u1"}}),
        ({"actorId": "u1", "actorType": "user"}, {"actor": {"id": "u1", "type": "user"}}),
        ({"actor_email": "a@b.c", "actor_ip": "10.0.0.1"}, {"actor": {"email": "a@b.c", "ip": "10.0.0.1"}}),
        ({"ip_country": "DE"}, {"actor": {"country": "DE"}}),
        ({"actor": {"id": "u1"}, "ipCountry": "DE"}, {"actor": {"id": "u1", "country": "DE"}}),
        ({"actor": {"userAgent": "curl"}}, {"actor": {"user_agent": "curl"}}),
        ({"actor": None, "actor_id": "u1"}, {"actor": {"id": "u1"}}),
        ({"actor_groups": ["Finance"]}, {"actor": {"groups": ["Finance"]}}),
        ({"resource_id": 42, "resourceType": "doc"}, {"resource": {"id": "42", "type": "doc"}}),
        ({"actor": {"id": 7}}, {"actor": {"id": "7"}}),
        ({"event_id": "x9"}, {"id": "x9"}),
        ({"id": 18446744073709551615}, {"id": "18446744073709551615"}),
        ({"id": ""}, {"id": "events-2-7"}),
        ({"id": None}, {"id": "events-2-7"}),
        ({"eventTime": "2026-02-10T14:32:15+01:00"}, {"event_time": "2026-02-10T13:32:15.000Z"}),
        # the canonical field wins, and the other is an extra field like any other
        ({"actor": {"id": "u1"}, "actor_id": "u2"}, {"actor": {"id": "u1"}, "actor_id": "u2"}),
        ({"tenant": "Acme Inc."}, {"tenant_id": "acme", "tenant": "Acme Inc."}),
        # what is no address stays as text; it only never matches a network
        ({"actor_ip": "rds.amazonaws.com"}, {"actor": {"ip": "rds.amazonaws.com"}}),
        # fields of inspection products, and unknown ones, stay where they are
        (
            {"detected": True, "datatypes_detected": ["ssn"], "metadata": {"blocked": False}, "mine": {"a": [1, None]}},
            {"detected": True, "datatypes_detected": ["ssn"], "metadata": {"blocked": False}, "mine": {"a": [1, None]}},
        ),
    ],
)
def test_spellings(given, expected):
    doc = decode({**MINIMAL, **given}).doc
    assert {field: doc.get(field) for field in expected} == expected
    moved = given.keys() - expected.keys()
    assert not moved & doc.keys()


@pytest.mark.parametrize("name", ["tenantId", "tenant", "workspace_id", "workspaceId"])
def test_spellings_of_the_tenant(name):
    event = decode({"action": "a", name: "ws_1"})
    assert event.tenant == event.doc["tenant_id"] == "ws_1"
    assert name not in event.doc


def test_a_numeric_tenant_is_text():
    assert decode({"action": "a", "tenant": 123456789012}).tenant == "123456789012"


@pytest.mark.parametrize(
    ("word", "outcome"),
    [
        ("Success", "success"),
        ("OK", "success"),
        ("allowed", "success"),
        ("ERROR", "failure"),
        ("failed", "failure"),
        ("Timed out", "failure"),
        ("Denied", "denied"),
        ("access-denied", "denied"),
        ("Forbidden", "denied"),
        ("purple", "unknown"),
        ("", "unknown"),
    ],
)
def test_outcomes_are_mapped_and_the_word_is_kept(word, outcome):
    for base in (MINIMAL, CANONICAL):
        doc = decode({**base, "outcome": word}).doc
        assert (doc["outcome"], doc["outcome_raw"]) == (outcome, word)


@pytest.mark.parametrize("outcome", ["success", "failure", "denied", "unknown"])
def test_our_own_outcomes_need_no_raw_word(outcome):
    doc = decode({**MINIMAL, "outcome": outcome}).doc
    assert doc["outcome"] == outcome
    assert "outcome_raw" not in doc


def test_a_word_that_is_given_is_not_overwritten():
    doc = decode({**MINIMAL, "outcome": "Denied", "outcomeRaw": "ERR_7"}).doc
    assert (doc["outcome"], doc["outcome_raw"]) == ("denied", "ERR_7")
    assert "outcomeRaw" not in doc


@pytest.mark.parametrize(
    ("change", "reason", "message"),
    [
        ({"tenant_id": None}, Reason.MISSING_FIELD, "tenant_id: nothing"),
        ({"tenant_id": ""}, Reason.BAD_TENANT, 'tenant_id: "" is not a tenant'),
        ({"tenant_id": "  "}, Reason.BAD_TENANT, 'tenant_id: "  " is not a tenant'),
        ({"tenant_id": "*"}, Reason.BAD_TENANT, 'tenant_id: "*" is not a tenant'),
        ({"tenant_id": "a/b"}, Reason.BAD_TENANT, 'tenant_id: "a/b" is not a tenant'),
        ({"tenant_id": "a\nb"}, Reason.BAD_TENANT, "tenant_id: "),
        ({"tenant_id": "a\x00"}, Reason.BAD_TENANT, "tenant_id: "),
        ({"tenant_id": "t" * 129}, Reason.TOO_LONG, "tenant_id: "),
        ({"tenant_id": True}, Reason.WRONG_TYPE, "tenant_id: true is not text or a whole number"),
        ({"tenant_id": ["a"]}, Reason.WRONG_TYPE, "tenant_id: a list of 1 is not text"),
        ({"action": None}, Reason.MISSING_FIELD, "action: nothing"),
        ({"action": ""}, Reason.BAD_ACTION, 'action: "" is not an action'),
        ({"action": "a\x1bb"}, Reason.BAD_ACTION, "action: "),
        ({"action": 5}, Reason.WRONG_TYPE, "action: 5 is not text"),
        ({"action": "a" * 257}, Reason.TOO_LONG, "action: "),
        ({"id": "i" * 513}, Reason.TOO_LONG, "id: "),
        ({"id": 1.5}, Reason.WRONG_TYPE, "id: 1.5 is not text or a whole number"),
        ({"id": 1e30}, Reason.NUMBER_TOO_LARGE, "id: 1e+30 is not exact"),
        ({"actor": {"id": 1e30}}, Reason.NUMBER_TOO_LARGE, "actor.id: 1e+30 is not exact"),
        ({"outcome": 1}, Reason.WRONG_TYPE, "outcome: 1 is not text"),
        ({"outcome_raw": {}}, Reason.WRONG_TYPE, "outcome_raw: an object is not text"),
        ({"actor": "bob"}, Reason.WRONG_TYPE, 'actor: "bob" is not an object'),
        ({"actor": {"ip": 5}}, Reason.WRONG_TYPE, "actor.ip: 5 is not text"),
        ({"actor": None, "actor_ip": 5}, Reason.WRONG_TYPE, "actor.ip: 5 is not text"),
        ({"actor": {"groups": "Finance"}}, Reason.WRONG_TYPE, 'actor.groups: "Finance" is not a list of text'),
        ({"actor": {"groups": ["a", 1]}}, Reason.WRONG_TYPE, "actor.groups: a list of 2 is not a list of text"),
        ({"resource": []}, Reason.WRONG_TYPE, "resource: a list of 0 is not an object"),
        ({"resource": {"id": {}}}, Reason.WRONG_TYPE, "resource.id: an object is not text"),
        ({"metadata": "x"}, Reason.WRONG_TYPE, 'metadata: "x" is not an object'),
        ({"source": 1}, Reason.WRONG_TYPE, "source: 1 is not text"),
        ({"event_time": "yesterday"}, Reason.BAD_TIME, 'event_time: "yesterday" is not an ISO 8601 time'),
    ],
)
def test_refusals_name_the_path_the_value_and_what_was_expected(change, reason, message):
    # from both sides: beside what is minimal, and as the only blemish of a canonical event
    for base in (MINIMAL, CANONICAL):
        error = refusal({**base, **change})
        assert error.reason is reason
        assert str(error).startswith(message)
        assert len(str(error)) < 250


@pytest.mark.parametrize(
    "doc",
    [
        {**MINIMAL, "tenant_id": "t" * 128},
        {**MINIMAL, "action": "a" * 256},
        {**MINIMAL, "id": "i" * 512},
        {**MINIMAL, "tenant_id": "Zürich & Söhne"},
    ],
)
def test_limits_are_inclusive(doc):
    assert decode(doc).doc.items() >= doc.items()


class TestFixedTenant:
    def test_it_is_the_tenant_of_events_that_name_none(self):
        assert decode({"action": "a"}, tenant="acme").doc["tenant_id"] == "acme"

    def test_it_may_be_named(self):
        assert decode(MINIMAL, tenant="acme").tenant == "acme"

    @pytest.mark.parametrize("name", ["tenant_id", "tenantId", "workspace_id"])
    def test_no_other_may(self, name):
        error = refusal({"action": "a", name: "globex"}, tenant="acme")
        assert error.reason is Reason.FOREIGN_TENANT
        assert str(error) == 'tenant_id: "globex" is not "acme", the only tenant allowed here'

    def test_by_header(self):
        headers = [("source-tenant", b"globex")]
        [event] = Decoder("events").decode(b'{"action":"a"}', 0, 0, ARRIVAL, headers)
        assert event.tenant == "globex"

    def test_a_header_cannot_change_the_topics(self):
        with pytest.raises(EventError) as caught:
            Decoder("events", tenant="acme").decode(b'{"action":"a"}', 0, 0, ARRIVAL, [("source-tenant", b"globex")])
        assert caught.value.reason is Reason.FOREIGN_TENANT

    def test_a_tenant_that_cannot_be_is_refused_at_once(self):
        with pytest.raises(ValueError, match="tenant"):
            Decoder("events", tenant="a/b")


class TestFormat:
    def test_an_unknown_format_is_refused_at_once(self):
        with pytest.raises(ValueError, match="did you mean cloudtrail"):
            Decoder("events", "cloudtrial")

    @pytest.mark.parametrize("name", [b"cloudtrial", b"\xff", b"", None])
    def test_an_unknown_format_in_a_header_is_the_records_fault(self, name):
        with pytest.raises(EventError) as caught:
            Decoder("events").decode(orjson.dumps(MINIMAL), 0, 0, ARRIVAL, [("source-format", name)])
        assert caught.value.reason is Reason.UNKNOWN_FORMAT

    def test_other_headers_do_not_matter(self):
        [event] = Decoder("events").decode(orjson.dumps(MINIMAL), 0, 0, ARRIVAL, [("trace", b"\xff"), ("x", None)])
        assert event.tenant == "acme"

    def test_a_header_may_ask_for_the_canonical_format(self):
        headers = [("source-format", b"event")]
        [event] = Decoder("trail", "cloudtrail").decode(orjson.dumps(MINIMAL), 0, 0, ARRIVAL, headers)
        assert event.doc["tenant_id"] == "acme"
        assert "raw" not in event.doc


@pytest.mark.parametrize("arrival", [None, -1])
def test_without_a_record_timestamp_the_event_says_its_time(arrival):
    decoder = Decoder("events")
    with pytest.raises(EventError) as caught:
        decoder.decode(orjson.dumps(MINIMAL), 0, 0, arrival)
    assert caught.value.reason is Reason.MISSING_FIELD
    [event] = decoder.decode(orjson.dumps({**MINIMAL, "event_time": 1_770_733_935}), 0, 0, arrival)
    assert event.time == event.arrival == 1_770_733_935_000
